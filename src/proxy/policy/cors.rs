//! Cross-origin requests (the Fetch standard): preflights are answered here, answers are marked.
//!
//! What the application itself says of other origins is replaced: the route speaks for it.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::proxy::reply::Refusal;

/// Cross-origin rules ready to be followed.
#[derive(Debug)]
pub(super) struct Cors {
    exact: Box<[Box<str>]>,
    /// What stands before and behind the star: `https://` and `.example.com`.
    wild: Box<[(Box<str>, Box<str>)]>,
    any: bool,
    credentials: bool,
    methods: HeaderValue,
    headers: Headers,
    expose: Option<HeaderValue>,
    max_age: Option<HeaderValue>,
}

#[derive(Debug)]
enum Headers {
    /// Those asked for.
    Any,
    These(Option<HeaderValue>),
}

/// How an origin is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grant {
    /// By name, so also with credentials.
    Named,
    /// As any other: never with credentials.
    Any,
}

impl Cors {
    pub(super) fn compile(cors: &crate::route::Cors) -> Self {
        let crate::route::Cors {
            origins,
            methods,
            headers,
            expose,
            credentials,
            max_age,
        } = cors;
        let wild = |origin: &String| {
            let (before, behind) = origin.split_once('*')?;
            (!before.is_empty()).then(|| (before.into(), behind.into()))
        };
        let list = |names: &std::collections::BTreeSet<String>| {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let names = names.join(", ").parse().ok();
            names.filter(|names: &HeaderValue| !names.is_empty())
        };
        Self {
            exact: origins
                .iter()
                .filter(|origin| !origin.contains('*'))
                .map(|origin| origin.as_str().into())
                .collect(),
            wild: origins.iter().filter_map(wild).collect(),
            any: origins.contains("*"),
            credentials: *credentials,
            methods: list(methods).unwrap_or(HeaderValue::from_static("GET, HEAD, POST")),
            headers: if headers.contains("*") {
                Headers::Any
            } else {
                Headers::These(list(headers))
            },
            expose: list(expose),
            max_age: max_age.map(|age| age.get().as_secs().into()),
        }
    }

    fn grant(&self, origin: &HeaderValue) -> Option<Grant> {
        let origin = origin.to_str().ok()?.to_ascii_lowercase();
        let below = |(before, behind): &(Box<str>, Box<str>)| {
            let inner = origin.strip_prefix(&**before);
            let inner = inner.and_then(|rest| rest.strip_suffix(&**behind));
            inner.is_some_and(is_host_part)
        };
        if self.exact.iter().any(|exact| **exact == *origin) || self.wild.iter().any(below) {
            return Some(Grant::Named);
        }
        self.any.then_some(Grant::Any)
    }

    /// Answers a preflight; other requests pass.
    pub(super) fn admit(&self, parts: &Parts) -> Result<(), Refusal> {
        if preflight(parts).is_none() {
            return Ok(());
        }
        let origin = parts.headers.get(ORIGIN);
        if origin.and_then(|origin| self.grant(origin)).is_none() {
            let text = "this origin may not ask here";
            return Err(Refusal::new(
                StatusCode::FORBIDDEN,
                "OriginNotAllowed",
                text,
            ));
        }
        Err(self.preflight(&parts.headers))
    }

    /// The good answer; what all answers have in common is added by [`Self::answer`].
    fn preflight(&self, asked: &HeaderMap) -> Refusal {
        let vary = "access-control-request-method, access-control-request-headers";
        let mut answer = Refusal::new(StatusCode::NO_CONTENT, "Preflight", "")
            .with(ACCESS_CONTROL_ALLOW_METHODS, self.methods.clone())
            .with(VARY, HeaderValue::from_static(vary));
        let headers = match &self.headers {
            Headers::Any => asked.get(ACCESS_CONTROL_REQUEST_HEADERS).cloned(),
            Headers::These(these) => these.clone(),
        };
        if let Some(headers) = headers {
            answer = answer.with(ACCESS_CONTROL_ALLOW_HEADERS, headers);
        }
        if let Some(age) = &self.max_age {
            answer = answer.with(ACCESS_CONTROL_MAX_AGE, age.clone());
        }
        answer
    }

    /// Marks an answer for the origin that asked.
    pub(super) fn answer(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        headers.remove(ACCESS_CONTROL_ALLOW_ORIGIN);
        headers.remove(ACCESS_CONTROL_ALLOW_CREDENTIALS);
        headers.remove(ACCESS_CONTROL_EXPOSE_HEADERS);
        // With `*` alone, too: the answer to a request without `Origin` has no mark, and a cache
        // must not give it to a script.
        vary_by_origin(headers);
        let Some((origin, grant)) = origin.and_then(|it| Some((it, self.grant(it)?))) else {
            return;
        };
        let allowed = match grant {
            Grant::Named => origin.clone(),
            Grant::Any => HeaderValue::from_static("*"),
        };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        if self.credentials && grant == Grant::Named {
            let yes = HeaderValue::from_static("true");
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
        }
        if let Some(expose) = &self.expose {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, expose.clone());
        }
    }
}

