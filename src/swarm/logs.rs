//! The log of a service: what the engine gathers from the nodes of all its tasks.
//!
//! The stream is one frame after another: a byte for the stream, three zeros, the length in four
//! bytes, and a piece of the log with its time and the task's ids in front of it.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use http_body_util::{BodyExt, Collected};
use hyper::body::Incoming;

use super::engine::{DEADLINE, Engine, escaped};
use super::error::Error;
use super::transport::Transport;

/// Frames longer than this are none: the engine cuts lines at 16 KiB.
const LONGEST: usize = 1 << 20;
/// A log that is not followed has something to say at least so often.
const IDLE: Duration = Duration::from_secs(30);
const HEADER: usize = 8;

/// Which part of a log is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// Go on with what comes.
    pub follow: bool,
    /// From this second on (since 1970, by the nodes' clocks).
    pub since: Option<u64>,
    /// So many of the last lines of each task; `None`: all.
    pub tail: Option<u64>,
}

/// Where a line was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
    /// By the engine, about what it could not get.
    Engine,
}

/// One line of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Where it was written.
    pub source: Source,
    /// When (RFC 3339, by the node's clock); empty in the engine's own words.
    pub at: String,
    /// Id of the node.
    pub node: String,
    /// Id of the task.
    pub task: String,
    /// The line, without its end.
    pub text: String,
}

/// An open log.
pub struct Logs {
    body: Incoming,
    decoder: Decoder,
    transport: Transport,
    follow: bool,
    ended: bool,
}

impl Engine {
    /// Opens the log of a service, all its tasks together.
    pub async fn service_logs(&self, service: &str, options: LogOptions) -> Result<Logs, Error> {
        let what = format!("read the log of service {service}");
        let tail = options
            .tail
            .map_or_else(|| "all".to_owned(), |lines| lines.to_string());
        let mut path = format!(
            "/services/{}/logs?stdout=1&stderr=1&timestamps=1&details=1&tail={tail}",
            escaped(service)
        );
        if options.follow {
            path.push_str("&follow=1");
        }
        if let Some(since) = options.since {
            path = format!("{path}&since={since}");
        }
        let path = self.versioned(&path).await?;
        let transport = self.transport().clone();
        let (head, body) = transport.open(&what, &path, DEADLINE).await?.into_parts();
        if !head.status.is_success() {
            let text = tokio::time::timeout(DEADLINE, body.collect()).await;
            let bytes = text.ok().and_then(Result::ok).map(Collected::to_bytes);
            let text = String::from_utf8_lossy(bytes.as_deref().unwrap_or_default()).into_owned();
            return Err(Error::from_answer(&what, self.host(), head.status, &text));
        }
        Ok(Logs {
            body,
            decoder: Decoder::default(),
            transport,
            follow: options.follow,
            ended: false,
        })
    }
}

impl Logs {
    /// The next line; `None` at the end. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Option<LogLine>, Error> {
        loop {
            if let Some(line) = self.decoder.line()? {
                return Ok(Some(line));
            }
            if self.ended {
                return Ok(self.decoder.rest());
            }
            let frame = if self.follow {
                self.body.frame().await
            } else {
                tokio::time::timeout(IDLE, self.body.frame())
                    .await
                    .map_err(|_| Error::Timeout {
                        what: "read a log".to_owned(),
                        host: self.transport.host().to_owned(),
                        seconds: IDLE.as_secs(),
                    })?
            };
            match frame {
                None => self.ended = true,
                Some(Err(error)) => return Err(self.transport.unreachable(&error)),
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        self.decoder.buffer.extend_from_slice(data);
                    }
                }
            }
        }
    }
}

/// Bytes in, lines out. Pure.
#[derive(Default)]
struct Decoder {
    buffer: BytesMut,
    /// Lines that the engine cut, by task and stream, until their end comes.
    open: BTreeMap<(String, Source), LogLine>,
}

impl Decoder {
    /// The next whole line in the buffer.
    fn line(&mut self) -> Result<Option<LogLine>, Error> {
        while let Some((source, payload)) = self.frame()? {
            let (piece, is_end) = piece(source, &payload);
            let key = (piece.task.clone(), source);
            let line = match self.open.remove(&key) {
                Some(mut begun) if begun.text.len() < LONGEST => {
                    begun.text.push_str(&piece.text);
                    begun
                }
                Some(_) | None => piece,
            };
            if is_end {
                return Ok(Some(line));
            }
            self.open.insert(key, line);
        }
        Ok(None)
    }

    /// A line that never ended.
    fn rest(&mut self) -> Option<LogLine> {
        self.open.pop_first().map(|(_, line)| line)
    }

