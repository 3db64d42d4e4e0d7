//! The policy of a route as a message, and back.

use std::collections::BTreeSet;

use http::{HeaderName, HeaderValue, Method};

use super::decode::{check_file, check_name, span, status_of};
use super::encode::duration;
use super::message;
use crate::api::value::ByteSize;
use crate::route::table::{
    Affinity, BasicAuth, Cors, HeaderEdits, Policy, RateKey, RateLimit, Retries,
};

/// The statuses of a redirect.
pub(super) const REDIRECTS: [u16; 4] = [301, 302, 307, 308];
/// More tries would only multiply an overload.
const MAX_ATTEMPTS: u32 = 10;

pub(super) fn encode(policy: &Policy) -> message::Policy {
    let Policy {
        allow,
        https_only,
        cors,
        rate_limit,
        basic_auth,
        max_request_body,
        request_timeout,
        connect_timeout,
        retries,
        request_headers,
        response_headers,
        affinity,
    } = policy;
    message::Policy {
        allow: allow.iter().map(ToString::to_string).collect(),
        https_only: https_only.map(u32::from),
        cors: cors.as_ref().map(encode_cors),
        rate_limit: rate_limit.map(
            |RateLimit {
                 requests,
                 per,
                 burst,
                 key,
             }| message::RateLimit {
                requests,
                per: duration(per),
                burst,
                key: match key {
                    RateKey::Client => 0,
                    RateKey::Route => 1,
                },
            },
        ),
        basic_auth: basic_auth
            .as_ref()
            .map(|BasicAuth { realm, secret }| message::BasicAuth {
                realm: realm.clone(),
                secret: secret.clone(),
            }),
        max_request_body: max_request_body.map(|size| size.0),
        request_timeout: request_timeout.and_then(duration),
        connect_timeout: connect_timeout.and_then(duration),
        retries: retries
            .as_ref()
            .map(|Retries { attempts, statuses }| message::Retries {
                attempts: *attempts,
                statuses: statuses.iter().copied().map(u32::from).collect(),
            }),
        request_headers: encode_edits(request_headers),
        response_headers: encode_edits(response_headers),
        affinity_cookie: match affinity {
            Affinity::Cookie(name) => Some(name.clone()),
            Affinity::None | Affinity::ClientIp => None,
        },
        affinity_client_ip: *affinity == Affinity::ClientIp,
    }
}

fn encode_cors(cors: &Cors) -> message::Cors {
    let Cors {
        origins,
        methods,
        headers,
        expose,
        credentials,
        max_age,
    } = cors;
    let list = |set: &BTreeSet<String>| set.iter().cloned().collect();
    message::Cors {
        origins: list(origins),
        methods: list(methods),
        headers: list(headers),
        expose: list(expose),
        credentials: *credentials,
        max_age: max_age.and_then(duration),
    }
}

fn encode_edits(edits: &HeaderEdits) -> Option<message::HeaderEdits> {
    let HeaderEdits { remove, set, add } = edits;
    (!edits.is_empty()).then(|| message::HeaderEdits {
        remove: remove.iter().cloned().collect(),
        set: set.clone(),
        add: add.clone(),
    })
}

pub(super) fn decode(raw: message::Policy) -> Result<Policy, String> {
    let allow = raw.allow.iter().map(|net| {
        net.parse()
            .map_err(|_| format!("route: `{net}` is not a network in CIDR form"))
    });
    Ok(Policy {
        allow: allow.collect::<Result<_, _>>()?,
        https_only: raw.https_only.map(redirect_status).transpose()?,
        cors: raw.cors.map(decode_cors).transpose()?,
        rate_limit: raw.rate_limit.map(decode_rate).transpose()?,
        basic_auth: raw.basic_auth.map(decode_auth).transpose()?,
        max_request_body: raw.max_request_body.map(ByteSize),
        request_timeout: optional("request_timeout", raw.request_timeout)?,
        connect_timeout: optional("connect_timeout", raw.connect_timeout)?,
        retries: raw.retries.map(decode_retries).transpose()?,
        request_headers: decode_edits(raw.request_headers.unwrap_or_default())?,
        response_headers: decode_edits(raw.response_headers.unwrap_or_default())?,
        affinity: match (raw.affinity_cookie, raw.affinity_client_ip) {
            (Some(name), _) => Affinity::Cookie(token("cookie", name)?),
            (None, true) => Affinity::ClientIp,
            (None, false) => Affinity::None,
        },
    })
}

