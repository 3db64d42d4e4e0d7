//! The certificates and passthroughs that are wanted, and what of them is live.
//!
//! *Guarantees*: what cannot be used is refused by name, and what was live under that name stays;
//! a passthrough becomes live only when all its backends are known; only what changed is made anew.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::server::ProducesTickets;

use super::certificate::{self, LiveCertificate, Print};
use super::rules::{self, Rules};
use crate::control::ShownCertificate;
use crate::proxy::limits;
use crate::proxy::table::{LiveBackend, LiveRoute, Secure};
use crate::route::{Certificate, CertificateSource, Listener, Passthrough, Route};

/// Keeps them.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Keep {
    secrets: PathBuf,
    rules: Rules,
    default: Option<String>,
    certificates: BTreeMap<String, Held>,
    /// Refused for their files, which may come or be mended.
    refused: BTreeMap<String, (Certificate, Option<Print>)>,
    wanted: BTreeMap<String, Passthrough>,
    live: BTreeMap<String, Passthrough>,
    table: Arc<Secure>,
    /// The certificates differ from those of the table.
    stale: bool,
}

#[derive(Debug)]
struct Held {
    of: Certificate,
    print: Option<Print>,
    tickets: Arc<dyn ProducesTickets>,
    live: Arc<LiveCertificate>,
}

impl Keep {
    /// Nothing yet; files are read from that folder.
    pub(in crate::proxy) fn new(secrets: &Path) -> Self {
        Self {
            secrets: secrets.to_owned(),
            ..Self::default()
        }
    }

    /// What is live now.
    pub(in crate::proxy) fn table(&mut self) -> Arc<Secure> {
        if self.stale {
            self.stale = false;
            self.name_certificates();
        }
        Arc::clone(&self.table)
    }

    /// Takes the listener's rules. `Err`: they cannot be kept, the last ones stay.
    pub(in crate::proxy) fn set_listener(&mut self, listener: &Listener) -> Result<(), String> {
        if !self.rules.are_of(&listener.traffic.tls) {
            self.set_rules(Rules::new(&listener.traffic.tls)?)?;
        }
        if self.default != listener.default_certificate {
            self.default.clone_from(&listener.default_certificate);
            self.stale = true;
        }
        Ok(())
    }

    fn set_rules(&mut self, rules: Rules) -> Result<(), String> {
        let renew = |(name, held): (&String, &Held)| {
            let live = live(name, &held.live.key, &rules, &held.tickets)?;
            Ok((name.clone(), live))
        };
        let renewed: Result<Vec<_>, String> = self.certificates.iter().map(renew).collect();
        for (name, live) in renewed? {
            if let Some(held) = self.certificates.get_mut(&name) {
                held.live = live;
            }
        }
        self.rules = rules;
        self.stale = true;
        Ok(())
    }

    /// Adds or changes a certificate. `Err`: it cannot be used, the last one of that name stays;
    /// `false`: the same, because its files have yet to come, as was foreseen.
    pub(in crate::proxy) fn set_certificate(
        &mut self,
        name: &str,
        wanted: Certificate,
    ) -> Result<bool, String> {
        // Before it is read: what changes meanwhile is seen at the next look.
        let print = Print::of(&wanted.source, &self.secrets);
        match self.load(name, &wanted) {
            Ok((live, tickets)) => {
                let held = Held {
                    of: wanted,
                    print,
                    tickets,
                    live,
                };
                self.certificates.insert(name.to_owned(), held);
                self.refused.remove(name);
                self.stale = true;
                Ok(true)
            }
            Err(fault) => {
                self.refused.remove(name);
                let awaited = wanted.awaited && print.as_ref().is_some_and(Print::lacks_a_file);
                if print.is_some() {
                    self.refused.insert(name.to_owned(), (wanted, print));
                }
                self.stale |= self.certificates.contains_key(name);
                if awaited { Ok(false) } else { Err(fault) }
            }
        }
    }

    fn load(&self, name: &str, wanted: &Certificate) -> Result<Loaded, String> {
        let key = certificate::load(&wanted.source, &self.secrets, self.rules.provider())?;
        let tickets = match self.certificates.get(name) {
            Some(held) => Arc::clone(&held.tickets),
            None => rules::tickets()?,
        };
        let live = live(name, &key, &self.rules, &tickets)?;
        Ok((live, tickets))
    }

