//! The label `redirects`.

use super::http::{host_and_port, is_url_path};
use super::{Wrong, status, wrong};
use crate::api::grammar::{self, shortened};
use crate::api::value::HostPattern;

/// One redirect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedirectRule {
    /// Host whose requests are sent on, in normal form.
    pub host: String,
    /// Path prefix in normal form.
    pub path: String,
    /// Where they are sent: scheme, host, port and path, without a slash at the end.
    pub target: String,
    /// The target's host in lower case.
    pub target_host: String,
    /// The target's scheme is HTTPS.
    pub target_https: bool,
    /// The source's scheme is HTTPS.
    pub source_https: bool,
    /// The status asked for.
    pub status: Option<u16>,
}

const FORM: &str = "write for example http://old.example.com,https://new.example.com";

/// Reads `source,target` or `source,target,status`.
pub(super) fn parse(text: &str) -> Result<RedirectRule, Wrong> {
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    let (source, target, code) = match parts[..] {
        [source, target] => (source, target, None),
        [source, target, code] => (source, target, Some(code)),
        _ => {
            let message = format!("`{}` is not a source and a target", shortened(text));
            return wrong(message, FORM);
        }
    };
    let (source_https, source_host, _, source_path) = url(source)?;
    let (target_https, target_host, target_port, target_path) = url(target)?;
    if target_host.starts_with('*') {
        return wrong(
            format!("`{}` is not one place", shortened(target)),
            "write one host name as the target",
        );
    }
    let path = grammar::path_prefix(&source_path).map_err(|message| (message, String::new()))?;
    let scheme = if target_https { "https" } else { "http" };
    let port = target_port.map(|port| format!(":{port}"));
    let port = port.unwrap_or_default();
    let rule = RedirectRule {
        host: source_host,
        path,
        target: format!(
            "{scheme}://{target_host}{port}{}",
            target_path.trim_end_matches('/')
        ),
        target_host,
        target_https,
        source_https,
        status: code
            .map(|code| status(code, &[301, 302, 307, 308]))
            .transpose()?,
    };
    if rule.host == rule.target_host && rule.source_https == rule.target_https && port.is_empty() {
        return wrong(
            format!("`{}` sends requests to where they are", shortened(text)),
            "name another host or scheme as the target",
        );
    }
    Ok(rule)
}

/// Whether HTTPS, host in normal form, port, path.
fn url(text: &str) -> Result<(bool, String, Option<u16>, String), Wrong> {
    let fail = |hint: &str| wrong(format!("`{}` is not a URL", shortened(text)), hint);
    if text.contains('$') {
        return wrong(
            format!("`{}` has a variable", shortened(text)),
            "leave it out: path and query of the request are appended by themselves",
        );
    }
    let https = match text.split_once("://").map(|(scheme, _)| scheme) {
        Some(scheme) if scheme.eq_ignore_ascii_case("http") => false,
        Some(scheme) if scheme.eq_ignore_ascii_case("https") => true,
        _ => return fail(FORM),
    };
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    if authority.contains('@') {
        // What comes before the `@` may be a password, and labels are read by many.
        return wrong(
            "a redirect names a user before an `@` of its URL".to_owned(),
            "write the host alone: browsers are not sent on with credentials",
        );
    }
    let (host, port) = host_and_port(authority);
    let host: HostPattern = match host.parse() {
        Ok(host) => host,
        Err(message) => return wrong(message, FORM),
    };
    let port = match port.map(str::parse::<u16>) {
        None => None,
        Some(Ok(port)) if port > 0 => Some(port),
        Some(_) => return fail("the port is a number from 1 to 65535"),
    };
    if !is_url_path(path) {
        return fail("leave the query out; path and query of the request are appended");
    }
    Ok((https, host.as_str().to_owned(), port, path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_in_a_url_is_refused_without_repeating_it() {
        let text = "http://old.example.com,https://me:hunter2@new.example.com/";
        let (message, hint) = parse(text).unwrap_err();
        assert!(message.contains("names a user"), "{message}");
        assert!(
            !message.contains("hunter2") && !hint.is_empty(),
            "{message} {hint}"
        );
    }
}
