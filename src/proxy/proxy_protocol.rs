//! The PROXY protocol, versions 1 and 2: who the client is, told by a balancer in front.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The longest header of version 1, with its line end.
const LONGEST_V1: usize = 107;
const SIGNATURE_V2: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// A header of version 2 longer than this holds nothing that we would read.
const LONGEST_V2: usize = 1024;

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    /// More bytes are needed.
    Partial,
    /// A header of that many bytes. No address: the balancer speaks for itself.
    Whole(usize, Option<SocketAddr>),
    /// None.
    Invalid,
}

/// Reads a header from the first bytes of a connection.
pub(super) fn parse(bytes: &[u8]) -> Header {
    let starts = |with: &[u8]| {
        let len = bytes.len().min(with.len());
        bytes[..len] == with[..len]
    };
    if starts(SIGNATURE_V2) {
        parse_v2(bytes)
    } else if starts(b"PROXY ") {
        parse_v1(bytes)
    } else {
        Header::Invalid
    }
}

fn parse_v1(bytes: &[u8]) -> Header {
    let head = &bytes[..bytes.len().min(LONGEST_V1)];
    let Some(end) = head.windows(2).position(|pair| pair == b"\r\n") else {
        return if bytes.len() >= LONGEST_V1 {
            Header::Invalid
        } else {
            Header::Partial
        };
    };
    match std::str::from_utf8(&bytes[..end]) {
        Ok("PROXY UNKNOWN") => Header::Whole(end + 2, None),
        Ok(line) if line.starts_with("PROXY UNKNOWN ") => Header::Whole(end + 2, None),
        Ok(line) => match source_v1(line) {
            Some(source) => Header::Whole(end + 2, Some(source)),
            None => Header::Invalid,
        },
        Err(_) => Header::Invalid,
    }
}

/// `PROXY TCP4 source destination port port`; `None`: not of that form.
fn source_v1(line: &str) -> Option<SocketAddr> {
    let mut words = line.split(' ').skip(1);
    let family = words.next()?;
    let words: Vec<_> = words.collect();
    let &[source, destination, port, to_port] = words.as_slice() else {
        return None;
    };
    let source: IpAddr = source.parse().ok()?;
    let destination: IpAddr = destination.parse().ok()?;
    let (port, _): (u16, u16) = (port.parse().ok()?, to_port.parse().ok()?);
    let v4 = match family {
        "TCP4" => true,
        "TCP6" => false,
        _ => return None,
    };
    (source.is_ipv4() == v4 && destination.is_ipv4() == v4).then_some((source, port).into())
}

fn parse_v2(bytes: &[u8]) -> Header {
    let &[
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        command,
        family,
        high,
        low,
        ..,
    ] = bytes
    else {
        return Header::Partial;
    };
    let len = usize::from(u16::from_be_bytes([high, low]));
    let whole = 16 + len;
    if command >> 4 != 2 || whole > LONGEST_V2 {
        return Header::Invalid;
    }
    if bytes.len() < whole {
        return Header::Partial;
    }
    let addresses = &bytes[16..whole];
    match (command & 15, family) {
        (1, 0x11) => source_v2::<4>(addresses, 12, |ip| Ipv4Addr::from(ip).into(), whole),
        (1, 0x21) => source_v2::<16>(addresses, 36, |ip| Ipv6Addr::from(ip).into(), whole),
        // LOCAL, and families that are no TCP over IP.
        (0 | 1, _) => Header::Whole(whole, None),
        _ => Header::Invalid,
    }
}

fn source_v2<const N: usize>(
    addresses: &[u8],
    len: usize,
    ip: impl Fn([u8; N]) -> IpAddr,
    whole: usize,
) -> Header {
    let source = addresses
        .first_chunk::<N>()
        .filter(|_| addresses.len() >= len);
    let Some(source) = source else {
        return Header::Invalid;
    };
    let port = u16::from_be_bytes([addresses[2 * N], addresses[2 * N + 1]]);
    Header::Whole(whole, Some((ip(*source), port).into()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn version_1_tells_the_client() {
        let line = b"PROXY TCP4 10.1.2.3 10.0.0.1 4711 80\r\nGET /";
        let want = Header::Whole(38, Some("10.1.2.3:4711".parse().unwrap()));
        assert_eq!(parse(line), want);
        let six = b"PROXY TCP6 2001:db8::1 ::1 4711 80\r\n";
        assert_eq!(
            parse(six),
            Header::Whole(36, Some("[2001:db8::1]:4711".parse().unwrap()))
        );
        assert_eq!(parse(b"PROXY UNKNOWN\r\n"), Header::Whole(15, None));
    }

    #[test]
    fn version_2_tells_the_client() {
        let mut header = SIGNATURE_V2.to_vec();
        header.extend([
            0x21, 0x11, 0, 12, 10, 1, 2, 3, 10, 0, 0, 1, 0x12, 0x67, 0, 80,
        ]);
        let want = Header::Whole(28, Some("10.1.2.3:4711".parse().unwrap()));
        assert_eq!(parse(&header), want);
        header[12] = 0x20;
        assert_eq!(parse(&header), Header::Whole(28, None));
    }

    #[test]
    fn what_is_no_header_is_invalid_at_once() {
        assert_eq!(parse(b"GET / HTTP/1.1\r\n"), Header::Invalid);
        assert_eq!(parse(b"PROXY TCP4 10.1.2.3 ::1 1 2\r\n"), Header::Invalid);
        assert_eq!(parse(b"PROXY TCP4 10.1.2.3\r\n"), Header::Invalid);
        assert_eq!(
            parse(&[b"PROXY ".as_slice(), &[b'x'; 200]].concat()),
            Header::Invalid
        );
    }

    proptest! {
        #[test]
        fn every_beginning_of_a_header_is_partial(cut in 0usize..38) {
            prop_assert_eq!(parse(&b"PROXY TCP4 10.1.2.3 10.0.0.1 4711 80\r\n"[..cut]), Header::Partial);
        }

        #[test]
        fn no_bytes_make_it_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..64), v2: bool) {
            if v2 {
                bytes.splice(0..0, *SIGNATURE_V2);
            }
            parse(&bytes);
        }
    }
}