    /// Removes a certificate. Connections that were opened with it stay.
    pub(in crate::proxy) fn remove_certificate(&mut self, name: &str) {
        self.refused.remove(name);
        self.stale |= self.certificates.remove(name).is_some();
    }

    /// Looks whether files have come or changed. Names of refused certificates that are live now.
    pub(in crate::proxy) fn look_again(&mut self) -> Vec<String> {
        let refused = std::mem::take(&mut self.refused);
        let mut mended = Vec::new();
        for (name, (wanted, print)) in refused {
            if Print::of(&wanted.source, &self.secrets) == print {
                self.refused.insert(name, (wanted, print));
            } else if self.set_certificate(&name, wanted) == Ok(true) {
                mended.push(name);
            }
        }
        let changed = |(name, held): (&String, &Held)| {
            let print = Print::of(&held.of.source, &self.secrets);
            (print != held.print).then(|| (name.clone(), held.of.clone(), print))
        };
        let changed: Vec<_> = self.certificates.iter().filter_map(changed).collect();
        for (name, wanted, print) in changed {
            match self.load(&name, &wanted) {
                Ok((live, _)) => {
                    self.stale = true;
                    self.settle(&name, print, Some(live));
                }
                Err(fault) => {
                    tracing::warn!(
                        name,
                        fault,
                        "a changed certificate is not used, the last one stays"
                    );
                    self.settle(&name, print, None);
                }
            }
        }
        mended
    }

    fn settle(&mut self, name: &str, print: Option<Print>, live: Option<Arc<LiveCertificate>>) {
        if let Some(held) = self.certificates.get_mut(name) {
            held.print = print;
            if let Some(live) = live {
                held.live = live;
            }
        }
    }

    /// The table differs from what is kept.
    pub(in crate::proxy) fn is_stale(&self) -> bool {
        self.stale
    }

    /// Adds or changes a passthrough.
    pub(in crate::proxy) fn set_passthrough<'b>(
        &mut self,
        name: &str,
        wanted: Passthrough,
        backend: impl Fn(&str) -> Option<&'b Arc<LiveBackend>>,
    ) {
        self.wanted.insert(name.to_owned(), wanted);
        self.refresh(name, &backend);
    }

    /// Removes a passthrough. Tunnels that are open stay.
    pub(in crate::proxy) fn remove_passthrough(&mut self, name: &str) {
        self.wanted.remove(name);
        if let Some(last) = self.live.remove(name) {
            self.clear(&last.host, name);
        }
    }

    /// A backend has come or changed.
    pub(in crate::proxy) fn backend_changed<'b>(
        &mut self,
        changed: &str,
        backend: impl Fn(&str) -> Option<&'b Arc<LiveBackend>>,
    ) {
        let uses = |(_, it): &(&String, &Passthrough)| {
            it.targets.iter().any(|target| target.backend == changed)
        };
        let both = self.wanted.iter().chain(&self.live);
        let mut names: Vec<String> = both.filter(uses).map(|(name, _)| name.clone()).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            self.refresh(&name, &backend);
        }
    }

    /// Brings a passthrough up to date: as it is wanted if that can be had, else as it is live
    /// with the backends of now.
    fn refresh<'b>(&mut self, name: &str, backend: &impl Fn(&str) -> Option<&'b Arc<LiveBackend>>) {
        let last = self.live.get(name);
        let kept = last.and_then(|last| self.table.passthroughs.get(&last.host).cloned());
        let kept = kept.filter(|kept| *kept.name == *name);
        let compile = |of: &Passthrough| {
            let route = Route {
                host: of.host.clone(),
                targets: of.targets.clone(),
                ..Route::default()
            };
            LiveRoute::compile(name, &route, kept.as_deref(), |it| backend(it).cloned())
        };
        let of = |it: Option<&Passthrough>| it.and_then(|it| Some((it.clone(), compile(it)?)));
        let Some((now, compiled)) = of(self.wanted.get(name)).or_else(|| of(last)) else {
            return;
        };
        if let Some(last) = self.live.insert(name.to_owned(), now)
            && *last.host != *compiled.host
        {
            self.clear(&last.host, name);
        }
        let table = Arc::make_mut(&mut self.table);
        let host = compiled.host.clone();
        table.passthroughs.put(&host, Arc::new(compiled));
    }

    /// Takes a passthrough from its host, if it still has it.
    fn clear(&mut self, host: &str, name: &str) {
        let stands = self.table.passthroughs.get(host);
        if stands.is_some_and(|it| *it.name == *name) {
            Arc::make_mut(&mut self.table).passthroughs.take(host);
        }
    }

    /// Certificates change seldom: their names are put together anew, so that it cannot matter in
    /// which order changes came. Of several at one host the lowest turn has it, then the first by
    /// name; one whose newer version is refused comes after those that are as they should be.
    fn name_certificates(&mut self) {
        let mut places = Vec::new();
        for (name, held) in &self.certificates {
            let first = held.of.hosts.iter().map(|host| (host, 0));
            let later = held.of.stands_in.iter().map(|(host, turn)| (host, *turn));
            places.extend(
                first
                    .chain(later)
                    .map(|(host, turn)| (turn, name, host, held)),
            );
        }
        places.sort_unstable_by_key(|(turn, name, ..)| {
            (*turn, self.refused.contains_key(*name), *name)
        });
        let mut names = crate::proxy::table::Names::default();
        let mut shown: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (_, name, host, held) in places {
            if names.get(host).is_none() {
                names.put(host, Arc::clone(&held.live));
                shown.entry(name).or_default().push(host);
            }
        }
        let default = self.default.as_deref();
        let default = default.and_then(|name| self.certificates.get_key_value(name));
        if let Some((name, _)) = default {
            shown.entry(name).or_default();
        }
        let table = Arc::make_mut(&mut self.table);
        let all = self.certificates.values();
        table.all = all.map(|held| Arc::clone(&held.live)).collect();
        table.from_files = from_files(&self.certificates, &shown);
        let default = default.map(|(_, held)| Arc::clone(&held.live));
        table.default = default.or_else(|| names.get("*").cloned());
        table.certificates = names;
    }
}

