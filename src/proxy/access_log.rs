//! The access log: requests hand over a record, a thread of its own puts it into words.
//!
//! The queue is bounded and never waited for, and its reader looks at it by the clock: a request
//! wakes nobody, and a slow standard output costs lines (counted), not requests.

mod texts;

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use http::Version;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::table::LiveBackend;
use super::tls::Agreed;
use super::{limits, metrics};
use crate::api::service_cluster::LogFormat;
pub(super) use texts::Texts;

/// How often the reader looks when there is traffic, and when there is none.
const BUSY: Duration = Duration::from_millis(20);
const QUIET: Duration = Duration::from_millis(200);
/// Written at once.
const BATCH: usize = 64 << 10;

/// What is told of one request.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) ended: OffsetDateTime,
    pub(super) format: LogFormat,
    pub(super) texts: Texts,
    pub(super) peer: IpAddr,
    pub(super) version: Version,
    /// How it is secured, where TLS ends here.
    pub(super) tls: Option<Arc<Agreed>>,
    pub(super) status: u16,
    pub(super) bytes: u64,
    pub(super) duration: Duration,
    pub(super) attempts: u8,
    pub(super) endpoint: Option<SocketAddr>,
    pub(super) backend: Option<Arc<LiveBackend>>,
    /// Client connections that the proxy has open.
    pub(super) connections: i64,
    /// Why it is not an ordinary answer of an endpoint; empty if it is.
    pub(super) reason: &'static str,
}

impl Default for Line {
    fn default() -> Self {
        Self {
            ended: OffsetDateTime::UNIX_EPOCH,
            format: LogFormat::Json,
            texts: Texts::default(),
            peer: Ipv4Addr::UNSPECIFIED.into(),
            version: Version::HTTP_11,
            tls: None,
            status: 0,
            bytes: 0,
            duration: Duration::ZERO,
            attempts: 0,
            endpoint: None,
            backend: None,
            connections: 0,
            reason: "",
        }
    }
}

/// Where records are handed over.
#[derive(Debug)]
pub(super) struct Log {
    lines: SyncSender<Box<Line>>,
    ending: Arc<AtomicBool>,
    writer: JoinHandle<()>,
}

