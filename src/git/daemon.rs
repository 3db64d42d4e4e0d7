//! `git://`: the protocol over one plain connection.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use gix_transport::Protocol;
use gix_transport::client::git::ConnectMode;
use gix_transport::client::git::blocking_io::Connection;

use super::bounds::Bounds;
use super::{Error, Url};

/// Between two looks whether it is wanted still.
const LISTEN: Duration = Duration::from_millis(500);
/// A server that has not answered the first packet by then is not there.
const ANSWER: Duration = Duration::from_secs(10);

/// A connection within bounds.
pub(super) struct Bounded {
    stream: TcpStream,
    bounds: Bounds,
}

/// Connects to the daemon of a repository.
pub(super) fn connect(url: &Url, bounds: &Bounds) -> Result<Connection<Bounded, Bounded>, Error> {
    let unreachable = |error: io::Error| Error::Unreachable {
        host: url.authority(),
        why: error.to_string(),
    };
    let addresses = (url.host.as_str(), url.port)
        .to_socket_addrs()
        .map_err(unreachable)?;
    let mut last = io::Error::other("the name has no address");
    for address in addresses {
        match TcpStream::connect_timeout(&address, bounds.time()?.min(ANSWER)) {
            Ok(stream) => {
                let other = stream.try_clone().map_err(unreachable)?;
                let bounded = |stream| Bounded {
                    stream,
                    bounds: bounds.clone(),
                };
                return Ok(Connection::new(
                    bounded(stream),
                    bounded(other),
                    Protocol::V2,
                    url.path.as_str(),
                    Some((url.host.as_str(), Some(url.port))),
                    ConnectMode::Daemon,
                    false,
                ));
            }
            Err(error) => last = error,
        }
    }
    Err(unreachable(last))
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = loop {
            let left = self.bounds.time().map_err(|e| self.bounds.fail(e))?;
            self.stream.set_read_timeout(Some(left.min(LISTEN)))?;
            match self.stream.read(buffer) {
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock
                            | io::ErrorKind::TimedOut
                            | io::ErrorKind::Interrupted
                    ) => {}
                read => break read?,
            }
        };
        self.bounds.take(read).map_err(|e| self.bounds.fail(e))?;
        Ok(read)
    }
}

impl Write for Bounded {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let left = self.bounds.time().map_err(|e| self.bounds.fail(e))?;
        self.stream.set_write_timeout(Some(left))?;
        self.stream.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
