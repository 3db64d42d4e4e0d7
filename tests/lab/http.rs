//! Plain HTTP requests to an address of a node, with a `Host` of one's choice.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

impl Answer {
    /// The id of the container that answered, as whoami tells it.
    pub fn container(&self) -> Result<String, String> {
        let id = self
            .body
            .lines()
            .find_map(|line| line.strip_prefix("container: "));
        match id {
            Some(id) if self.status == 200 => Ok(id.to_owned()),
            _ => Err(format!("{self:?}")),
        }
    }
}

/// `GET path` on a connection of its own.
pub fn get(address: IpAddr, port: u16, host: &str, path: &str) -> Result<Answer, String> {
    let exchange = || -> std::io::Result<Vec<u8>> {
        let mut stream =
            TcpStream::connect_timeout(&SocketAddr::from((address, port)), Duration::from_secs(2))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    };
    let bytes =
        exchange().map_err(|error| format!("http://{address}:{port}{path} ({host}): {error}"))?;
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| format!("not an HTTP answer: {head:?}"))?;
    Ok(Answer {
        status,
        body: body.to_owned(),
    })
}

/// The status of `GET path`, as an error unless it is the wanted one.
pub fn status_is(
    wanted: u16,
    address: IpAddr,
    port: u16,
    host: &str,
    path: &str,
) -> Result<(), String> {
    let answer = get(address, port, host, path)?;
    if answer.status == wanted {
        Ok(())
    } else {
        Err(format!("{host}{path} on {address}:{port}: {answer:?}"))
    }
}