fn optional(
    what: &str,
    raw: Option<message::Duration>,
) -> Result<Option<crate::api::value::Span>, String> {
    raw.map(|raw| span(what, Some(raw), crate::api::value::Span::default()))
        .transpose()
}

/// A status that sends a client elsewhere.
pub(super) fn redirect_status(raw: u32) -> Result<u16, String> {
    let status = status_of(raw)?;
    if REDIRECTS.contains(&status) {
        return Ok(status);
    }
    Err(format!(
        "route: {status} is not a redirect of 301, 302, 307, 308"
    ))
}

fn decode_cors(raw: message::Cors) -> Result<Cors, String> {
    for text in raw.origins.iter().chain(&raw.headers).chain(&raw.expose) {
        check_value(text)?;
    }
    for method in &raw.methods {
        check_method(method)?;
    }
    Ok(Cors {
        origins: raw.origins.into_iter().collect(),
        methods: raw.methods.into_iter().collect(),
        headers: raw.headers.into_iter().collect(),
        expose: raw.expose.into_iter().collect(),
        credentials: raw.credentials,
        max_age: optional("max_age", raw.max_age)?,
    })
}

fn decode_rate(raw: message::RateLimit) -> Result<RateLimit, String> {
    let per = optional("rate_limit", raw.per)?.unwrap_or_default();
    if raw.requests == 0 || per.get().is_zero() {
        return Err("route: a rate limit of no requests, or of no time".to_owned());
    }
    Ok(RateLimit {
        requests: raw.requests,
        per,
        burst: raw.burst,
        key: match raw.key {
            0 => RateKey::Client,
            1 => RateKey::Route,
            other => return Err(format!("route: key {other} of a rate limit is unknown")),
        },
    })
}

fn decode_auth(raw: message::BasicAuth) -> Result<BasicAuth, String> {
    check_file("route: secret", &raw.secret)?;
    check_value(&raw.realm)?;
    Ok(BasicAuth {
        realm: raw.realm,
        secret: raw.secret,
    })
}

fn decode_retries(raw: message::Retries) -> Result<Retries, String> {
    if raw.attempts > MAX_ATTEMPTS {
        return Err(format!(
            "route: {} further tries are more than {MAX_ATTEMPTS}",
            raw.attempts
        ));
    }
    let statuses = raw.statuses.into_iter().map(status_of);
    Ok(Retries {
        attempts: raw.attempts,
        statuses: statuses.collect::<Result<_, _>>()?,
    })
}

fn decode_edits(raw: message::HeaderEdits) -> Result<HeaderEdits, String> {
    for name in raw
        .remove
        .iter()
        .chain(raw.set.keys())
        .chain(raw.add.keys())
    {
        check_header(name)?;
    }
    for value in raw.set.values().chain(raw.add.values()) {
        check_value(value)?;
    }
    Ok(HeaderEdits {
        remove: raw.remove.into_iter().collect(),
        set: raw.set,
        add: raw.add,
    })
}

/// A header's name in lower case.
pub(super) fn check_header(name: &str) -> Result<(), String> {
    let parsed = HeaderName::from_bytes(name.as_bytes());
    if parsed.is_ok_and(|parsed| parsed.as_str() == name) {
        return Ok(());
    }
    Err(format!(
        "route: `{}` is not a header's name in lower case",
        name.escape_debug()
    ))
}

/// What may stand in a header.
fn check_value(value: &str) -> Result<(), String> {
    HeaderValue::from_str(value)
        .map(drop)
        .map_err(|_| format!("route: `{}` cannot be in a header", value.escape_debug()))
}

/// A method in capitals.
pub(super) fn check_method(method: &str) -> Result<(), String> {
    let good = Method::from_bytes(method.as_bytes()).is_ok()
        && !method.bytes().any(|b| b.is_ascii_lowercase());
    if good {
        return Ok(());
    }
    Err(format!(
        "route: `{}` is not a method in capitals",
        method.escape_debug()
    ))
}

/// A token of HTTP, as the name of a cookie must be.
fn token(what: &str, text: String) -> Result<String, String> {
    check_name(what, &text, false)?;
    if HeaderName::from_bytes(text.as_bytes()).is_ok() {
        return Ok(text);
    }
    Err(format!(
        "route: `{}` cannot name a {what}",
        text.escape_debug()
    ))
}
