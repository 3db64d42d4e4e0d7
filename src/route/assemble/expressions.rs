//! How many expressions may stand at a host, and how many one service may have.
//!
//! A request is tried against those of its host, one after the other, and a proxy holds all of them
//! compiled: without a bound one service could make its neighbours wait.

use std::collections::BTreeMap;

use super::super::{HeaderTest, PathMatch, Route};
use super::Owner;
use super::verdict::{Verdict, rejected};

/// At one host, of all services.
const OF_HOST: usize = 20;
/// Of one service, at all its hosts.
const OF_SERVICE: usize = 50;

/// Those that stand, counted.
#[derive(Default)]
pub(super) struct Expressions {
    hosts: BTreeMap<String, usize>,
    services: BTreeMap<String, usize>,
}

impl Expressions {
    /// Counts those of a new place, or says why it cannot be.
    pub(super) fn count(&mut self, route: &Route, owner: &Owner) -> Option<Verdict> {
        let is_path = matches!(route.path, PathMatch::Regex(_));
        let tests = route.when.headers.values();
        let headers = tests.filter(|test| matches!(test, HeaderTest::Regex(_)));
        let more = headers.count() + usize::from(is_path);
        if more == 0 {
            return None;
        }
        let of_host = self.hosts.entry(route.host.clone()).or_default();
        let of_service = self.services.entry(owner.service.clone()).or_default();
        let whose = if *of_host + more > OF_HOST {
            format!("host {} has {OF_HOST}", route.host)
        } else if *of_service + more > OF_SERVICE {
            format!("service {} has {OF_SERVICE}", owner.service)
        } else {
            *of_host += more;
            *of_service += more;
            return None;
        };
        let message = format!(
            "{whose} expressions at most, and that many stand already, so {owner} is left out: put several into one (`/(a|b)/[0-9]+`), or use prefixes"
        );
        let label = if is_path { "path_type" } else { "header" };
        Some(rejected("TooManyExpressions", label, message))
    }
}
