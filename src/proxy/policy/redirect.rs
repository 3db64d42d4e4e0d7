//! Sending clients elsewhere.

use http::request::Parts;
use http::uri::{PathAndQuery, Uri};
use http::{HeaderValue, StatusCode};

use super::Asked;
use crate::proxy::host;
use crate::proxy::reply::Refusal;

/// A redirect ready to be followed.
#[derive(Debug)]
pub(super) struct Redirect {
    status: StatusCode,
    secure: bool,
    /// In lower case, without port.
    host: Box<str>,
    /// The target without a slash at its end.
    base: Box<str>,
}

impl Redirect {
    pub(super) fn compile(redirect: &crate::route::Redirect) -> Result<Self, String> {
        let target = &redirect.target;
        let bad = |why: &str| format!("redirect target `{}` {why}", target.escape_debug());
        let uri: Uri = target.parse().map_err(|_| bad("is not a URL"))?;
        let secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(bad("begins with neither http:// nor https://")),
        };
        let named = uri.authority().map_or("", |authority| authority.as_str());
        let host = match host::key(named, &mut [0; 256]) {
            Some(host) if !host.is_empty() => host.into(),
            _ => return Err(bad("names no host")),
        };
        if uri.query().is_some() || target.contains('#') {
            return Err(bad("has more than a path: the request's path is appended"));
        }
        Ok(Self {
            status: StatusCode::from_u16(redirect.status).map_err(|_| bad("has no status"))?,
            secure,
            host,
            base: target.trim_end_matches('/').into(),
        })
    }

    /// Sends a request there, unless it already came by this scheme to this host, whatever the
    /// port: who maps ports in between would otherwise send clients in a circle.
    pub(super) fn admit(&self, asked: &Asked<'_>, parts: &Parts) -> Result<(), Refusal> {
        if asked.secure == self.secure && self.is_host(asked.host) {
            if asked.has_targets {
                return Ok(());
            }
            let text = "nothing is served here, it only is where others are sent";
            return Err(Refusal::new(StatusCode::NOT_FOUND, "NoTargets", text));
        }
        let place = format!("{}{}", self.base, path_of(&parts.uri));
        let text = "it is elsewhere";
        Err(Refusal::elsewhere(
            self.status,
            "Redirect",
            text,
            Some(&place),
        ))
    }

    fn is_host(&self, named: &HeaderValue) -> bool {
        let mut room = [0; 256];
        let named = named.to_str().ok();
        named.and_then(|raw| host::key(raw, &mut room)) == Some(&*self.host)
    }
}

/// Path and query as they came; `*` is of no use elsewhere.
fn path_of(uri: &Uri) -> &str {
    match uri.path_and_query().map_or("/", PathAndQuery::as_str) {
        path if path.starts_with('/') => path,
        _ => "/",
    }
}

/// The same URL by HTTPS.
pub(in crate::proxy) fn https_url(named: &HeaderValue, uri: &Uri, port: u16) -> Option<String> {
    let mut room = [0; 256];
    let host = host::key(named.to_str().ok()?, &mut room)?;
    let path = path_of(uri);
    Some(match port {
        0 | 443 => format!("https://{host}{path}"),
        port => format!("https://{host}:{port}{path}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compiled(target: &str) -> Result<Redirect, String> {
        Redirect::compile(&crate::route::Redirect {
            status: 308,
            target: target.to_owned(),
        })
    }

    fn goes(target: &str, secure: bool, host: &'static str, uri: &str) -> Option<String> {
        let asked = Asked {
            peer: [127, 0, 0, 1].into(),
            trusted_hops: 0,
            secure,
            host: &HeaderValue::from_static(host),
            https_port: 443,
            has_targets: true,
        };
        let mut parts = http::Request::new(()).into_parts().0;
        parts.uri = uri.parse().unwrap();
        let refusal = compiled(target).unwrap().admit(&asked, &parts).err()?;
        assert_eq!(refusal.status, StatusCode::PERMANENT_REDIRECT);
        Some(refusal.headers[0].1.to_str().unwrap().to_owned())
    }

    #[test]
    fn path_and_query_are_appended_to_the_target() {
        for (target, uri, want) in [
            ("http://new.a", "/", "http://new.a/"),
            ("http://new.a", "/a?b=c", "http://new.a/a?b=c"),
            (
                "https://new.a:8443/base/",
                "/a//b",
                "https://new.a:8443/base/a//b",
            ),
            ("http://new.a", "*", "http://new.a/"),
            ("http://new.a", "http://old.a/x?y", "http://new.a/x?y"),
        ] {
            assert_eq!(goes(target, false, "old.a", uri).as_deref(), Some(want));
        }
    }

    #[test]
    fn who_is_there_already_is_not_sent_again() {
        assert_eq!(goes("http://new.a", false, "New.a:8080", "/"), None);
        assert_eq!(goes("https://new.a:8443", true, "new.a", "/"), None);
        assert!(goes("https://new.a", false, "new.a", "/").is_some());
        assert!(goes("http://new.a", true, "new.a", "/").is_some());
    }

    #[test]
    fn a_target_that_leads_nowhere_is_refused() {
        for target in [
            "new.a",
            "/x",
            "ftp://a",
            "http://",
            "http://a/?q=1",
            "http://a b",
        ] {
            assert!(compiled(target).is_err(), "{target}");
        }
    }

    #[test]
    fn the_https_url_has_the_port_that_clients_reach_it_by() {
        let url = |port| {
            https_url(
                &HeaderValue::from_static("A.b:80"),
                &"/x?y".parse().unwrap(),
                port,
            )
        };
        assert_eq!(url(443).unwrap(), "https://a.b/x?y");
        assert_eq!(url(0).unwrap(), "https://a.b/x?y");
        assert_eq!(url(8443).unwrap(), "https://a.b:8443/x?y");
    }
}