    fn frame(&mut self) -> Result<Option<(Source, Vec<u8>)>, Error> {
        if self.buffer.len() < HEADER {
            return Ok(None);
        }
        let source = match self.buffer[..4] {
            [0 | 1, 0, 0, 0] => Source::Out,
            [2, 0, 0, 0] => Source::Err,
            [3, 0, 0, 0] => Source::Engine,
            _ => return Err(unreadable("a frame of no known stream")),
        };
        let length = &self.buffer[4..HEADER];
        let length = length
            .iter()
            .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        if length > LONGEST {
            return Err(unreadable("a frame that is too long"));
        }
        if self.buffer.len() < HEADER + length {
            return Ok(None);
        }
        self.buffer.advance(HEADER);
        Ok(Some((source, self.buffer.split_to(length).to_vec())))
    }
}

fn unreadable(message: &str) -> Error {
    Error::Answer {
        what: "read a log".to_owned(),
        message: message.to_owned(),
    }
}

/// A piece of a log, and whether the line ends with it.
fn piece(source: Source, payload: &[u8]) -> (LogLine, bool) {
    let text = String::from_utf8_lossy(payload);
    let (text, is_end) = match text.strip_suffix('\n') {
        Some(text) => (text.trim_end_matches('\r'), true),
        None => (&*text, source == Source::Engine),
    };
    let mut line = LogLine {
        source,
        at: String::new(),
        node: String::new(),
        task: String::new(),
        text: text.to_owned(),
    };
    if source == Source::Engine {
        return (line, is_end);
    }
    if let Some((at, rest)) = text.split_once(' ')
        && let Some((details, rest)) = rest.split_once(' ')
    {
        for pair in details.split(',') {
            match pair.split_once('=') {
                Some(("com.docker.swarm.node.id", id)) => id.clone_into(&mut line.node),
                Some(("com.docker.swarm.task.id", id)) => id.clone_into(&mut line.task),
                _ => {}
            }
        }
        at.clone_into(&mut line.at);
        rest.clone_into(&mut line.text);
    }
    (line, is_end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(stream: u8, text: &str) -> Vec<u8> {
        let mut frame = vec![stream, 0, 0, 0];
        frame.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
        frame.extend(text.as_bytes());
        frame
    }

    fn of(task: &str, text: &str) -> String {
        format!(
            "2026-01-10T12:00:00.123456789Z com.docker.swarm.node.id=n1,com.docker.swarm.service.id=s,com.docker.swarm.task.id={task} {text}"
        )
    }

    fn lines(decoder: &mut Decoder) -> Vec<LogLine> {
        std::iter::from_fn(|| decoder.line().unwrap()).collect()
    }

    #[test]
    fn lines_come_out_however_the_bytes_are_cut() {
        let mut bytes = frame(1, &of("t1", "{\"a\": 1}\n"));
        bytes.extend(frame(2, &of("t2", "two words\r\n")));
        bytes.extend(frame(3, "Error grabbing logs: node n2 is not available\n"));
        for size in 1..bytes.len() {
            let mut decoder = Decoder::default();
            let mut found = Vec::new();
            for chunk in bytes.chunks(size) {
                decoder.buffer.extend_from_slice(chunk);
                found.extend(lines(&mut decoder));
            }
            let texts: Vec<&str> = found.iter().map(|line| line.text.as_str()).collect();
            let wanted = [
                "{\"a\": 1}",
                "two words",
                "Error grabbing logs: node n2 is not available",
            ];
            assert_eq!(texts, wanted, "chunks of {size}");
            assert_eq!(found[0].task, "t1");
            assert_eq!(found[1].node, "n1");
            assert_eq!(found[1].source, Source::Err);
            assert_eq!(found[0].at, "2026-01-10T12:00:00.123456789Z");
            assert_eq!(found[2].source, Source::Engine);
        }
    }

    #[test]
    fn a_line_that_the_engine_cut_is_put_together_again() {
        let mut decoder = Decoder::default();
        for (task, text) in [
            ("t1", "begin "),
            ("t2", "other\n"),
            ("t1", "end\n"),
            ("t1", "x"),
        ] {
            decoder.buffer.extend_from_slice(&frame(1, &of(task, text)));
        }
        let texts: Vec<String> = lines(&mut decoder).into_iter().map(|l| l.text).collect();
        assert_eq!(texts, ["other", "begin end"]);
        assert_eq!(decoder.rest().unwrap().text, "x");
        assert_eq!(decoder.rest(), None);
    }

    #[test]
    fn what_is_no_log_is_told() {
        let mut decoder = Decoder::default();
        decoder.buffer.extend_from_slice(b"{\"message\": \"no\"}");
        assert!(decoder.line().is_err());
        let mut decoder = Decoder::default();
        decoder
            .buffer
            .extend_from_slice(&[1, 0, 0, 0, 255, 0, 0, 0]);
        assert!(decoder.line().is_err());
    }
}