/// What the operator is told of those that are shown somewhere. So many at most: those with a
/// fault, then those that end first.
fn from_files(
    certificates: &BTreeMap<String, Held>,
    shown: &BTreeMap<&str, Vec<&str>>,
) -> Arc<[ShownCertificate]> {
    let shown = shown.iter();
    let shown = shown.filter_map(|(name, hosts)| Some((name, hosts, certificates.get(*name)?)));
    let files =
        shown.filter(|(.., held)| matches!(held.of.source, CertificateSource::Files { .. }));
    let mut all: Vec<ShownCertificate> = files
        .map(|(name, hosts, held)| ShownCertificate {
            name: (*name).to_owned(),
            not_after: held.live.not_after.unwrap_or(0),
            uncovered: uncovered(&held.live, hosts),
        })
        .collect();
    all.sort_by_cached_key(|it| (it.uncovered.is_empty(), it.not_after, it.name.clone()));
    all.truncate(limits::CERTIFICATES_TOLD);
    all.into()
}

/// The first few hosts that a certificate does not name. Where it is shown to all there is no
/// name to check.
fn uncovered(live: &LiveCertificate, hosts: &[&str]) -> Vec<String> {
    let lacks = |host: &&&str| match host.strip_prefix("*.") {
        // One host below stands for all.
        Some(parent) => !live.covers(&format!("any.{parent}")),
        None => **host != "*" && !live.covers(host),
    };
    let few = limits::HOSTS_TOLD;
    let lacking = hosts.iter().filter(lacks).take(few);
    lacking.map(|host| (*host).to_owned()).collect()
}

type Loaded = (Arc<LiveCertificate>, Arc<dyn ProducesTickets>);

fn live(
    name: &str,
    key: &Arc<rustls::sign::CertifiedKey>,
    rules: &Rules,
    tickets: &Arc<dyn ProducesTickets>,
) -> Result<Arc<LiveCertificate>, String> {
    Ok(Arc::new(LiveCertificate {
        name: name.into(),
        not_after: certificate::not_after(key),
        config: rules.config(Arc::clone(key), tickets)?,
        key: Arc::clone(key),
    }))
}

#[cfg(test)]
mod tests;
