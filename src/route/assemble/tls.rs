//! Who has a host's TLS: certificates and passthrough.

use super::super::claim::{ANY_HOST, Grant};
use super::super::place::{self, Place};
use super::super::{
    Certificate, CertificateSource, Conditions, PathMatch, Policy, Redirect, Row, RowState,
};
use super::verdict::{Verdict, rejected};
use super::{Assembly, Owner, target};

/// A certificate in use.
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
            label: "ssl_cert",
        })
    }

    /// Shows the claim's certificate for a host. Its name, or who shows another one.
    pub(super) fn certify(&mut self, grant: &Grant, host: &str) -> Option<Result<String, Verdict>> {
        let pair = grant.certificate.clone()?;
        if self.sealed.contains_key(host) || !(grant.hosts.contains(host)) {
            return None;
        }
        if let Some(shown) = self.shown.get(host) {
            if shown.pair == pair {
                return Some(Ok(shown.name.clone()));
            }
            let verdict = Verdict {
                state: RowState::Conflict,
                reason: "CertificateDisagrees",
                message: format!(
                    "the host shows the certificate of service {}, which is older: give both the same secrets",
                    shown.service
                ),
                label: "ssl_cert",
            };
            return Some(Err(verdict));
        }
        let name = self.certificate_name(grant, &pair);
        let (chain, key) = pair.clone();
        let shown = Shown {
            service: grant.service.clone(),
            name: name.clone(),
            pair,
        };
        self.shown.insert(host.to_owned(), shown);
        self.routing.secrets.extend([chain.clone(), key.clone()]);
        let table = &mut self.routing.table;
        let certificate = table.certificates.entry(name.clone());
        let certificate = certificate.or_insert_with(|| Certificate {
            hosts: Vec::new(),
            source: CertificateSource::Files { chain, key },
        });
        if host == ANY_HOST {
            table.listener.default_certificate = Some(name.clone());
        } else {
            certificate.hosts.push(host.to_owned());
            certificate.hosts.sort();
        }
        Some(Ok(name))
    }

    /// `service/NAME`, or `service/NAME/ROUTE` where the service has several.
    fn certificate_name(&mut self, grant: &Grant, pair: &(String, String)) -> String {
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
