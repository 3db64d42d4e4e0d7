//! Where TLS connections go by the host they ask for.

use std::sync::Arc;

use super::route::LiveRoute;
use super::shards::Shards;
use crate::control::ShownCertificate;
use crate::proxy::tls::LiveCertificate;

/// All that is known of hosts with TLS. Part of a table, replaced only when it changes.
#[derive(Clone, Debug, Default)]
pub struct Secure {
    /// Connections that are passed on unopened. A route without a path: targets and their turn.
    pub(in crate::proxy) passthroughs: Names<LiveRoute>,
    /// Connections that are opened here.
    pub(in crate::proxy) certificates: Names<LiveCertificate>,
    /// Shown where no other is.
    pub(in crate::proxy) default: Option<Arc<LiveCertificate>>,
    /// All certificates by name, those without a host too.
    pub(in crate::proxy) all: Vec<Arc<LiveCertificate>>,
    /// Those from files, for the operator, who cannot read them: first those that need attention.
    pub(in crate::proxy) from_files: Arc<[ShownCertificate]>,
}

/// What is done with a TLS connection.
#[derive(Clone, Copy, Debug)]
pub(in crate::proxy) enum Way<'t> {
    /// It goes to one of these unopened.
    Pass(&'t Arc<LiveRoute>),
    /// It is opened with this certificate.
    Open(&'t Arc<LiveCertificate>),
}

impl Secure {
    /// What is done with a connection for this host (in lower case). The exact host comes before
    /// wildcards, longer wildcards before shorter; at one host passing on comes first.
    pub(in crate::proxy) fn find(&self, host: Option<&str>) -> Option<Way<'_>> {
        let named = host.and_then(|host| {
            let exact = self.at(|names| &names.exact, |names| &names.exact, host);
            exact.or_else(|| {
                let mut suffixes = suffixes(host);
                suffixes.find_map(|suffix| self.at(|it| &it.wild, |it| &it.wild, suffix))
            })
        });
        let any = || self.passthroughs.any.as_ref().map(Way::Pass);
        let default = || self.default.as_ref().map(Way::Open);
        named.or_else(any).or_else(default)
    }

    fn at<'t>(
        &'t self,
        passed: impl Fn(&'t Names<LiveRoute>) -> &'t Shards<LiveRoute>,
        opened: impl Fn(&'t Names<LiveCertificate>) -> &'t Shards<LiveCertificate>,
        key: &str,
    ) -> Option<Way<'t>> {
        let pass = passed(&self.passthroughs).get(key).map(Way::Pass);
        pass.or_else(|| opened(&self.certificates).get(key).map(Way::Open))
    }
}

/// What wildcards may stand for a host: `.b.c` and `.c` of `a.b.c`.
fn suffixes(host: &str) -> impl Iterator<Item = &str> {
    let dots = host.match_indices('.').map(|(at, _)| at);
    dots.filter(|at| *at > 0).map(|at| &host[at..])
}

/// Values by host, wildcard or `*`.
#[derive(Debug)]
pub(in crate::proxy) struct Names<T> {
    exact: Shards<T>,
    /// By suffix with its dot.
    wild: Shards<T>,
    any: Option<Arc<T>>,
}

impl<T> Clone for Names<T> {
    fn clone(&self) -> Self {
        Self {
            exact: self.exact.clone(),
            wild: self.wild.clone(),
            any: self.any.clone(),
        }
    }
}

impl<T> Default for Names<T> {
    fn default() -> Self {
        Self {
            exact: Shards::default(),
            wild: Shards::default(),
            any: None,
        }
    }
}

impl<T> Names<T> {
    pub(in crate::proxy) fn get(&self, host: &str) -> Option<&Arc<T>> {
        match host.strip_prefix('*') {
            Some("") => self.any.as_ref(),
            Some(suffix) => self.wild.get(suffix),
            None => self.exact.get(host),
        }
    }

    pub(in crate::proxy) fn put(&mut self, host: &str, value: Arc<T>) {
        match host.strip_prefix('*') {
            Some("") => self.any = Some(value),
            Some(suffix) => self.wild.insert(suffix, value),
            None => self.exact.insert(host, value),
        }
    }

    pub(in crate::proxy) fn take(&mut self, host: &str) {
        match host.strip_prefix('*') {
            Some("") => self.any = None,
            Some(suffix) => self.wild.remove(suffix),
            None => self.exact.remove(host),
        }
    }

    pub(in crate::proxy) fn all(&self) -> impl Iterator<Item = &Arc<T>> {
        let named = self.exact.iter().chain(self.wild.iter());
        named.map(|(_, value)| value).chain(&self.any)
    }
}
