//! A steady client beside a change: counts what it asked, and keeps what failed.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Failures whose words are kept.
const KEPT: usize = 5;

/// Requests and failures of a whole run.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct Count {
    pub requests: u64,
    pub failed: u64,
    /// What the first failures said, and when.
    #[serde(skip)]
    pub said: Vec<String>,
}

/// A running client.
pub struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Count>>,
}

impl Load {
    /// Asks for `host` on so many kept connections, each with a pause between two requests.
    pub fn start(address: SocketAddr, host: &str, connections: usize, pause: Duration) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let client = |_| {
            let (stopped, host) = (stop.clone(), host.to_owned());
            std::thread::spawn(move || run(address, &host, pause, &stopped))
        };
        let clients = (0..connections).map(client).collect();
        Self { stop, clients }
    }

    /// Ends it.
    pub fn stop(self) -> Count {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Count::default();
        for client in self.clients {
            let count = client.join().unwrap();
            all.requests += count.requests;
            all.failed += count.failed;
            all.said.extend(count.said);
        }
        all
    }
}

fn run(address: SocketAddr, host: &str, pause: Duration, stop: &AtomicBool) -> Count {
    let begun = Instant::now();
    let mut count = Count::default();
    let mut connection = None;
    while !stop.load(Ordering::Relaxed) {
        count.requests += 1;
        connection = match ask(connection.take(), address, host) {
            Ok(kept) => kept,
            Err(error) => {
                count.failed += 1;
                if count.said.len() < KEPT {
                    let at = begun.elapsed();
                    count.said.push(format!("after {at:.1?}: {error}"));
                }
                None
            }
        };
        std::thread::sleep(pause);
    }
    count
}

type Connection = BufReader<TcpStream>;

/// One request; gives the connection back if it may be used again.
fn ask(
    kept: Option<Connection>,
    address: SocketAddr,
    host: &str,
) -> std::io::Result<Option<Connection>> {
    let mut connection = if let Some(kept) = kept {
        kept
    } else {
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.set_nodelay(true)?;
        BufReader::new(stream)
    };
    connection
        .get_mut()
        .write_all(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes())?;
    let mut status = String::new();
    connection.read_line(&mut status)?;
    let (mut length, mut close) = (0, false);
    let mut line = String::new();
    loop {
        line.clear();
        if connection.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().unwrap_or(0),
                "connection" => close = value.trim().eq_ignore_ascii_case("close"),
                _ => {}
            }
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body)?;
    if !status.starts_with("HTTP/1.1 200") {
        let body = String::from_utf8_lossy(&body);
        let text = format!("{:?}: {}", status.trim(), body.trim());
        return Err(std::io::Error::other(text));
    }
    Ok((!close).then_some(connection))
}
