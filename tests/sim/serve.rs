//! HTTP over memory or a unix socket.

use std::convert::Infallible;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use skep::swarm::{Dial, Io};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

use super::Sim;
use super::object::Refusal;

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Dials the simulated engine over memory.
pub(super) struct Memory(pub(super) Sim);

impl Dial for Memory {
    fn dial(&self) -> BoxFuture<'static, io::Result<Box<dyn Io>>> {
        let sim = self.0.clone();
        Box::pin(async move {
            let (ours, theirs) = tokio::io::duplex(1 << 20);
            tokio::spawn(sim.connection(theirs));
            Ok(Box::new(ours) as Box<dyn Io>)
        })
    }
}

impl Sim {
    /// Serves on a unix socket, for other processes, until the runtime ends.
    pub fn serve_unix(&self, path: &Path) -> io::Result<()> {
        let listener = tokio::net::UnixListener::bind(path)?;
        let sim = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(sim.clone().connection(stream));
            }
        });
        Ok(())
    }

    async fn connection<S>(self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let service = service_fn(move |request| {
            let sim = self.clone();
            async move { Ok::<_, Infallible>(sim.answer(request).await) }
        });
        let _ = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .await;
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let body = body
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes)
            .unwrap_or_default();
        let latency = self.state().faults.latency;
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        let path = head.uri.path().to_owned();
        let query = head.uri.query().unwrap_or_default();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let call = format!("{} {}", head.method, unversioned(&path));
        let mut state = self.state();
        if call == "GET /events" {
            *state.calls.entry(call.clone()).or_default() += 1;
            if state.faults.take(&call).is_none() {
                let since = super::api::parameter(query, "since");
                let events = state.subscribe(since.and_then(|s| s.parse().ok()));
                if super::api::parameter(query, "until").is_some() {
                    // What is remembered, and the end.
                    state.streams.pop();
                }
                return stream(events);
            }
        }
        if let Some(service) = path.strip_suffix("/logs") {
            let key = service.rsplit('/').next().unwrap_or_default();
            let id = state.find("services", key).map(|s| s.id.clone());
            let written = state.written.iter();
            let frames: Vec<Vec<u8>> = written
                .filter(|(service, _)| Some(service) == id.as_ref())
                .map(|(_, frame)| frame.clone())
                .collect();
            *state.calls.entry("GET /logs".to_owned()).or_default() += 1;
            let follow = super::api::parameter(query, "follow").is_some();
            return log(frames, follow);
        }
        let mut result = state.handle(head.method.as_str(), &path, query, body);
        if state.faults.loses(&call) {
            result = super::object::refuse(503, "the answer got lost");
        }
        drop(state);
        self.0.timers.notify_one();
        let (status, value) = match result {
            Ok((status, value)) => (status, value),
            Err(Refusal(status, message)) => (status, json!({"message": message})),
        };
        let text = if status == 204 {
            String::new()
        } else {
            value.to_string()
        };
        let mut response = Response::new(Full::new(Bytes::from(text)).boxed_unsync());
        *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
        response
    }
}

impl super::State {
    fn subscribe(&mut self, since: Option<u64>) -> mpsc::UnboundedReceiver<Value> {
        let (tx, rx) = mpsc::unbounded_channel();
        if let Some(since) = since {
            // By the clock of the test, which may be a paused one.
            let now = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default();
            let age = now.saturating_sub(Duration::from_secs(since));
            for (_, event) in self.log.iter().filter(|(at, _)| at.elapsed() <= age) {
                let _ = tx.send(event.clone());
            }
        }
        self.streams.push(tx);
        rx
    }
}

fn stream(events: mpsc::UnboundedReceiver<Value>) -> Response<Body> {
    let events = futures_util::stream::unfold(events, |mut events| async move {
        let event = events.recv().await?;
        Some((event, events))
    });
    let frames = events.map(|event| Ok(Frame::data(Bytes::from(format!("{event}\n")))));
    Response::new(BodyExt::boxed_unsync(StreamBody::new(frames)))
}

/// What was written, again and again when it is followed, as if tasks wrote it anew.
fn log(frames: Vec<Vec<u8>>, follow: bool) -> Response<Body> {
    let once = futures_util::stream::iter(frames.clone());
    let again = futures_util::stream::unfold(frames, |frames| async move {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Some((frames.concat(), frames))
    });
    let all = once.chain(again.take(if follow { usize::MAX } else { 0 }));
    let frames = all.map(|frame| Ok(Frame::data(Bytes::from(frame))));
    Response::new(BodyExt::boxed_unsync(StreamBody::new(frames)))
}

/// The path without `/v1.41`.
pub(super) fn unversioned(path: &str) -> &str {
    match path
        .strip_prefix("/v1.")
        .and_then(|rest| rest.split_once('/'))
    {
        Some((version, rest)) => &path[4 + version.len()..][..=rest.len()],
        None => path,
    }
}
