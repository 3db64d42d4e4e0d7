//! What a route asks for besides forwarding: compiled once a table, and followed in the order
//! that is written at `route::Policy`.
//!
//! *Guarantees*: a route that asks for nothing has no policy here and pays one branch. What is
//! remembered of clients (buckets, verified passwords) is kept in [`Keep`] and in what the last
//! policy hands on, so it outlives the table. A route whose policy cannot be kept is closed,
//! never open.

mod allow;
mod auth;
mod clients;
mod cors;
mod edits;
mod htpasswd;
mod keep;
mod rate;
mod redirect;

use std::net::IpAddr;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};

pub(in crate::proxy) use cors::preflight;
pub(in crate::proxy) use keep::Keep;
pub(in crate::proxy) use redirect::https_url;

use self::allow::Allow;
use self::auth::Auth;
use self::cors::Cors;
use self::edits::Edits;
use self::rate::Rate;
use self::redirect::Redirect;
use super::forwarded;
use super::reply::Refusal;
use crate::route::{Policy, Route};

/// A policy ready to be followed.
#[derive(Debug, Default)]
pub(in crate::proxy) struct LivePolicy {
    /// Nothing is served, because what is asked for cannot be had.
    closed: bool,
    allow: Option<Allow>,
    https_only: Option<StatusCode>,
    cors: Option<Cors>,
    rate: Option<Rate>,
    auth: Option<Auth>,
    redirect: Option<Redirect>,
    max_request_body: Option<u64>,
    request_headers: Edits,
    response_headers: Edits,
}

/// What is asked, by whom, and how it came.
#[derive(Debug)]
pub(in crate::proxy) struct Asked<'a> {
    pub(in crate::proxy) peer: IpAddr,
    pub(in crate::proxy) trusted_hops: u32,
    /// It came by HTTPS, here or at a trusted hop in front.
    pub(in crate::proxy) secure: bool,
    /// The host as it came, with port.
    pub(in crate::proxy) host: &'a HeaderValue,
    pub(in crate::proxy) https_port: u16,
    /// There is something to forward to.
    pub(in crate::proxy) has_targets: bool,
}

impl Asked<'_> {
    /// The client's address; `None`: trusted hops tell what is none.
    fn client(&self, headers: &HeaderMap) -> Option<IpAddr> {
        forwarded::address(headers, self.trusted_hops, self.peer)
    }
}

impl LivePolicy {
    /// Why a route cannot be followed as it asks, whatever is known of the files.
    pub(in crate::proxy) fn check(route: &Route) -> Result<(), String> {
        if let Some(redirect) = &route.redirect {
            Redirect::compile(redirect)?;
        }
        Edits::of_request(&route.policy.request_headers)?;
        Edits::of_answer(&route.policy.response_headers)?;
        Ok(())
    }

    /// Compiles the policy of a route; `None`: it asks for nothing. What `last` remembers goes on.
    pub(in crate::proxy) fn compile(
        name: &str,
        route: &Route,
        last: Option<&Self>,
        keep: &Keep,
    ) -> Option<Arc<Self>> {
        let Policy {
            allow,
            https_only,
            cors,
            rate_limit,
            basic_auth,
            max_request_body,
            request_headers,
            response_headers,
            // These are the business of whoever forwards.
            request_timeout: _,
            connect_timeout: _,
            retries: _,
            affinity: _,
        } = &route.policy;
        let redirect = route.redirect.as_ref().map(Redirect::compile).transpose();
        let edits = Edits::of_request(request_headers)
            .and_then(|request| Ok((request, Edits::of_answer(response_headers)?)));
        // What cannot be compiled was refused before; if not, it is closed.
        let (Ok(redirect), Ok((request_headers, response_headers))) = (redirect, edits) else {
            return Some(Self::closed());
        };
        let last_rate = last.and_then(|last| last.rate.as_ref());
        let policy = Self {
            closed: false,
            allow: Allow::compile(allow),
            https_only: https_only.and_then(|status| StatusCode::from_u16(status).ok()),
            cors: cors.as_ref().map(Cors::compile),
            rate: rate_limit.map(|limit| Rate::compile(name, limit, last_rate, keep)),
            auth: basic_auth.as_ref().map(|auth| Auth::compile(auth, keep)),
            redirect,
            max_request_body: max_request_body.map(|size| match size.0 {
                0 => u64::MAX,
                size => size,
            }),
            request_headers,
            response_headers,
        };
        (!policy.is_empty()).then(|| Arc::new(policy))
    }

