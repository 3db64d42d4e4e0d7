//! Who has a host's TLS: certificates and passthrough.

use std::collections::BTreeMap;

use super::super::claim::{ANY_HOST, Grant, host_label};
use super::super::place::{self, Place};
use super::super::{
    Certificate, CertificateSource, Conditions, PathMatch, Policy, Redirect, Row, RowState,
};
use super::verdict::{Verdict, rejected};
use super::{Assembly, Owner, Pair, target};

/// A certificate that a service has for a host.
#[derive(Clone)]
pub(super) struct Shown {
    service: String,
    name: String,
    pair: (String, String),
}

impl Assembly {
    /// Passes TLS on. Whether the claim's backend is in use.
    pub(super) fn pass(&mut self, grant: &Grant) -> bool {
        let owner = Owner::of(grant);
        let mut sealed = Vec::new();
        for host in &grant.hosts {
            let verdict = self.seal(grant, &owner, host);
            if verdict.is_none() {
                sealed.push(host.clone());
            }
            self.routing.rows.push(Row {
                host: host.clone(),
                tls: "passthrough".to_owned(),
                ..grant.row(verdict.unwrap_or_else(|| grant.standing()))
            });
        }
        self.plain(grant, &owner, &sealed);
        !sealed.is_empty()
    }

    fn seal(&mut self, grant: &Grant, owner: &Owner, host: &str) -> Option<Verdict> {
        if let Some(first) = self.open.get(host) {
            let message = format!(
                "{first} serves the host and is older, so its TLS is not passed on: give the passthrough a host of its own"
            );
            return Some(rejected("HostTaken", "ssl_passthrough", message));
        }
        // No route is named like a host alone.
        if let Some(twice) = self.twice(host, owner) {
            return Some(twice);
        }
        let stand = (host.to_owned(), owner.service.clone());
        self.stands.insert(stand, owner.clone());
        let sealed = self.sealed.entry(host.to_owned());
        sealed.or_insert_with(|| owner.clone());
        let passthroughs = &mut self.routing.table.passthroughs;
        let passthrough = passthroughs.entry(host.to_owned()).or_default();
        host.clone_into(&mut passthrough.host);
        passthrough.targets.push(target(grant));
        None
    }

    /// What is answered by plain HTTP where TLS is passed on: a way elsewhere, or to HTTPS.
    fn plain(&mut self, grant: &Grant, owner: &Owner, sealed: &[String]) {
        let below = |host: &str, all: &String| {
            host == all || (all.strip_prefix('*')).is_some_and(|suffix| host.ends_with(suffix))
        };
        let rules = grant.labels.redirects().iter();
        let rules = rules.filter(|rule| sealed.iter().any(|host| below(&rule.host, host)));
        let mut ways: Vec<(String, PathMatch, Redirect)> = rules
            .map(|rule| {
                let path = PathMatch::Prefix(rule.path.clone());
                (rule.host.clone(), path, place::redirect(grant, rule))
            })
            .collect();
        for host in sealed {
            let whole = |way: &(String, PathMatch, Redirect)| {
                way.0 == *host && way.1 == PathMatch::default()
            };
            let Some(status) = grant.policy.https_only.filter(|_| !ways.iter().any(whole)) else {
                continue;
            };
            if host.starts_with('*') {
                self.no_way(grant, host);
                continue;
            }
            let target = format!("https://{host}");
            let redirect = Redirect { status, target };
            ways.push((host.clone(), PathMatch::default(), redirect));
        }
        let bare = Grant {
            policy: Policy::default(),
            when: Conditions::default(),
            ..grant.clone()
        };
        for (host, path, redirect) in ways {
            let place = Place {
                host,
                path,
                redirect: Some(redirect),
                served: false,
            };
            let verdict = self.stand(&bare, owner, &place);
            self.tell(&bare, &place, verdict, None);
        }
    }

