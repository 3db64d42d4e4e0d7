//! What the routes of a host try against expressions, and how much of it.

use std::collections::BTreeSet;

use http::request::Parts;
use http::{HeaderName, HeaderValue};

use super::matching::{LiveConditions, LivePath};
use crate::api::expression::TRIED_MAX;

/// What is tried at a host.
#[derive(Clone, Debug, Default)]
pub(super) struct Tried {
    path: bool,
    headers: Vec<HeaderName>,
}

/// A request with more than the expressions of its host may be tried with. To match none instead
/// would give it to a route that may ask for less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TooLong {
    /// The path is.
    Path,
    /// The values of a header are.
    Header,
}

impl Tried {
    /// By the routes of a host; `None`: nothing.
    pub(super) fn of<'a>(
        routes: impl Iterator<Item = (&'a LivePath, &'a LiveConditions)>,
    ) -> Option<Box<Self>> {
        let mut path = false;
        let mut headers = BTreeSet::new();
        for (place, when) in routes {
            path |= place.is_expression();
            headers.extend(when.tried().map(HeaderName::as_str));
        }
        let headers = headers.into_iter().filter_map(|name| name.parse().ok());
        let headers: Vec<HeaderName> = headers.collect();
        (path || !headers.is_empty()).then(|| Box::new(Self { path, headers }))
    }

    /// Whether a request has more than may be tried.
    pub(super) fn too_long(&self, path: &str, request: &Parts) -> Option<TooLong> {
        if self.path && path.len() > TRIED_MAX {
            return Some(TooLong::Path);
        }
        let long = |name: &HeaderName| {
            let values = request.headers.get_all(name).iter();
            values.map(HeaderValue::len).sum::<usize>() > TRIED_MAX
        };
        self.headers.iter().any(long).then_some(TooLong::Header)
    }
}
