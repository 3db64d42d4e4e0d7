//! A path as other servers may read it, so that what is said of one path holds for all ways to
//! write it.
//!
//! Requests are matched and forwarded by the path as it was sent. Servers behind may decode it,
//! merge its slashes or cut off parameters (`;x`) before they look at it. So a path that has
//! another reading must lead to the same route by both, or it is refused; and one with a dot
//! segment, which no client sends that resolves its own links, is refused in any case: the order
//! in which these steps are taken changes where it leads.

use std::borrow::Cow;

use crate::route::PathMatch;

/// Why a path cannot be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// A segment `.` or `..`, however written.
    Dots,
    /// A NUL, at which some servers end.
    Nul,
    /// A separator within a parameter (`;x%2fy`): where the parameter ends depends on whether it
    /// is cut off before or after decoding.
    Parameter,
}

impl Fault {
    /// What is told to who sent it.
    fn text(self) -> &'static str {
        match self {
            Self::Dots => "the path has a `.` or `..` segment: send it resolved",
            Self::Nul => "the path has a NUL",
            Self::Parameter => {
                "the path has a separator within a parameter (`;x%2fy`), which servers read in two ways"
            }
        }
    }
}

/// Why a path is refused that leads to one route as it stands, and to another one as a server may
/// read it: what the one route asks for could be passed by the other. `find` finds the route of a
/// path, `path_of` tells what a route asks of it.
pub(super) fn ambiguity<'r, R: 'r>(
    path: &str,
    find: impl Fn(&str) -> Option<&'r R>,
    path_of: impl Fn(&R) -> &PathMatch,
) -> Option<&'static str> {
    let reading = match reading(path) {
        Ok(reading) => reading?,
        Err(fault) => return Some(fault.text()),
    };
    let route = find(path);
    let same = match (route, find(&reading)) {
        (Some(route), Some(other)) => std::ptr::eq(route, other),
        (None, None) => true,
        _ => false,
    };
    if same || route.is_some_and(|route| means_it(path_of(route))) {
        return None;
    }
    Some("the path can be read in two ways, and they are of different routes: send it plainly")
}

/// Who writes a path with another reading into a label means it as it is written.
fn means_it(path: &PathMatch) -> bool {
    match path {
        PathMatch::Regex(_) => false,
        PathMatch::Prefix(text) | PathMatch::Exact(text) => match reading(text) {
            Ok(reading) => reading.is_some_and(|reading| reading != *text),
            Err(_) => true,
        },
    }
}

/// Whether every server reads it as it stands.
fn is_plain(path: &str) -> bool {
    let bytes = path.as_bytes();
    let mut last = 0;
    for &byte in bytes {
        let odd = matches!(byte, b'%' | b';' | b'\\');
        if odd || (last == b'/' && matches!(byte, b'/' | b'.')) {
            return false;
        }
        last = byte;
    }
    true
}

/// The path as the most obliging server reads it; `None`: as it stands.
fn reading(path: &str) -> Result<Option<String>, Fault> {
    if is_plain(path) {
        return Ok(None);
    }
    if path.split('/').any(separates_in_parameter) {
        return Err(Fault::Parameter);
    }
    let decoded = decode(path)?;
    let mut read = String::with_capacity(decoded.len());
    let mut segments = decoded.split(['/', '\\']).map(|segment| {
        let end = segment.find(';').unwrap_or(segment.len());
        &segment[..end]
    });
    // What stands before the first slash is nothing in any path that gets here.
    read.push_str(segments.next().unwrap_or_default());
    let mut ends_open = false;
    for segment in segments {
        ends_open = segment.is_empty();
        match segment {
            "" => {}
            "." | ".." => return Err(Fault::Dots),
            segment => {
                read.push('/');
                read.push_str(segment);
            }
        }
    }
    if ends_open {
        read.push('/');
    }
    Ok((read != path).then_some(read))
}

/// Whether a segment as it was sent has another separator after the `;` of a parameter.
fn separates_in_parameter(segment: &str) -> bool {
    let is = |rest: &[u8], plain: u8| rest[0] == plain || code_at(rest) == Some(plain);
    let bytes = segment.as_bytes();
    let begin = (0..bytes.len()).find(|at| is(&bytes[*at..], b';'));
    let Some(begin) = begin else {
        return false;
    };
    (begin..bytes.len()).any(|at| is(&bytes[at..], b'/') || is(&bytes[at..], b'\\'))
}

/// The byte that stands coded in front.
fn code_at(text: &[u8]) -> Option<u8> {
    (text[0] == b'%').then(|| code(text))?
}

