//! Asks what a row asks, and keeps what comes of it.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, StreamBody};
use hyper::body::Frame;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;

use crate::stage::Stage;
use crate::table::{Row, Step, text};
use crate::tls;
use crate::wire::{Body, Fields, Head, Io, Wire};

/// No answer takes so long, not even one that is waited for in vain.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// One answer as the client saw it.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// `0`: the connection ended without one.
    pub status: u16,
    pub http: String,
    pub fields: Fields,
    pub body: Body,
    pub interim: Vec<u16>,
    /// What the endpoint says it saw.
    pub saw: Option<Value>,
    /// Whether the connection ended after it; only looked at where a row claims it.
    pub closed: Option<bool>,
    /// What TLS agreed on.
    pub tls: Option<tls::Shown>,
    /// Why the handshake failed.
    pub handshake: Option<String>,
}

type Answers = Result<Vec<Answer>, String>;

/// Asks once. `cookies` are sent, when there are any.
pub async fn ask(stage: &Stage, cluster: &str, row: &Row, cookies: &str) -> Answers {
    let asking = async {
        let stream = stage.connect(cluster, row.tls.is_some()).await;
        let stream: Box<dyn Io> = Box::new(stream);
        match &row.tls {
            None => ask_on(stream, row, cookies).await,
            Some(name) => match tls::connect(stream, name, row).await {
                Ok((stream, shown)) => {
                    let mut answers = ask_on(Box::new(stream), row, cookies).await?;
                    let show = |it: &mut Answer| it.tls = Some(shown.clone());
                    answers.iter_mut().for_each(show);
                    Ok(answers)
                }
                // A refused handshake is an answer of its own kind.
                Err(error) => Ok(vec![Answer {
                    handshake: Some(error.to_string()),
                    ..Answer::default()
                }]),
            },
        }
    };
    let asked = tokio::time::timeout(PATIENCE, asking).await;
    asked.unwrap_or_else(|_| Err("no answer in time".to_owned()))
}

async fn ask_on(stream: Box<dyn Io>, row: &Row, cookies: &str) -> Answers {
    if row.http == "2" {
        return Ok(vec![ask_http2(stream, row, cookies).await?]);
    }
    converse(Wire::new(stream), row, cookies).await
}

async fn converse(mut wire: Wire, row: &Row, cookies: &str) -> Answers {
    let steps = match (&row.send, &row.raw) {
        (Some(_), None) => vec![Step::Send(String::new())],
        (None, Some(raw)) => vec![Step::Send(raw.clone())],
        _ => row.steps.clone(),
    };
    let mut first = None;
    for step in &steps {
        match step {
            Step::Send(raw) => {
                let bytes = if row.send.is_some() {
                    plain(row, cookies)
                } else {
                    text(raw)
                };
                first.get_or_insert_with(|| String::from_utf8_lossy(&bytes).into_owned());
                // A proxy that has answered need not read on.
                let _ = wire.send(&bytes).await;
            }
            Step::Wait(text) => {
                if !wire.wait(text).await {
                    return Err(format!("`{text}` does not come"));
                }
            }
            Step::Finish => {
                let _ = wire.finish().await;
            }
        }
    }
    let first = first.unwrap_or_default();
    let method = first.split(' ').next().unwrap_or("");
    let mut answers = Vec::new();
    for expect in row.expects() {
        let method = expect.to.as_deref().unwrap_or(method);
        let mut answer = answer(&mut wire, method).await;
        if expect.closed.is_some() {
            // Whoever still listens answers this with a 404.
            let probe = b"GET / HTTP/1.1\r\nhost: is-anybody-there.invalid\r\n\r\n";
            let _ = wire.send(probe).await;
            answer.closed = Some(!wire.goes_on().await);
        }
        answers.push(answer);
    }
    Ok(answers)
}

/// A well-formed request.
fn plain(row: &Row, cookies: &str) -> Vec<u8> {
    let [method, host, target] = words(row);
    let mut head = format!("{method} {target} HTTP/{}\r\n", row.http);
    let mut field = |field: &str| {
        head.push_str(field);
        head.push_str("\r\n");
    };
    if host != "-" {
        field(&format!("Host: {host}"));
    }
    row.headers.iter().for_each(|it| field(it));
    if !cookies.is_empty() {
        field(&format!("Cookie: {cookies}"));
    }
    let body = row.body.as_deref().map(text);
    if let Some(body) = &body {
        field(&format!("Content-Length: {}", body.len()));
    }
    let mut bytes = text(&head.replace("\r\n", "\n"));
    bytes.extend(b"\r\n");
    bytes.extend(body.unwrap_or_default());
    bytes
}

