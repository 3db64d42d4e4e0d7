//! From what a client sends as the host to the key that routes are found by.

/// The longest host name that DNS allows, with room for brackets.
const LONGEST: usize = 256;

/// Room for one host in lower case.
pub(super) type Room = [u8; LONGEST];

/// The key of a `Host` value: without port and trailing dot, in lower case. Copies only when
/// there is a capital letter. `None`: no host can look like this.
pub(super) fn key<'a>(raw: &'a str, room: &'a mut Room) -> Option<&'a str> {
    let name = without_port(raw)?;
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.len() > LONGEST {
        return None;
    }
    let mut capitals = false;
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b':' | b'[' | b']' => {}
            b'A'..=b'Z' => capitals = true,
            _ => return None,
        }
    }
    if !capitals {
        return Some(name);
    }
    let room = &mut room[..name.len()];
    room.copy_from_slice(name.as_bytes());
    room.make_ascii_lowercase();
    std::str::from_utf8(room).ok()
}

/// The port that a `Host` value names.
pub(super) fn port(raw: &str) -> Option<&str> {
    let name = without_port(raw)?;
    raw[name.len()..]
        .strip_prefix(':')
        .filter(|port| !port.is_empty())
}

fn without_port(raw: &str) -> Option<&str> {
    if raw.starts_with('[') {
        let end = raw.find(']')? + 1;
        return is_port(&raw[end..]).then(|| &raw[..end]);
    }
    match raw.rfind(':') {
        Some(colon) if raw[..colon].contains(':') => None,
        Some(colon) => is_port(&raw[colon..]).then(|| &raw[..colon]),
        None => Some(raw),
    }
}

fn is_port(text: &str) -> bool {
    text.is_empty()
        || (text.starts_with(':')
            && text.len() <= 6
            && text.bytes().skip(1).all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_of(raw: &str) -> Option<String> {
        key(raw, &mut [0; LONGEST]).map(str::to_owned)
    }

    #[test]
    fn ports_dots_and_capitals_do_not_matter() {
        for (raw, want) in [
            ("demo.a", "demo.a"),
            ("Demo.A:8080", "demo.a"),
            ("demo.a.", "demo.a"),
            ("demo.a.:80", "demo.a"),
            ("demo.a:", "demo.a"),
            ("[::1]:80", "[::1]"),
            ("10.0.0.1", "10.0.0.1"),
            ("", ""),
        ] {
            assert_eq!(key_of(raw).as_deref(), Some(want), "{raw}");
        }
    }

    #[test]
    fn what_cannot_be_a_host_has_no_key() {
        for raw in [
            "a b", "a/b", "user@a", "a:b", "::1", "[::1", "a:123456", "a,b", "a%2e",
        ] {
            assert_eq!(key_of(raw), None, "{raw}");
        }
        assert_eq!(key_of(&"x".repeat(300)), None);
    }

    #[test]
    fn the_port_is_found_where_there_is_one() {
        assert_eq!(port("a:81"), Some("81"));
        assert_eq!(port("[::1]:81"), Some("81"));
        assert_eq!(port("a"), None);
        assert_eq!(port("a:"), None);
    }
}