/// Decodes once what stands for a plain character. `%25` stays, for what it begins is no code;
/// so do `?` and `#`, which would end the path, and all that is not ASCII.
fn decode(path: &str) -> Result<Cow<'_, str>, Fault> {
    if !path.contains('%') {
        return Ok(Cow::Borrowed(path));
    }
    let mut decoded = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        decoded.push_str(&rest[..at]);
        rest = &rest[at..];
        match code(rest.as_bytes()) {
            Some(0) => return Err(Fault::Nul),
            Some(byte) if byte.is_ascii_graphic() && !matches!(byte, b'%' | b'?' | b'#') => {
                decoded.push(char::from(byte));
                rest = &rest[3..];
            }
            _ => {
                decoded.push('%');
                rest = &rest[1..];
            }
        }
    }
    decoded.push_str(rest);
    Ok(Cow::Owned(decoded))
}

/// The byte that `%XX` in front stands for.
fn code(text: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*text.get(at)?).to_digit(16);
    u8::try_from(digit(1)? * 16 + digit(2)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_path_has_one_reading() {
        for path in ["/", "/app", "/app/x-1_~", "/a.b/c..d", "/@scope/name", "*"] {
            assert_eq!(reading(path), Ok(None), "{path}");
        }
    }

    #[test]
    fn another_way_to_write_a_path_is_read_as_the_plain_one() {
        for (path, want) in [
            ("//app", "/app"),
            ("/app//x", "/app/x"),
            ("/app//", "/app/"),
            ("/%61pp", "/app"),
            ("/app%2Fx", "/app/x"),
            ("/app%5cx", "/app/x"),
            ("/app;v=1/x;y", "/app/x"),
            ("/app%3bv/x", "/app/x"),
            ("/%zz%61", "/%zza"),
            ("/%2561", "/%2561"),
            ("/caf%C3%A9/%61", "/caf%C3%A9/a"),
            ("/.well-known/x", "/.well-known/x"),
            ("/a%3Fb%23%20%6", "/a%3Fb%23%20%6"),
        ] {
            let read = reading(path).unwrap();
            assert_eq!(read.as_deref().unwrap_or(path), want, "{path}");
        }
    }

    #[test]
    fn dot_segments_are_found_however_they_are_written() {
        for path in [
            "/..",
            "/a/../b",
            "/./a",
            "/a/.",
            "/%2e%2e/a",
            "/a/.%2E",
            "/a%2f..%2fb",
            "/a/..;x/b",
            "/a\\..\\b",
            "/a%5c%2e%2e",
            "//../a",
            "/x//../../admin/w/..//..",
        ] {
            assert_eq!(reading(path), Err(Fault::Dots), "{path}");
        }
        assert_eq!(reading("/a%00"), Err(Fault::Nul));
    }

    #[test]
    fn a_parameter_that_ends_in_two_places_is_refused() {
        for path in [
            "/;%2fa./a",
            "/x;v\\a",
            "/x;%5Ca",
            "/%3b\\a./a",
            "/a/b;c%2Fd/e",
        ] {
            assert_eq!(reading(path), Err(Fault::Parameter), "{path}");
        }
        for path in ["/a;v=1/b", "/a%2fb;c/d", "/a/b;c%2ed"] {
            assert!(reading(path).is_ok(), "{path}");
        }
    }

    #[test]
    fn a_second_reading_changes_nothing() {
        for path in ["//a;b//%63", "/%2561/b", "/a%2f%2fb", "/x%3b%3b/"] {
            let once = reading(path).unwrap().unwrap_or_else(|| path.to_owned());
            assert_eq!(reading(&once), Ok(None), "{path} -> {once}");
        }
    }

    /// One step of those that a server may take.
    fn step(path: &str, step: u8) -> String {
        match step {
            0 => decode(path).unwrap().into_owned(),
            1 => path.replace('\\', "/"),
            2 => path
                .split('/')
                .map(|it| it.split(';').next().unwrap())
                .collect::<Vec<_>>()
                .join("/"),
            _ => path
                .split('/')
                .enumerate()
                .filter(|(at, it)| *at == 0 || !it.is_empty())
                .map(|(_, it)| it)
                .collect::<Vec<_>>()
                .join("/"),
        }
    }

    fn below(path: &str, prefix: &str) -> bool {
        let rest = path.strip_prefix(prefix);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    proptest::proptest! {
        /// If a path is below the same prefixes by its text and by its last reading, then it is
        /// by all readings in between: nothing is won by a server that takes some of the steps.
        #[test]
        fn no_server_reads_a_path_into_a_prefix_that_matching_did_not_see(
            path in "(/|//|a|b|%61|%62|;|%3b|%2f|%5c|\\\\|\\.|%2e|c){1,12}",
            steps in proptest::collection::vec(0_u8..4, 0..6),
        ) {
            let path = format!("/{path}");
            let Ok(last) = reading(&path) else { return Ok(()) };
            let last = last.unwrap_or_else(|| path.clone());
            let between = steps.iter().fold(path.clone(), |path, it| step(&path, *it));
            for prefix in ["/a", "/b", "/a/b", "/a/a", "/b/a/c"] {
                let (first, seen) = (below(&path, prefix), below(&last, prefix));
                if first == seen {
                    proptest::prop_assert_eq!(below(&between, prefix), seen, "{} {}", between, last);
                }
            }
        }
    }
}
