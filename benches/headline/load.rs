//! A steady client beside the changes: counts what it asked and what failed.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Requests and failures of a whole run.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub struct Count {
    pub requests: u64,
    pub failed: u64,
}

/// A running client.
pub struct Load {
    stop: Arc<AtomicBool>,
    client: JoinHandle<Count>,
}

impl Load {
    /// Asks for `host` some 300 times a second on one kept connection.
    pub fn start(address: SocketAddr, host: &'static str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let client = std::thread::spawn(move || {
            let mut count = Count::default();
            let mut connection = None;
            while !stopped.load(Ordering::Relaxed) {
                count.requests += 1;
                connection = ask(connection, address, host).ok();
                count.failed += u64::from(connection.is_none());
                std::thread::sleep(Duration::from_millis(3));
            }
            count
        });
        Self { stop, client }
    }

    /// Ends it.
    pub fn stop(self) -> Count {
        self.stop.store(true, Ordering::Relaxed);
        self.client.join().unwrap()
    }
}

type Connection = BufReader<TcpStream>;

fn ask(
    connection: Option<Connection>,
    address: SocketAddr,
    host: &str,
) -> std::io::Result<Connection> {
    let mut connection = if let Some(kept) = connection {
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
    let mut line = String::new();
    connection.read_line(&mut line)?;
    let good = line.starts_with("HTTP/1.1 200");
    let mut length = 0;
    loop {
        line.clear();
        if connection.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body)?;
    if good {
        Ok(connection)
    } else {
        Err(std::io::ErrorKind::InvalidData.into())
    }
}
