//! curl, as the manuals of Interlock use it.

use std::net::IpAddr;
use std::process::Command;

/// What curl saw.
#[derive(Debug)]
pub struct Curl {
    /// curl's exit code; 35: the TLS handshake failed, 60: the certificate is not the expected one.
    pub code: i32,
    pub status: u16,
    pub head: String,
    pub body: String,
}

/// Runs curl with these arguments.
pub fn curl(args: &[&str]) -> Curl {
    let output = Command::new("curl")
        .args(["-sS", "-i", "--max-time", "10", "--noproxy", "*"])
        .args(args)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Curl {
        code: output.status.code().unwrap_or(-1),
        status: status.unwrap_or(0),
        head: head.to_lowercase(),
        body: body.to_owned(),
    }
}

/// `curl [ARGS] --resolve HOST:PORT:ADDRESS URL`, so that SNI and Host are those of the URL.
pub fn resolved(address: IpAddr, port: u16, host: &str, path: &str, args: &[&str]) -> Curl {
    let resolve = format!("{host}:{port}:{address}");
    let url = format!("https://{host}:{port}{path}");
    curl(&[args, &["--resolve", &resolve, &url]].concat())
}

impl Curl {
    /// The value of a header, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines
            .find(|(header, _)| *header == name)
            .map(|(_, value)| value.trim())
    }

    /// A line that whoami tells, such as `container`.
    pub fn told(&self, what: &str) -> Result<&str, String> {
        let mut lines = self.body.lines().filter_map(|line| line.split_once(": "));
        let told = lines
            .find(|(name, _)| *name == what)
            .map(|(_, value)| value);
        told.filter(|_| self.status == 200)
            .ok_or_else(|| format!("{self:?}"))
    }

    /// `Ok` when this is the status.
    pub fn is(&self, status: u16) -> Result<(), String> {
        if self.status == status {
            Ok(())
        } else {
            Err(format!("{status} was expected: {self:?}"))
        }
    }
}
