//! Frames as bytes (RFC 9113 4.1, RFC 7541 without Huffman), and back.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::table::text;

pub const PREFACE: &str = "PRI * HTTP/2.0\n\nSM\n\n";

const TYPES: [&str; 10] = [
    "DATA",
    "HEADERS",
    "PRIORITY",
    "RST_STREAM",
    "SETTINGS",
    "PUSH_PROMISE",
    "PING",
    "GOAWAY",
    "WINDOW_UPDATE",
    "CONTINUATION",
];

const CODES: [&str; 14] = [
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
];

const FLAGS: [(&str, u8); 5] = [("ES", 1), ("ACK", 1), ("EH", 4), ("PAD", 8), ("PRIO", 32)];

/// A frame that came.
#[derive(Clone, Debug)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    pub fn is(&self, kind: &str) -> bool {
        kind_of(kind) == Ok(self.kind)
    }

    pub fn is_ack(&self) -> bool {
        self.flags & 1 == 1
    }

    /// The error code of a RST_STREAM or GOAWAY.
    pub fn code(&self) -> &'static str {
        let at = if self.is("GOAWAY") { 4 } else { 0 };
        let code = self.payload.get(at..at + 4).unwrap_or(&[255]);
        let code = code
            .iter()
            .fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
        CODES.get(code).copied().unwrap_or("an unknown code")
    }

    /// The status that a header block begins with, as hyper writes it: indexed, or a literal of
    /// digits in Huffman's code (0, 1 and 2 have five bits, the others six).
    pub fn status(&self) -> Option<u16> {
        const INDEXED: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
        match *self.payload.first()? {
            index @ 0x88..=0x8e => Some(INDEXED[usize::from(index - 0x88)]),
            0x48 | 0x08 | 0x18 => huffman_digits(self.payload.get(2..)?),
            _ => None,
        }
    }
}

fn huffman_digits(bytes: &[u8]) -> Option<u16> {
    let mut bits = bytes
        .iter()
        .take(3)
        .fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte))
        << 8;
    let mut number = 0;
    for _ in 0..3 {
        let five = bits >> 27;
        let (digit, len) = match five {
            0..=2 => (five, 5),
            _ => ((bits >> 26).checked_sub(0x19 - 3)?, 6),
        };
        number = number * 10 + u16::try_from(digit).ok().filter(|digit| *digit < 10)?;
        bits <<= len;
    }
    Some(number)
}

fn kind_of(name: &str) -> Result<u8, String> {
    let known = TYPES.iter().position(|it| *it == name);
    let number = known.and_then(|at| u8::try_from(at).ok());
    let number = number.or_else(|| u8::from_str_radix(name.strip_prefix("0x")?, 16).ok());
    number.ok_or_else(|| format!("`{name}` is no type of frame"))
}

fn flags_of(names: &str) -> Result<u8, String> {
    let mut flags = 0;
    for name in names.split(',').filter(|name| *name != "-") {
        let known = FLAGS
            .iter()
            .find(|(it, _)| *it == name)
            .map(|(_, bit)| *bit);
        let bit = known.or_else(|| u8::from_str_radix(name.strip_prefix("0x")?, 16).ok());
        flags |= bit.ok_or_else(|| format!("`{name}` is no flag"))?;
    }
    Ok(flags)
}

/// `TYPE STREAM FLAGS PIECE...`, as bytes.
pub fn bytes(line: &str) -> Result<Vec<u8>, String> {
    let words: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
    let [kind, stream, flags, pieces @ ..] = words.as_slice() else {
        return Err(format!("`{line}` is not TYPE STREAM FLAGS PIECE..."));
    };
    let mut payload = Vec::new();
    for piece in pieces {
        payload.extend(piece_bytes(piece)?);
    }
    let stream: u32 = stream
        .parse()
        .map_err(|_| format!("`{stream}` is no stream"))?;
    let length = u32::try_from(payload.len()).map_err(|error| error.to_string())?;
    let mut bytes = length.to_be_bytes()[1..].to_vec();
    bytes.extend([kind_of(kind)?, flags_of(flags)?]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    Ok(bytes)
}

/// A part of a payload: `get` and `post` (the four pseudo headers), `NAME=VALUE` (a literal field;
/// `_` is a space), `hex:`, `text:`, `zeros:N`, `u8:`, `u16:`, `u32:`, `set:ID=VALUE`.
fn piece_bytes(piece: &str) -> Result<Vec<u8>, String> {
    let number = |text: &str| {
        text.parse::<u32>()
            .map_err(|_| format!("`{piece}`: no number"))
    };
    match piece {
        "get" => return Ok(request("GET")),
        "post" => return Ok(request("POST")),
        _ => {}
    }
    if let Some((kind, rest)) = piece.split_once(':').filter(|(kind, _)| !kind.is_empty()) {
        let low = |number: u32, len: usize| number.to_be_bytes()[4 - len..].to_vec();
        match kind {
            "hex" => return hex(rest),
            "text" => return Ok(text(rest)),
            "zeros" => return Ok(vec![0; usize::try_from(number(rest)?).unwrap_or(0)]),
            "u8" => return Ok(low(number(rest)?, 1)),
            "u16" => return Ok(low(number(rest)?, 2)),
            "u32" => return Ok(low(number(rest)?, 4)),
            "set" => {
                let (id, value) = rest.split_once('=').unwrap_or((rest, ""));
                return Ok([low(number(id)?, 2), low(number(value)?, 4)].concat());
            }
            _ => {}
        }
    }
    let (name, value) = piece
        .split_once('=')
        .ok_or_else(|| format!("`{piece}` is no piece"))?;
    Ok(field(
        &text(&name.replace('_', " ")),
        &text(&value.replace('_', " ")),
    ))
}

fn request(method: &str) -> Vec<u8> {
    let fields = [
        (":method", method),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "h2.test"),
    ];
    let fields = fields.map(|(name, value)| field(name.as_bytes(), value.as_bytes()));
    fields.concat()
}

/// A literal field without indexing.
fn field(name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0];
    for part in [name, value] {
        let mut length = part.len();
        if length < 127 {
            bytes.push(u8::try_from(length).unwrap());
        } else {
            bytes.push(127);
            length -= 127;
            while length >= 128 {
                bytes.push(u8::try_from(length % 128).unwrap() | 128);
                length /= 128;
            }
            bytes.push(u8::try_from(length).unwrap());
        }
        bytes.extend(part);
    }
    bytes
}

pub fn hex(text: &str) -> Result<Vec<u8>, String> {
    let pairs = (0..text.len()).step_by(2).map(|at| text.get(at..at + 2));
    let byte = |pair: Option<&str>| u8::from_str_radix(pair?, 16).ok();
    let bytes: Option<Vec<u8>> = pairs.map(byte).collect();
    bytes.ok_or_else(|| format!("`{text}` is not hexadecimal"))
}

/// A connection that sends anything and reads frames.
pub struct Connection {
    stream: TcpStream,
}

impl Connection {
    pub fn new(stream: TcpStream) -> Self {
        Self { stream }
    }

    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// The next frame; `None`: the connection ended.
    pub async fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).await.ok()?;
        let [l2, l1, l0, kind, flags, s3, s2, s1, s0] = head;
        let mut payload = vec![0; usize::try_from(u32::from_be_bytes([0, l2, l1, l0])).ok()?];
        self.stream.read_exact(&mut payload).await.ok()?;
        let stream = u32::from_be_bytes([s3 & 127, s2, s1, s0]);
        Some(Frame {
            kind,
            flags,
            stream,
            payload,
        })
    }
}
