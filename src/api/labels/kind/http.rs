//! Words of HTTP.

use super::{Wrong, wrong};
use crate::api::expression::Expression;
use crate::api::grammar::shortened;
use crate::api::value::HostPattern;

/// What is asked of a header's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderRule {
    /// It is there.
    Present,
    /// It is this.
    Exact(String),
    /// This expression matches the whole of it.
    Regex(String),
}

/// A token: what names methods, headers and cookies.
pub(super) fn token(text: &str, what: &str) -> Result<String, Wrong> {
    let good = !text.is_empty()
        && text.len() <= 128
        && (text.bytes()).all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
    if good {
        return Ok(text.to_owned());
    }
    wrong(
        format!("`{}` is not {what}", shortened(text)),
        "use letters, digits, hyphens and underscores",
    )
}

pub(super) fn method(text: &str) -> Result<String, Wrong> {
    let upper = text.to_ascii_uppercase();
    if !upper.is_empty() && upper.len() <= 32 && upper.bytes().all(|b| b.is_ascii_uppercase()) {
        return Ok(upper);
    }
    wrong(
        format!("`{}` is not a method", shortened(text)),
        "write for example GET,POST",
    )
}

/// The name of a header in lower case.
pub fn header_name(text: &str) -> Result<String, Wrong> {
    let lower = text.to_ascii_lowercase();
    let good = !lower.is_empty()
        && lower.len() <= 128
        && (lower.bytes()).all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if good {
        return Ok(lower);
    }
    wrong(
        format!("`{}` is not the name of a header", shortened(text)),
        "use letters, digits, hyphens and underscores",
    )
}

pub(super) fn header_value(text: &str) -> Result<String, Wrong> {
    if text.len() <= 4096 && text.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        return Ok(text.to_owned());
    }
    wrong(
        format!("`{}` cannot be in a header", shortened(text)),
        "use at most 4096 letters of ASCII",
    )
}

pub(super) fn realm(text: &str) -> Result<String, Wrong> {
    if text.contains(['"', '\\']) {
        return wrong(
            format!("`{}` cannot be a realm", shortened(text)),
            "leave quotes and backslashes out",
        );
    }
    header_value(text)
}

/// A space would make names of routes ambiguous, and is rare in what is worth matching.
pub(super) fn header_test(text: &str) -> Result<HeaderRule, Wrong> {
    if matches!(text, "" | "*") {
        return Ok(HeaderRule::Present);
    }
    if text.contains(char::is_whitespace) {
        return wrong(
            format!("`{}` has a space", shortened(text)),
            "write an expression with \\s, for example ~a\\sb",
        );
    }
    match text.strip_prefix('~') {
        Some(pattern) => match Expression::new(pattern) {
            Ok(_) => Ok(HeaderRule::Regex(pattern.to_owned())),
            Err(message) => wrong(message, ""),
        },
        None => header_value(text).map(HeaderRule::Exact),
    }
}

fn path_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@%".contains(&b)
}

/// A path without a query, as it may stand in a URL.
pub(super) fn is_url_path(text: &str) -> bool {
    text.starts_with('/') && text.len() <= 2048 && text.bytes().all(path_byte)
}

pub(super) fn url_path(text: &str) -> Result<String, Wrong> {
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    let good = |b: u8| path_byte(b) || b == b'?';
    if is_url_path(path) && query.len() <= 2048 && query.bytes().all(good) {
        return Ok(text.to_owned());
    }
    wrong(
        format!("`{}` is not a path", shortened(text)),
        "write for example /healthz",
    )
}

/// `https://app.example.com`, `https://*.example.com`, with a port or without, or `*`.
pub(super) fn origin(text: &str) -> Result<String, Wrong> {
    let lower = text.trim_end_matches('/').to_ascii_lowercase();
    if lower == "*" {
        return Ok(lower);
    }
    let good = lower.split_once("://").is_some_and(|(scheme, rest)| {
        let (host, port) = host_and_port(rest);
        matches!(scheme, "http" | "https")
            && host
                .parse::<HostPattern>()
                .is_ok_and(|it| it.as_str() == host)
            && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
    });
    if good {
        return Ok(lower);
    }
    wrong(
        format!("`{}` is not an origin", shortened(text)),
        "write scheme and host, for example https://app.example.com, or *",
    )
}

/// The host of an authority, and its port where there is one.
pub(super) fn host_and_port(authority: &str) -> (&str, Option<&str>) {
    match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    }
}