fn words(row: &Row) -> [&str; 3] {
    let send = row.send.as_deref().unwrap_or_default();
    let words: Vec<&str> = send.split(' ').collect();
    words
        .try_into()
        .unwrap_or_else(|_| panic!("`{send}` is not METHOD HOST TARGET"))
}

async fn answer(wire: &mut Wire, method: &str) -> Answer {
    let mut answer = Answer::default();
    while let Some(head) = wire.head().await {
        let mut words = head.start.split(' ');
        words.next().unwrap_or("").clone_into(&mut answer.http);
        answer.status = words.next().and_then(|it| it.parse().ok()).unwrap_or(0);
        answer.fields.clone_from(&head.fields);
        if (100..200).contains(&answer.status) && answer.status != 101 {
            answer.interim.push(answer.status);
            answer.status = 0;
            continue;
        }
        answer.body = match answer.status {
            _ if method == "HEAD" => Body::default(),
            101 | 204 | 304 => Body::default(),
            _ => wire.body(&head, true).await,
        };
        break;
    }
    answer.look();
    answer
}

impl Answer {
    /// Finds what the endpoint says: in the body, or beside an upgrade.
    fn look(&mut self) {
        let beside = self.fields.iter().find(|(name, _)| name == "x-saw");
        self.saw = match beside {
            Some((_, told)) => serde_json::from_str(told).ok(),
            None => serde_json::from_slice(&self.body.bytes).ok(),
        };
    }

    /// The cookies it sets, as `name=value`.
    pub fn cookies(&self) -> impl Iterator<Item = &str> {
        let set = self.fields.iter().filter(|(name, _)| name == "set-cookie");
        set.filter_map(|(_, value)| value.split(';').next())
    }
}

async fn ask_http2(stream: Box<dyn Io>, row: &Row, cookies: &str) -> Result<Answer, String> {
    let said = |error: hyper::Error| format!("HTTP/2: {error}");
    let [method, host, target] = words(row);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .map_err(said)?;
    let driver = tokio::spawn(connection);
    let scheme = if row.tls.is_some() { "https" } else { "http" };
    let mut request = http::Request::builder()
        .method(method)
        .uri(format!("{scheme}://{host}{target}"));
    let cookies = (!cookies.is_empty()).then(|| format!("cookie: {cookies}"));
    for field in row.headers.iter().chain(&cookies) {
        let (name, value) = field.split_once(':').unwrap_or((field, ""));
        request = request.header(name, text(value.trim()));
    }
    let request = request
        .body(upload(row))
        .map_err(|error| error.to_string())?;
    let response = sender.send_request(request).await.map_err(said)?;
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map_err(said)?;
    let trailers = body.trailers().map(fields).unwrap_or_default();
    driver.abort();
    let mut answer = Answer {
        status: parts.status.as_u16(),
        http: "HTTP/2".to_owned(),
        fields: fields(&parts.headers),
        body: Body {
            trailers,
            bytes: body.to_bytes().into(),
            framing: "h2".to_owned(),
            cut: false,
        },
        ..Answer::default()
    };
    answer.look();
    Ok(answer)
}

type Upload = UnsyncBoxBody<Bytes, io::Error>;

fn upload(row: &Row) -> Upload {
    let mut frames = Vec::new();
    if let Some(body) = &row.body {
        frames.push(Ok(Frame::data(text(body).into())));
    }
    if !row.trailers.is_empty() {
        let mut trailers = http::HeaderMap::new();
        for field in &row.trailers {
            let (name, value) = field.split_once(':').unwrap_or((field, ""));
            let name: http::HeaderName = name.parse().unwrap();
            trailers.append(name, value.trim().parse().unwrap());
        }
        frames.push(Ok(Frame::trailers(trailers)));
    }
    if frames.is_empty() {
        return Empty::new().map_err(|never| match never {}).boxed_unsync();
    }
    StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync()
}

pub fn fields(headers: &http::HeaderMap) -> Fields {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let pairs = headers.iter();
    pairs
        .map(|(name, value)| (name.to_string(), text(value)))
        .collect()
}

/// The head of an answer, for complaints.
impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Head { start, fields } = Head {
            start: format!("{} {}", self.http, self.status),
            fields: self.fields.clone(),
        };
        writeln!(f, "    {start}")?;
        for (name, value) in fields {
            writeln!(f, "    {name}: {value}")?;
        }
        let body = String::from_utf8_lossy(&self.body.bytes);
        let body: String = body.chars().take(900).collect();
        write!(f, "    [{}] {body}", self.body.framing)
    }
}