    /// A redirect names one host, and here are many.
    fn no_way(&mut self, grant: &Grant, host: &str) {
        let message = format!(
            "https_redirect has no effect for {host}, whose TLS is passed on: name the hosts one by one"
        );
        let label = if grant.labels.flag("ssl_only") {
            "ssl_only"
        } else {
            "https_redirect"
        };
        self.routing.rows.push(Row {
            host: host.to_owned(),
            ..grant.row(Verdict {
                state: RowState::Warning,
                reason: "NoEffect",
                message,
                label,
            })
        });
    }

    /// Whether another service has the host's TLS passed on.
    pub(super) fn sealed(&self, grant: &Grant, host: &str) -> Option<Verdict> {
        let first = self.sealed.get(host)?;
        (first.service != grant.service || grant.certificate.is_some()).then(|| Verdict {
            state: RowState::Conflict,
            reason: "TlsTaken",
            message: format!(
                "{first} has TLS of the host passed on and is older: this route is served by plain HTTP only"
            ),
            label: match grant.certificate {
                Some(_) => "ssl_cert",
                None => host_label(host),
            },
        })
    }

    /// Shows the claim's certificate for a host, or has it stand in for that of an older service,
    /// whose content nobody but the proxies can see. Its name, or who shows another one.
    pub(super) fn certify(&mut self, grant: &Grant, host: &str) -> Option<Result<String, Verdict>> {
        let pair = grant.certificate.clone()?;
        if self.sealed.contains_key(host) || !(grant.hosts.contains(host)) {
            return None;
        }
        let name = self.certificate_name(grant, &pair);
        let shown = self.shown.entry(host.to_owned()).or_default();
        let turn = shown.iter().position(|shown| shown.pair == pair);
        let turn = turn.unwrap_or_else(|| {
            let (service, pair) = (grant.service.clone(), pair.clone());
            shown.push(Shown {
                service,
                name,
                pair,
            });
            shown.len() - 1
        });
        let (first, ours) = (&shown[0], &shown[turn]);
        let verdict = if turn == 0 {
            Ok(first.name.clone())
        } else {
            Err(Verdict {
                state: RowState::Conflict,
                reason: "CertificateDisagrees",
                message: format!(
                    "the host shows the certificate of service {}, which is older; this one is shown where that one cannot be used: give both the same secrets",
                    first.service
                ),
                label: "ssl_cert",
            })
        };
        let name = ours.name.clone();
        self.place_certificate(name, pair, host, turn);
        Some(verdict)
    }

    /// Puts a certificate into the table for a host.
    fn place_certificate(&mut self, name: String, pair: Pair, host: &str, turn: usize) {
        let (chain, key) = pair;
        self.routing.secrets.extend([chain.clone(), key.clone()]);
        let table = &mut self.routing.table;
        if host == ANY_HOST && turn == 0 {
            table.listener.default_certificate = Some(name.clone());
        }
        let certificate = table.certificates.entry(name);
        let certificate = certificate.or_insert_with(|| Certificate {
            hosts: Vec::new(),
            stands_in: BTreeMap::new(),
            awaited: false,
            source: CertificateSource::Files { chain, key },
        });
        // The listener may name another default one.
        if turn > 0 || host == ANY_HOST {
            let turn = u32::try_from(turn).unwrap_or(u32::MAX);
            certificate.stands_in.insert(host.to_owned(), turn);
        } else if !certificate.hosts.iter().any(|it| it == host) {
            certificate.hosts.push(host.to_owned());
            certificate.hosts.sort();
        }
    }

    /// `service/NAME`, or `service/NAME/ROUTE` where the service has several.
    fn certificate_name(&mut self, grant: &Grant, pair: &Pair) -> String {
        let ours = self.named.entry(grant.service.clone()).or_default();
        if let Some((_, name)) = ours.iter().find(|(other, _)| other == pair) {
            return name.clone();
        }
        let name = if ours.is_empty() {
            format!("service/{}", grant.service)
        } else {
            format!("service/{}/{}", grant.service, grant.id)
        };
        ours.push((pair.clone(), name.clone()));
        name
    }
}
