//! The first message of a TLS client, read without taking it: who is asked for decides whether
//! the connection is opened here at all.

use std::borrow::Cow;

use crate::proxy::host;

/// A first message longer than this is not waited for. The largest ones in use, with keys of
/// post-quantum groups, take some two thousand bytes.
pub(super) const LONGEST: usize = 16 << 10;
/// It may be cut into so many records.
const MOST_RECORDS: usize = 32;

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const HOST_NAME: u8 = 0;

/// What the first bytes of a connection are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hello {
    /// More bytes are needed.
    Partial,
    /// A whole one, and the host it asks for, in lower case without a trailing dot.
    Whole(Option<Box<str>>),
    /// None.
    Invalid,
}

/// Reads a first message from the first bytes of a connection.
pub(super) fn parse(bytes: &[u8]) -> Hello {
    let message = match message(bytes) {
        Ok(Some(message)) => message,
        Ok(None) if bytes.len() < LONGEST => return Hello::Partial,
        _ => return Hello::Invalid,
    };
    read(&message).unwrap_or(Hello::Invalid)
}

struct NoHello;

/// The body of the message, out of its records. `None`: it is not whole yet.
fn message(bytes: &[u8]) -> Result<Option<Cow<'_, [u8]>>, NoHello> {
    let mut rest = bytes;
    let mut parts: Vec<&[u8]> = Vec::new();
    let mut have = 0;
    for _ in 0..MOST_RECORDS {
        let Some(part) = record(&mut rest)? else {
            return Ok(None);
        };
        // What is there of the message tells early that it is none, or too long.
        have += part.len();
        parts.push(part);
        let mut head = parts.iter().flat_map(|part| part.iter());
        if head.next().is_some_and(|kind| *kind != CLIENT_HELLO) {
            return Err(NoHello);
        }
        let [Some(a), Some(b), Some(c)] = [head.next(), head.next(), head.next()] else {
            continue;
        };
        let len = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
        if len > LONGEST {
            return Err(NoHello);
        }
        if have >= 4 + len {
            return Ok(Some(match parts.as_slice() {
                [one] => Cow::Borrowed(&one[4..4 + len]),
                many => Cow::Owned(many.concat()[4..4 + len].to_vec()),
            }));
        }
    }
    Err(NoHello)
}

/// The next record's content. `None`: it is not whole yet.
fn record<'a>(rest: &mut &'a [u8]) -> Result<Option<&'a [u8]>, NoHello> {
    let is = |at: usize, want: u8| rest.get(at).is_none_or(|byte| *byte == want);
    if !is(0, HANDSHAKE) || !is(1, 3) {
        return Err(NoHello);
    }
    let Some((head, body)) = rest.split_first_chunk::<5>() else {
        return Ok(None);
    };
    let len = usize::from(u16::from_be_bytes([head[3], head[4]]));
    if len == 0 || len > LONGEST {
        return Err(NoHello);
    }
    let Some((content, left)) = body.split_at_checked(len) else {
        return Ok(None);
    };
    *rest = left;
    Ok(Some(content))
}

/// The host that a whole message asks for. `None`: it is broken.
fn read(message: &[u8]) -> Option<Hello> {
    let mut rest = Bytes(message);
    rest.take(2 + 32)?; // version, random
    rest.vector8()?; // session id
    rest.vector16()?; // cipher suites
    rest.vector8()?; // compression
    if rest.0.is_empty() {
        return Some(Hello::Whole(None));
    }
    let mut extensions = rest.vector16()?;
    while !extensions.0.is_empty() {
        let kind = extensions.number16()?;
        let mut content = extensions.vector16()?;
        if kind != SERVER_NAME {
            continue;
        }
        let mut names = content.vector16()?;
        while !names.0.is_empty() {
            let kind = names.take(1)?[0];
            let name = names.vector16()?;
            if kind == HOST_NAME {
                let name = std::str::from_utf8(name.0).ok()?;
                let mut room = [0; 256];
                return host::key(name, &mut room).map(|key| Hello::Whole(Some(key.into())));
            }
        }
    }
    Some(Hello::Whole(None))
}

/// What is left to read.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn number16(&mut self) -> Option<u16> {
        let number = self.take(2)?;
        Some(u16::from_be_bytes([number[0], number[1]]))
    }

    fn vector8(&mut self) -> Option<Self> {
        let len = self.take(1)?[0];
        self.take(usize::from(len)).map(Self)
    }

    fn vector16(&mut self) -> Option<Self> {
        let len = self.number16()?;
        self.take(usize::from(len)).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use rustls::pki_types::ServerName;

    use super::*;

    /// What rustls says first to that host.
    fn hello(host: &str) -> Vec<u8> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let name = ServerName::try_from(host.to_owned()).unwrap();
        let mut client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        bytes
    }

    /// The same message in records of `size` bytes.
    fn cut(bytes: &[u8], size: usize) -> Vec<u8> {
        let record = |part: &[u8]| {
            let len = u16::try_from(part.len()).unwrap().to_be_bytes();
            [&[22, 3, 1, len[0], len[1]][..], part].concat()
        };
        bytes[5..].chunks(size).flat_map(record).collect()
    }

    #[test]
    fn the_host_is_read_in_lower_case() {
        let bytes = hello("Demo.Example.com");
        assert_eq!(parse(&bytes), Hello::Whole(Some("demo.example.com".into())));
        assert_eq!(parse(&hello("10.0.0.1")), Hello::Whole(None));
    }

    #[test]
    fn a_message_in_several_records_is_one() {
        let bytes = cut(&hello("demo.a"), 20);
        assert_eq!(parse(&bytes), Hello::Whole(Some("demo.a".into())));
        assert_eq!(parse(&bytes[..bytes.len() - 1]), Hello::Partial);
    }

    #[test]
    fn a_message_in_crumbs_is_not_put_together() {
        assert_eq!(parse(&cut(&hello("demo.a"), 1)), Hello::Invalid);
    }

    #[test]
    fn what_is_no_hello_is_told_at_once() {
        assert_eq!(parse(b""), Hello::Partial);
        assert_eq!(parse(b"G"), Hello::Invalid);
        assert_eq!(parse(b"\x16\x02"), Hello::Invalid);
        // A record of another kind of handshake message, and one that announces too much.
        assert_eq!(parse(b"\x16\x03\x01\x00\x01\x02"), Hello::Invalid);
        assert_eq!(
            parse(b"\x16\x03\x01\x00\x04\x01\xff\xff\xff"),
            Hello::Invalid
        );
    }

    #[test]
    fn a_name_that_is_no_host_is_refused() {
        let bytes = hello("demo.a");
        let at = bytes.windows(6).position(|it| it == b"demo.a").unwrap();
        let mut broken = bytes.clone();
        broken[at] = b' ';
        assert_eq!(parse(&broken), Hello::Invalid);
    }

    proptest! {
        #[test]
        fn every_beginning_is_partial(at in 0usize..10_000) {
            let bytes = hello("demo.a");
            prop_assert_eq!(parse(&bytes[..at % bytes.len()]), Hello::Partial);
        }

        #[test]
        fn no_bytes_make_it_panic(at in 0usize..10_000, to: u8, tail in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut bytes = hello("demo.a");
            let at = at % bytes.len();
            bytes[at] = to;
            parse(&bytes);
            bytes.truncate(at);
            bytes.extend(tail);
            parse(&bytes);
        }
    }
}
