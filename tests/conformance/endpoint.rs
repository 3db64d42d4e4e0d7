//! Tasks of application services, in this process: each listens on its own loopback address and
//! answers with what it saw, as JSON.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::wire::{Body, Fields, Head, Io, Wire, values};

/// A task.
#[derive(Clone)]
pub struct Endpoint {
    pub service: String,
    pub task: String,
    pub network: String,
    pub port: u16,
    /// `running`, `silent` (never answers) or `rude` (hangs up).
    pub manner: String,
    pub reply: Option<Vec<u8>>,
    pub tls: Option<TlsAcceptor>,
    pub http2: bool,
    /// Every request line that any endpoint saw.
    pub seen: Arc<Mutex<Vec<String>>>,
}

impl Endpoint {
    /// Serves for as long as the process lives.
    pub async fn serve(self, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            tokio::spawn(self.clone().connection(stream));
        }
    }

    async fn connection(self, stream: TcpStream) {
        let stream: Box<dyn Io> = match &self.tls {
            None => Box::new(stream),
            Some(acceptor) => match acceptor.accept(stream).await {
                Ok(stream) => Box::new(stream),
                Err(_) => return,
            },
        };
        if self.http2 {
            return self.http2(stream).await;
        }
        self.http1(Wire::new(stream)).await;
    }

    /// A gRPC server of a kind: whatever it is asked, the answer has trailers.
    async fn http2(self, stream: Box<dyn Io>) {
        let service = service_fn(move |request: http::Request<Incoming>| {
            let task = self.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await?;
                let uri = &parts.uri;
                let target = uri
                    .path_and_query()
                    .map_or("/", http::uri::PathAndQuery::as_str);
                let mut fields = crate::client::fields(&parts.headers);
                let authority = uri
                    .authority()
                    .map(|it| (":authority".to_owned(), it.to_string()));
                fields.extend(authority);
                let head = Head {
                    start: format!("{} {target} HTTP/2", parts.method),
                    fields,
                };
                let line = format!("{} {}", task.service, head.start);
                task.seen.lock().unwrap().push(line);
                let body = Body {
                    trailers: body
                        .trailers()
                        .map(crate::client::fields)
                        .unwrap_or_default(),
                    bytes: body.to_bytes().into(),
                    framing: "h2".to_owned(),
                    cut: false,
                };
                let saw = task.saw(&head, &body).to_string();
                let mut trailers = http::HeaderMap::new();
                trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
                let frames = [Frame::data(Bytes::from(saw)), Frame::trailers(trailers)];
                let frames = frames.map(Ok::<_, std::convert::Infallible>);
                let body = StreamBody::new(futures_util::stream::iter(frames));
                Ok::<_, hyper::Error>(http::Response::new(body))
            }
        });
        let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let _ = builder
            .serve_connection(TokioIo::new(stream), service)
            .await;
    }

    async fn http1(self, mut wire: Wire) {
        while let Some(head) = wire.head().await {
            let line = format!("{} {}", self.service, head.start);
            self.seen.lock().unwrap().push(line);
            match self.manner.as_str() {
                "rude" => return,
                "silent" => std::future::pending().await,
                _ => {}
            }
            if !values(&head.fields, "expect").is_empty() {
                let _ = wire.send(b"HTTP/1.1 100 Continue\r\n\r\n").await;
            }
            let body = wire.body(&head, false).await;
            if body.cut {
                return;
            }
            if let Some(reply) = &self.reply {
                let _ = wire.send(reply).await;
                if ends(reply) {
                    return;
                }
                continue;
            }
            if !values(&head.fields, "upgrade").is_empty() {
                let told = told(&self.saw(&head, &body));
                let head = format!(
                    "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
                     keep-alive: 5\r\nx-saw: {told}\r\n\r\n"
                );
                let _ = wire.send(head.as_bytes()).await;
                return wire.echo().await;
            }
            let saw = self.saw(&head, &body).to_string();
            let shown = if head.start.starts_with("HEAD ") {
                ""
            } else {
                &saw
            };
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{shown}",
                saw.len()
            );
            if wire.send(head.as_bytes()).await.is_err() {
                return;
            }
        }
    }

    fn saw(&self, head: &Head, body: &Body) -> Value {
        let mut words = head.start.split(' ');
        json!({
            "service": self.service,
            "task": self.task,
            "network": self.network,
            "port": self.port,
            "method": words.next(),
            "path": words.next(),
            "http": words.next(),
            "headers": map(&head.fields),
            "framing": body.framing,
            "body": String::from_utf8_lossy(&body.bytes),
            "trailers": map(&body.trailers),
        })
    }
}

/// A reply that is to end the connection says so, or has no length of its own.
fn ends(reply: &[u8]) -> bool {
    let text = String::from_utf8_lossy(reply).to_ascii_lowercase();
    let sized = text.contains("content-length") || text.contains("chunked");
    text.contains("connection: close")
        || !(sized || text.contains(" 204 ") || text.contains(" 304 "))
}

/// Without what would make it two lines.
fn told(saw: &Value) -> String {
    saw.to_string().replace(['\r', '\n'], " ")
}

fn map(fields: &Fields) -> Value {
    let mut map = serde_json::Map::new();
    for (name, value) in fields {
        let values = map.entry(name.clone()).or_insert_with(|| json!([]));
        values.as_array_mut().unwrap().push(json!(value));
    }
    Value::Object(map)
}
