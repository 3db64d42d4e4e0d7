//! What is told to a claim where another one stands already.

use super::super::{Policy, Route, RowState};
use super::Owner;

/// What an older one at the same place says to a claim.
pub(in crate::route) struct Verdict {
    pub state: RowState,
    pub reason: &'static str,
    pub message: String,
    /// Name of the label at fault; empty: none is.
    pub label: &'static str,
}

pub(super) fn rejected(reason: &'static str, label: &'static str, message: String) -> Verdict {
    Verdict {
        state: RowState::Rejected,
        reason,
        message,
        label,
    }
}

impl Verdict {
    /// Nothing to say.
    pub(super) fn well() -> Self {
        Self {
            state: RowState::Active,
            reason: "",
            message: String::new(),
            label: "",
        }
    }
}

impl Owner {
    /// To a younger service whose settings are not those in force.
    pub(super) fn disagrees(&self, standing: &Route, asked: &Route) -> Option<Verdict> {
        let settings = differing(standing, asked);
        let (_, label) = *settings.first()?;
        let names: Vec<&str> = settings.iter().map(|(name, _)| *name).collect();
        let names = names.join(", ");
        if let Some(label) = unprotected(&standing.policy, &asked.policy) {
            let message = format!(
                "{names} would not be in force, because {self} is older and decides: give both the same values, or a host or path of their own"
            );
            return Some(rejected("LessProtected", label, message));
        }
        Some(Verdict {
            state: RowState::Conflict,
            reason: "SettingsDisagree",
            message: format!(
                "{names} as asked for is not in force, because {self} is older and decides: give both the same values"
            ),
            label,
        })
    }
}

/// Settings that differ, each with a label that gives it.
fn differing(a: &Route, b: &Route) -> Vec<(&'static str, &'static str)> {
    let (p, q) = (&a.policy, &b.policy);
    let same = |name: &'static str| (name, name);
    let all = [
        (a.rewrite != b.rewrite, same("context_root_rewrite")),
        (a.redirect != b.redirect, same("redirects")),
        (p.allow != q.allow, same("ip_allow")),
        (p.https_only != q.https_only, same("https_redirect")),
        (p.cors != q.cors, ("cors", "cors.origins")),
        (p.rate_limit != q.rate_limit, same("rate_limit")),
        (p.basic_auth != q.basic_auth, same("basic_auth")),
        (
            p.max_request_body != q.max_request_body,
            same("max_request_body"),
        ),
        (
            p.request_timeout != q.request_timeout,
            same("request_timeout"),
        ),
        (
            p.connect_timeout != q.connect_timeout,
            same("connect_timeout"),
        ),
        (p.retries != q.retries, same("retries")),
        (
            p.request_headers != q.request_headers,
            ("request_headers", "request_headers.remove"),
        ),
        (
            p.response_headers != q.response_headers,
            ("response_headers", "response_headers.remove"),
        ),
        (
            p.affinity != q.affinity,
            ("sticky_session_cookie or ip_hash", "sticky_session_cookie"),
        ),
    ];
    let differ = all.into_iter().filter(|(differ, _)| *differ);
    differ.map(|(_, setting)| setting).collect()
}

/// The label by which a service asked to be kept from requests that would reach it.
fn unprotected(standing: &Policy, asked: &Policy) -> Option<&'static str> {
    if !asked.allow.is_empty() && asked.allow != standing.allow {
        return Some("ip_allow");
    }
    if asked.basic_auth.is_some() && asked.basic_auth != standing.basic_auth {
        return Some("basic_auth");
    }
    (asked.https_only.is_some() && standing.https_only.is_none()).then_some("https_redirect")
}