impl Log {
    /// Starts the thread that writes to `out`. It ends when it is told to, or the last sender is
    /// gone.
    pub(super) fn start(out: impl Write + Send + 'static) -> std::io::Result<Self> {
        let (lines, receiver) = sync_channel(limits::LOG_LINES);
        let ending = Arc::new(AtomicBool::new(false));
        let is_ending = Arc::clone(&ending);
        let writer = std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || write_all(&receiver, out, &is_ending))?;
        Ok(Self {
            lines,
            ending,
            writer,
        })
    }

    pub(super) fn send(&self, line: Box<Line>, dropped: &AtomicU64) {
        if self.lines.try_send(line).is_err() {
            metrics::count(dropped);
        }
    }

    /// Writes what is there, when no more comes. Waits, but not for a reader that is stuck.
    pub(super) fn finish(&self, within: Duration) {
        self.ending.store(true, Relaxed);
        self.writer.thread().unpark();
        let end = Instant::now() + within;
        while !self.writer.is_finished() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

fn write_all(lines: &Receiver<Box<Line>>, mut out: impl Write, ending: &AtomicBool) {
    let mut text = Vec::with_capacity(BATCH + 4096);
    loop {
        // Read first: what was sent before it was set is then written.
        let is_ending = ending.load(Relaxed);
        let end = loop {
            match lines.try_recv() {
                Ok(line) => render(&line, &mut text),
                Err(end) => break Some(end),
            }
            if text.len() >= BATCH {
                break None;
            }
        };
        let pause = if text.is_empty() { QUIET } else { BUSY };
        // Without a reader of standard output there is nobody to tell.
        let _ = out.write_all(&text).and_then(|()| out.flush());
        text.clear();
        match end {
            Some(TryRecvError::Disconnected) => return,
            Some(TryRecvError::Empty) if is_ending => return,
            Some(TryRecvError::Empty) => std::thread::park_timeout(pause),
            None => {}
        }
    }
}

fn render(line: &Line, out: &mut Vec<u8>) {
    // Writing to memory cannot fail.
    let _ = match line.format {
        LogFormat::Json => json(line, out),
        LogFormat::Text => plain(line, out),
    };
    out.push(b'\n');
}

fn json(line: &Line, out: &mut Vec<u8>) -> std::io::Result<()> {
    let ended = line.ended.format(&Rfc3339).unwrap_or_default();
    write!(out, "{{\"time\":\"{ended}\",\"request_id\":")?;
    quoted(line.texts.id(), out)?;
    write!(
        out,
        ",\"client\":\"{}\",\"method\":\"{}\",\"host\":",
        line.peer,
        line.texts.method()
    )?;
    quoted(line.texts.host(), out)?;
    out.extend_from_slice(b",\"path\":");
    quoted(line.texts.path(), out)?;
    write!(
        out,
        ",\"protocol\":\"{:?}\",\"status\":{},\"bytes\":{},\"duration_ms\":{:.3},\"backend\":",
        line.version,
        line.status,
        line.bytes,
        line.duration.as_secs_f64() * 1e3
    )?;
    quoted(service(line), out)?;
    match line.endpoint {
        Some(endpoint) => write!(out, ",\"endpoint\":\"{endpoint}\"")?,
        None => out.extend_from_slice(b",\"endpoint\":\"\""),
    }
    write!(
        out,
        ",\"attempts\":{},\"connections\":{},\"user_agent\":",
        line.attempts, line.connections
    )?;
    quoted(line.texts.agent(), out)?;
    if let Some(tls) = &line.tls {
        let (version, protocol) = (tls.version, tls.protocol);
        write!(
            out,
            ",\"tls_version\":\"{version}\",\"tls_alpn\":\"{protocol}\",\"tls_sni\":"
        )?;
        quoted(tls.name.as_deref().unwrap_or_default(), out)?;
    }
    if !line.reason.is_empty() {
        write!(out, ",\"reason\":\"{}\"", line.reason)?;
    }
    out.push(b'}');
    Ok(())
}

/// The common log format, then duration in seconds, endpoint, host and request id; over TLS also
/// its version, protocol and name.
fn plain(line: &Line, out: &mut Vec<u8>) -> std::io::Result<()> {
    let ended = line.ended.format(&Rfc3339).unwrap_or_default();
    write!(out, "{} - - [{ended}] ", line.peer)?;
    let request = format!(
        "{} {} {:?}",
        line.texts.method(),
        line.texts.path(),
        line.version
    );
    quoted(&request, out)?;
    write!(
        out,
        " {} {} {:.6} ",
        line.status,
        line.bytes,
        line.duration.as_secs_f64()
    )?;
    match line.endpoint {
        Some(endpoint) => write!(out, "{endpoint} ")?,
        None => out.extend_from_slice(b"- "),
    }
    quoted(line.texts.host(), out)?;
    out.push(b' ');
    quoted(line.texts.id(), out)?;
    let Some(tls) = &line.tls else {
        return Ok(());
    };
    let told = |text: &'static str| if text.is_empty() { "-" } else { text };
    write!(out, " {} {} ", told(tls.version), told(tls.protocol))?;
    quoted(tls.name.as_deref().unwrap_or_default(), out)
}

fn quoted(text: &str, out: &mut Vec<u8>) -> std::io::Result<()> {
    Ok(serde_json::to_writer(out, text)?)
}

fn service(line: &Line) -> &str {
    line.backend.as_ref().map_or("", |backend| &backend.service)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(format: LogFormat) -> Line {
        let request = http::Request::get("/x?q=1")
            .header("host", "demo.a")
            .header("user-agent", "a \"quoted\" agent")
            .body(());
        let mut texts = Texts::of(&request.unwrap());
        texts.identify(&http::HeaderValue::from_static("abc"));
        Line {
            format,
            texts,
            status: 200,
            bytes: 12,
            duration: Duration::from_micros(1500),
            attempts: 1,
            connections: 7,
            ..Line::default()
        }
    }

    fn rendered(format: LogFormat) -> String {
        let mut out = Vec::new();
        render(&line(format), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_json_line_is_json_whatever_the_client_sends() {
        let value: serde_json::Value = serde_json::from_str(&rendered(LogFormat::Json)).unwrap();
        assert_eq!(value["user_agent"], "a \"quoted\" agent");
        assert_eq!(value["path"], "/x?q=1");
        assert_eq!(value["duration_ms"], 1.5);
        assert_eq!(value["connections"], 7);
        assert_eq!(value["protocol"], "HTTP/1.1");
        assert_eq!(value["time"], "1970-01-01T00:00:00Z");
    }

    #[test]
    fn a_text_line_is_the_common_log_format_and_more() {
        let want = "0.0.0.0 - - [1970-01-01T00:00:00Z] \"GET /x?q=1 HTTP/1.1\" 200 12 0.001500 - \"demo.a\" \"abc\"\n";
        assert_eq!(rendered(LogFormat::Text), want);
    }

    #[test]
    fn what_was_agreed_on_by_tls_is_told_and_nothing_of_it_without() {
        let over_tls = |format| {
            let tls = Agreed {
                version: "TLSv1.3",
                protocol: "h2",
                name: Some("demo.a".into()),
            };
            let tls = Some(Arc::new(tls));
            let mut out = Vec::new();
            render(
                &Line {
                    tls,
                    ..line(format)
                },
                &mut out,
            );
            String::from_utf8(out).unwrap()
        };
        let json = over_tls(LogFormat::Json);
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["tls_version"], "TLSv1.3");
        assert_eq!(value["tls_alpn"], "h2");
        assert_eq!(value["tls_sni"], "demo.a");
        assert!(!rendered(LogFormat::Json).contains("tls"));
        let text = over_tls(LogFormat::Text);
        assert!(text.ends_with("\"abc\" TLSv1.3 h2 \"demo.a\"\n"), "{text}");
    }

    #[test]
    fn lines_without_room_are_counted_not_waited_for() {
        struct Stuck(std::sync::mpsc::Receiver<()>);
        impl Write for Stuck {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                let _ = self.0.recv();
                Ok(bytes.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let (release, stuck) = std::sync::mpsc::channel();
        let log = Log::start(Stuck(stuck)).unwrap();
        let dropped = AtomicU64::new(0);
        for _ in 0..limits::LOG_LINES * 2 {
            log.send(Box::new(line(LogFormat::Json)), &dropped);
        }
        assert!(dropped.load(std::sync::atomic::Ordering::Relaxed) > 0);
        drop(release);
    }

    #[test]
    fn the_last_lines_are_written_at_the_end() {
        #[derive(Clone, Default)]
        struct Kept(Arc<std::sync::Mutex<Vec<u8>>>);
        impl Write for Kept {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0.lock().unwrap().extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let kept = Kept::default();
        let log = Log::start(kept.clone()).unwrap();
        for _ in 0..1_000 {
            log.send(Box::new(line(LogFormat::Json)), &AtomicU64::new(0));
        }
        log.finish(Duration::from_secs(10));
        let written = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert_eq!(written.lines().count(), 1_000);
    }
}
