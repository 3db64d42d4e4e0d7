//! The places at which a granted claim stands: one for each host, and those of its redirects.

use super::claim::Grant;
use super::{PathMatch, Redirect};
use crate::api::labels::RedirectRule;

/// One place.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub host: String,
    pub path: PathMatch,
    pub redirect: Option<Redirect>,
    /// Requests that are not sent elsewhere go to the service.
    pub served: bool,
}

impl Place {
    /// All that a request finds here is a way elsewhere.
    pub(super) fn leads_away(&self) -> bool {
        self.redirect.as_ref().is_some_and(|redirect| {
            let target = redirect
                .target
                .split_once("://")
                .map_or("", |(_, rest)| rest);
            let host = target.split(['/', ':']).next().unwrap_or_default();
            host != self.host
        })
    }
}

/// The places of a claim, in a fixed order.
pub(super) fn places(grant: &Grant) -> Vec<Place> {
    let mut places: Vec<Place> = grant
        .hosts
        .iter()
        .map(|host| Place {
            host: host.clone(),
            path: grant.path.clone(),
            redirect: covering(grant, host).map(|rule| redirect(grant, rule)),
            served: true,
        })
        .collect();
    // Those of the service have their places with its unnamed route.
    if !grant.labels.takes_over("redirects") {
        places.extend(
            grant
                .labels
                .redirects()
                .iter()
                // A host that the cluster did not admit is not to be had by a redirect either.
                .filter(|rule| grant.has(&rule.host))
                .filter_map(|rule| beside(grant, rule)),
        );
    }
    places
}

/// The redirect in force at the claim's own path of a host: the one with the longest path.
fn covering<'a>(grant: &'a Grant, host: &str) -> Option<&'a RedirectRule> {
    let rules = grant
        .labels
        .redirects()
        .iter()
        .filter(|rule| rule.host == host);
    let covers = |rule: &&RedirectRule| match &grant.path {
        PathMatch::Prefix(path) | PathMatch::Exact(path) => is_below(path, &rule.path),
        PathMatch::Regex(_) => rule.path == "/",
    };
    rules.filter(covers).max_by_key(|rule| rule.path.len())
}

/// A redirect that needs a place of its own.
fn beside(grant: &Grant, rule: &RedirectRule) -> Option<Place> {
    let path = PathMatch::Prefix(rule.path.clone());
    if grant.hosts.contains(&rule.host) && path == grant.path {
        return None;
    }
    // Only below the claim's path does the service have anything to serve.
    let served = match &grant.path {
        PathMatch::Prefix(prefix) => is_below(&rule.path, prefix),
        PathMatch::Exact(_) | PathMatch::Regex(_) => false,
    };
    // Requests that are there already would find nothing.
    if !served && rule.target_host == rule.host {
        return None;
    }
    Some(Place {
        host: rule.host.clone(),
        path,
        redirect: Some(redirect(grant, rule)),
        served: served && !(grant.rewrite && path_differs(grant, rule)),
    })
}

/// A rewrite there would cut off more than the claim's prefix.
fn path_differs(grant: &Grant, rule: &RedirectRule) -> bool {
    grant.path.text() != rule.path
}

/// A redirect as the table has it.
pub(super) fn redirect(grant: &Grant, rule: &RedirectRule) -> Redirect {
    let status = rule.status.or(grant.labels.status("redirect_status"));
    Redirect {
        status: status.unwrap_or(302),
        target: rule.target.clone(),
    }
}

/// On segment borders.
fn is_below(path: &str, prefix: &str) -> bool {
    prefix == "/"
        || path
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
