//! Tasks of application services, in this process: each listens on its own loopback address and
//! answers with what it saw, as JSON.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

use crate::wire::{Body, Fields, Head, Wire, values};

/// A task.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub service: String,
    pub task: String,
    pub network: String,
    pub port: u16,
    /// `running`, `silent` (never answers) or `rude` (hangs up).
    pub manner: String,
    pub reply: Option<Vec<u8>>,
    /// Every request line that any endpoint saw.
    pub seen: Arc<Mutex<Vec<String>>>,
}

impl Endpoint {
    /// Serves for as long as the process lives.
    pub async fn serve(self, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(self.clone().connection(stream));
        }
    }

    async fn connection(self, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let mut wire = Wire::new(stream);
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