/// The method that a preflight asks for; `None`: it is another request.
pub(in crate::proxy) fn preflight(parts: &Parts) -> Option<Method> {
    if parts.method != Method::OPTIONS || !parts.headers.contains_key(ORIGIN) {
        return None;
    }
    let asked = parts.headers.get(ACCESS_CONTROL_REQUEST_METHOD)?;
    Method::from_bytes(asked.as_bytes()).ok()
}

/// What may stand for the star: one or more labels, nothing that could end a host.
fn is_host_part(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    !text.is_empty() && !text.starts_with('.') && text.bytes().all(plain)
}

fn vary_by_origin(headers: &mut HeaderMap) {
    let varies = headers
        .get_all(VARY)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|name| matches!(name.trim(), "*") || name.trim().eq_ignore_ascii_case("origin"));
    if !varies {
        headers.append(VARY, HeaderValue::from_static("origin"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::headers::tests::headers;

    fn cors(origins: &[&str], credentials: bool) -> Cors {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Cors::compile(&crate::route::Cors {
            origins: set(origins),
            methods: set(&["GET", "PUT"]),
            headers: set(&["x-one"]),
            expose: set(&["x-told"]),
            credentials,
            max_age: Some(crate::api::value::Span::from_millis(60_000)),
        })
    }

    fn marked(cors: &Cors, origin: &'static str) -> HeaderMap {
        let mut map = headers(&[("access-control-allow-origin", "https://from.the.app")]);
        cors.answer(Some(&HeaderValue::from_static(origin)), &mut map);
        map
    }

    #[test]
    fn an_origin_is_let_in_by_name_or_below_a_star() {
        let rules = cors(&["https://a.b", "https://*.c.d", "http://*.e.f:8080"], true);
        for good in [
            "https://a.b",
            "HTTPS://A.b",
            "https://x.c.d",
            "https://y.x.c.d",
            "http://x.e.f:8080",
        ] {
            let map = marked(&rules, good);
            assert_eq!(map["access-control-allow-origin"], good);
            assert_eq!(map["access-control-allow-credentials"], "true");
            assert_eq!(map["access-control-expose-headers"], "x-told");
            assert_eq!(map["vary"], "origin");
        }
        for bad in [
            "http://a.b",
            "https://a.b:8443",
            "https://c.d",
            "https://.c.d",
            "https://evilc.d",
            "https://evil.com/.c.d",
            "https://evil.com:1.c.d",
            "https://evil@x.c.d",
            "http://x.c.d",
            "https://x.c.d.evil.com",
            "http://x.e.f",
            "null",
        ] {
            assert_eq!(marked(&rules, bad), headers(&[("vary", "origin")]), "{bad}");
        }
    }

    #[test]
    fn credentials_never_go_with_any_origin() {
        let map = marked(&cors(&["*", "https://a.b"], true), "https://x.y");
        assert_eq!(map["access-control-allow-origin"], "*");
        assert!(!map.contains_key("access-control-allow-credentials"));
        let map = marked(&cors(&["*", "https://a.b"], true), "https://a.b");
        assert_eq!(map["access-control-allow-origin"], "https://a.b");
        assert_eq!(map["access-control-allow-credentials"], "true");
    }

    #[test]
    fn answers_vary_by_origin_also_for_requests_without_one_and_say_so_once() {
        let rules = cors(&["https://a.b"], false);
        let mut map = headers(&[("vary", "accept, Origin")]);
        rules.answer(None, &mut map);
        assert_eq!(map, headers(&[("vary", "accept, Origin")]));
        let mut map = headers(&[("vary", "accept")]);
        rules.answer(None, &mut map);
        assert_eq!(map, headers(&[("vary", "accept"), ("vary", "origin")]));
    }

    #[test]
    fn only_a_preflight_is_answered_here() {
        let rules = cors(&["https://a.b"], false);
        let answer = |method, pairs: &[(&'static str, &'static str)]| {
            let mut parts = http::Request::new(()).into_parts().0;
            (parts.method, parts.headers) = (method, headers(pairs));
            rules
                .admit(&parts)
                .err()
                .map(|refusal| refusal.status.as_u16())
        };
        let asks = ("access-control-request-method", "PUT");
        let (us, them) = (("origin", "https://a.b"), ("origin", "https://x.y"));
        assert_eq!(answer(Method::OPTIONS, &[us, asks]), Some(204));
        assert_eq!(answer(Method::OPTIONS, &[them, asks]), Some(403));
        assert_eq!(answer(Method::OPTIONS, &[us]), None);
        assert_eq!(answer(Method::OPTIONS, &[asks]), None);
        assert_eq!(answer(Method::PUT, &[us, asks]), None);
    }

    #[test]
    fn a_preflight_is_told_what_may_be_asked_and_for_how_long() {
        let asked = headers(&[("access-control-request-headers", "x-other")]);
        let told = |cors: &Cors| {
            let answer = cors.preflight(&asked).headers;
            answer
                .into_iter()
                .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
                .collect::<Vec<_>>()
        };
        let mut rules = cors(&["*"], false);
        let all = told(&rules);
        for line in [
            "access-control-allow-methods: GET, PUT",
            "access-control-allow-headers: x-one",
            "access-control-max-age: 60",
        ] {
            assert!(all.iter().any(|it| it == line), "{line} is not in {all:?}");
        }
        rules.headers = Headers::Any;
        let line = "access-control-allow-headers: x-other";
        assert!(told(&rules).iter().any(|it| it == line));
    }
}