    /// The policy of a route that cannot be served as it asks.
    pub(in crate::proxy) fn closed() -> Arc<Self> {
        Arc::new(Self {
            closed: true,
            ..Self::default()
        })
    }

    fn is_empty(&self) -> bool {
        let Self {
            closed,
            allow,
            https_only,
            cors,
            rate,
            auth,
            redirect,
            max_request_body,
            request_headers,
            response_headers,
        } = self;
        !closed
            && allow.is_none()
            && https_only.is_none()
            && cors.is_none()
            && rate.is_none()
            && auth.is_none()
            && redirect.is_none()
            && max_request_body.is_none()
            && request_headers.is_empty()
            && response_headers.is_empty()
    }

    /// Lets a request pass, or says why not.
    pub(in crate::proxy) async fn admit(
        &self,
        asked: &Asked<'_>,
        parts: &mut Parts,
    ) -> Result<(), Refusal> {
        if self.closed {
            return Err(closed());
        }
        self.admit_at_once(asked, parts)?;
        if let Some(auth) = &self.auth {
            // In a box: only routes with a password pay for what it needs.
            Box::pin(auth.admit(asked, &parts.headers)).await?;
            // It is this proxy's password, not the application's.
            parts.headers.remove(header::AUTHORIZATION);
        }
        match &self.redirect {
            Some(redirect) => redirect.admit(asked, parts),
            None => Ok(()),
        }
    }

    /// All that comes before authentication.
    fn admit_at_once(&self, asked: &Asked<'_>, parts: &Parts) -> Result<(), Refusal> {
        if let Some(allow) = &self.allow {
            allow.admit(asked.client(&parts.headers))?;
        }
        if let Some(status) = self.https_only
            && !asked.secure
        {
            let place = https_url(asked.host, &parts.uri, asked.https_port);
            let text = "use https";
            return Err(Refusal::elsewhere(
                status,
                "RedirectToHttps",
                text,
                place.as_deref(),
            ));
        }
        if let Some(cors) = &self.cors {
            cors.admit(parts)?;
        }
        match &self.rate {
            Some(rate) => rate.admit(asked, &parts.headers),
            None => Ok(()),
        }
    }

    /// Whether it answers preflights.
    pub(in crate::proxy) fn has_cors(&self) -> bool {
        self.cors.is_some()
    }

    /// The largest body, if the route says so itself.
    pub(in crate::proxy) fn max_request_body(&self) -> Option<u64> {
        self.max_request_body
    }

    /// The last changes to a request's headers.
    pub(in crate::proxy) fn edit_request(&self, headers: &mut HeaderMap) {
        self.request_headers.apply(headers);
    }
}

/// What is left to do with the answer to a request, whoever gives it.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Finish<'t> {
    policy: Option<&'t LivePolicy>,
    origin: Option<HeaderValue>,
}

impl<'t> Finish<'t> {
    /// The answer will be one of a route with that policy.
    pub(in crate::proxy) fn expect(&mut self, policy: &'t LivePolicy, parts: &Parts) {
        self.policy = Some(policy);
        if policy.cors.is_some() {
            self.origin = parts.headers.get(header::ORIGIN).cloned();
        }
    }

    /// The last changes to an answer's headers.
    pub(in crate::proxy) fn apply(&self, headers: &mut HeaderMap) {
        let Some(policy) = self.policy else {
            return;
        };
        if let Some(cors) = &policy.cors {
            cors.answer(self.origin.as_ref(), headers);
        }
        policy.response_headers.apply(headers);
    }
}

fn closed() -> Refusal {
    Refusal::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "RouteClosed",
        "this route cannot be served as it asks; `skep routes` tells why",
    )
}
