//! HTTP/1.1 as it is on the wire, read without mercy or interpretation: for the endpoints, to
//! tell what they were sent, and for the client.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

pub trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// A connection and what was read of it in advance.
pub struct Wire {
    io: Box<dyn Io>,
    buffer: Vec<u8>,
    ended: bool,
}

pub type Fields = Vec<(String, String)>;

/// A start line and fields.
#[derive(Clone, Debug, Default)]
pub struct Head {
    pub start: String,
    pub fields: Fields,
}

/// What followed a head.
#[derive(Clone, Debug, Default)]
pub struct Body {
    pub bytes: Vec<u8>,
    pub trailers: Fields,
    /// `none`, `length N`, `chunked` or `close`.
    pub framing: String,
    /// The connection ended too early.
    pub cut: bool,
}

/// The values of a field, by name in lower case.
pub fn values<'a>(fields: &'a Fields, name: &str) -> Vec<&'a str> {
    let found = fields.iter().filter(|(key, _)| key == name);
    found.map(|(_, value)| value.as_str()).collect()
}

impl Wire {
    pub fn new(io: impl Io + 'static) -> Self {
        Self {
            io: Box::new(io),
            buffer: Vec::new(),
            ended: false,
        }
    }

    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.io.write_all(bytes).await?;
        self.io.flush().await
    }

    pub async fn finish(&mut self) -> io::Result<()> {
        self.io.shutdown().await
    }

    /// Reads more. False at the end; a reset is one.
    async fn fill(&mut self) -> bool {
        if !self.ended {
            let read = self.io.read_buf(&mut self.buffer).await;
            self.ended = !read.is_ok_and(|len| len > 0);
        }
        !self.ended
    }

    /// Whether anything comes before the connection ends.
    pub async fn goes_on(&mut self) -> bool {
        !self.buffer.is_empty() || self.fill().await
    }

    /// Reads until the text has come, and takes nothing away.
    pub async fn wait(&mut self, text: &str) -> bool {
        let found = |buffer: &[u8]| buffer.windows(text.len()).any(|it| it == text.as_bytes());
        while !found(&self.buffer) {
            if !self.fill().await {
                return false;
            }
        }
        true
    }

    /// The next line without its end.
    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line);
                return Some(line.trim_end_matches(['\r', '\n']).to_owned());
            }
            if !self.fill().await {
                return None;
            }
        }
    }

    async fn fields(&mut self) -> Option<Fields> {
        let mut fields = Fields::new();
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                return Some(fields);
            }
            let (name, value) = line.split_once(':').unwrap_or((&line, ""));
            fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    /// The next head; `None`: the connection ended before it was whole.
    pub async fn head(&mut self) -> Option<Head> {
        let start = self.line().await?;
        let fields = self.fields().await?;
        Some(Head { start, fields })
    }

    async fn exactly(&mut self, len: usize) -> (Vec<u8>, bool) {
        while self.buffer.len() < len && self.fill().await {}
        let take = len.min(self.buffer.len());
        (self.buffer.drain(..take).collect(), take < len)
    }

    /// The body after a head. `until_end`: one without a length ends with the connection.
    pub async fn body(&mut self, head: &Head, until_end: bool) -> Body {
        if !values(&head.fields, "transfer-encoding").is_empty() {
            return self.chunks().await;
        }
        let length = values(&head.fields, "content-length");
        if let Some(length) = length.first().and_then(|length| length.parse().ok()) {
            let (bytes, cut) = self.exactly(length).await;
            return Body {
                bytes,
                framing: format!("length {length}"),
                cut,
                ..Body::default()
            };
        }
        if !until_end {
            return Body {
                framing: "none".to_owned(),
                ..Body::default()
            };
        }
        while self.fill().await {}
        Body {
            bytes: std::mem::take(&mut self.buffer),
            framing: "close".to_owned(),
            ..Body::default()
        }
    }

    async fn chunks(&mut self) -> Body {
        let mut body = Body {
            framing: "chunked".to_owned(),
            cut: true,
            ..Body::default()
        };
        while let Some(line) = self.line().await {
            let size = line.split(';').next().unwrap_or("").trim();
            let Ok(size) = usize::from_str_radix(size, 16) else {
                break;
            };
            if size == 0 {
                if let Some(trailers) = self.fields().await {
                    body.trailers = trailers;
                    body.cut = false;
                }
                break;
            }
            let (bytes, cut) = self.exactly(size).await;
            body.bytes.extend(bytes);
            if cut || self.line().await.is_none() {
                break;
            }
        }
        body
    }

    /// Sends back whatever comes, as a switched protocol.
    pub async fn echo(&mut self) {
        loop {
            let bytes = std::mem::take(&mut self.buffer);
            if self.send(&bytes).await.is_err() || !self.fill().await {
                return;
            }
        }
    }
}
