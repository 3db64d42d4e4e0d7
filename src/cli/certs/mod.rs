//! `skep certs`: certificates that rotate without a restart of any proxy.

pub mod ls;

use std::collections::BTreeMap;
use std::path::Path;

use super::args::{CertsAddArgs, CertsRmArgs};
use super::error::{CliError, Result};
use super::input;
use super::session::{Session, View, now};
use crate::api::{Diagnostic, grammar};
use crate::certs::{Facts, Pair, PairError, PublicKey};
use crate::names;
use crate::store::Outcome;
use crate::store::certificates::{self, Sealed};
use crate::world::World;
use crate::world::certificates::NEAR_END;

/// Reads and checks what is to be stored; asks no engine.
pub fn checked(args: &CertsAddArgs) -> Result<Pair> {
    let mut faults = Vec::new();
    if let Err(message) = grammar::certificate_name(&args.name) {
        faults.push(Diagnostic::at("", message));
    }
    let chain = read(&args.cert).map_err(|fault| faults.push(fault)).ok();
    // Standard input can be read once only.
    let key = if args.key == args.cert {
        chain.clone()
    } else {
        read(&args.key).map_err(|fault| faults.push(fault)).ok()
    };
    if let (Some(chain), Some(key)) = (chain, key) {
        match Pair::parse(&chain, &key) {
            Ok(pair) if faults.is_empty() => match out_of_time(&pair.facts, now().unix_timestamp())
            {
                None => return Ok(pair),
                Some(message) => faults.push(about(&args.cert, message)),
            },
            Ok(_) => {}
            Err(error) => faults.push(bad_pair(args, &error)),
        }
    }
    Err(CliError::Invalid(faults))
}

/// Stores a checked pair.
pub async fn add(session: &Session, args: &CertsAddArgs, pair: &Pair) -> Result {
    let look = session.look().await?;
    let public = public_key(&look.world)?;
    session.warn_without_operator(&look);
    let facts = &pair.facts;
    for warning in warnings(&args.name, facts, now().unix_timestamp()) {
        session.terminal.warning(&warning);
    }
    let hosts = facts.hosts.join(", ");
    let told = format!(
        "hosts: {}; ends: {}; issuer: {}",
        if hosts.is_empty() { "none" } else { &hosts },
        facts.ends(),
        facts.issuer
    );
    if args.dry_run {
        let line = format!("certificate/{} is valid (dry run); {told}", args.name);
        return session.terminal.done(&line);
    }
    let sealed = seal(&args.name, pair, &public)?;
    let applied = certificates::add(&session.engine, &sealed).await?;
    let what = match applied.outcome {
        Outcome::Created => "created",
        Outcome::Configured => "configured",
        Outcome::Unchanged | Outcome::Adopted => "unchanged",
    };
    let line = format!("certificate/{} {what}; {told}", args.name);
    session.terminal.done(&line)
}

/// Removes stored certificates.
pub async fn rm(session: &Session, args: &CertsRmArgs) -> Result {
    let look = session.look().await?;
    let stored = crate::world::certificates(&look.world);
    let missing: Vec<String> = args
        .names
        .iter()
        .filter(|name| !stored.contains_key(*name) && !args.ignore_not_found)
        .map(|name| absent(name))
        .collect();
    if !missing.is_empty() {
        return Err(CliError::Failed(missing.join("\n")));
    }
    for name in &args.names {
        for cluster in defaulting_to(&look, name) {
            session.terminal.warning(&format!(
                "servicecluster/{cluster} names {name} in spec.traffic.tls.defaultCertificate: hosts without a certificate are refused there from now on"
            ));
        }
        let shown = shown_for(&look, name);
        if !shown.is_empty() {
            session.terminal.warning(&format!(
                "certificate/{name} was shown for {}: these hosts have no certificate from now on, unless another stored one names them",
                shown.join(", ")
            ));
        }
        if certificates::delete(&session.engine, name).await? {
            let line = format!("certificate/{name} deleted");
            session.terminal.done(&line)?;
        }
    }
    Ok(())
}

fn absent(name: &str) -> String {
    format!("certificate/{name} does not exist; `skep certs ls` lists those that do")
}

/// The hosts that a stored certificate is shown for; of many the first ten.
fn shown_for<'a>(view: &'a View, name: &str) -> Vec<&'a str> {
    let name = crate::names::stored_certificate(name);
    let clusters = view.routing.clusters.values();
    let tables = clusters.filter_map(|cluster| cluster.table.certificates.get(&name));
    let hosts = tables.flat_map(|certificate| certificate.hosts.iter().map(String::as_str));
    hosts.take(10).collect()
}

/// The clusters whose default certificate is this one.
fn defaulting_to<'a>(view: &'a View, name: &str) -> Vec<&'a str> {
    let declared = view.declared.values().filter(|declared| {
        let accepted = declared.accepted.as_ref();
        let tls = accepted.map(|accepted| &accepted.cluster.spec.traffic.tls);
        tls.and_then(|tls| tls.default_certificate.as_deref()) == Some(name)
    });
    declared.map(|declared| declared.name.as_str()).collect()
}

/// The operator's public key, which `install` keeps beside the private one.
pub(super) fn public_key(world: &World) -> Result<PublicKey> {
    let secret = world.secret_named(names::SECRET_SEALING);
    let label = secret.map(|secret| secret.labels.get(names::LABEL_SEALING));
    match label {
        None => Err(CliError::Failed(format!(
            "there is no secret {} to seal certificates to: run `skep install`, which makes it, also for an operator that is installed already (`skep install --prepare` for one of a stack)",
            names::SECRET_SEALING
        ))),
        Some(text) => PublicKey::parse(text.map_or("", String::as_str)).map_err(|_| {
            CliError::Failed(format!(
                "secret {} has no public key in label {}, so Skep did not make it: remove it with `docker secret rm {0}` and run `skep install`",
                names::SECRET_SEALING,
                names::LABEL_SEALING
            ))
        }),
    }
}

/// The pair, sealed, with what everybody may know in its labels.
fn seal(name: &str, pair: &Pair, public: &PublicKey) -> Result<Sealed> {
    let data = public
        .seal(name, &pair.content())
        .map_err(|error| CliError::Failed(error.to_string()))?;
    let facts = &pair.facts;
    let labels = [
        (names::LABEL_HOSTS, facts.hosts.join(",")),
        (names::LABEL_NOT_AFTER, facts.ends()),
        (names::LABEL_ISSUER, facts.issuer.clone()),
        (names::LABEL_FINGERPRINT, facts.fingerprint.clone()),
        (names::LABEL_CONTENT, facts.content.clone()),
        (names::LABEL_SEALING, public.id()),
    ];
    Ok(Sealed {
        name: name.to_owned(),
        data,
        labels: labels
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect::<BTreeMap<_, _>>(),
    })
}

/// What is not wrong but worth a word.
fn warnings(name: &str, facts: &Facts, now: i64) -> Vec<String> {
    let mut warnings = Vec::new();
    if facts.not_after - now <= NEAR_END {
        let days = (facts.not_after - now).max(0) / (24 * 3_600);
        warnings.push(format!(
            "certificate/{name} ends in {days} days, on {}",
            facts.ends()
        ));
    }
    if facts.hosts.is_empty() {
        warnings.push(format!(
            "certificate/{name} names no host (subjectAltName), so it serves only where spec.traffic.tls.defaultCertificate names it"
        ));
    }
    warnings
}

/// Clocks differ a little; a certificate from beyond that would be refused by every client.
const SKEW: i64 = 300;

/// Why a certificate cannot be served now.
fn out_of_time(facts: &Facts, now: i64) -> Option<String> {
    if facts.not_after <= now {
        return Some(format!(
            "the certificate ended on {}: get a new one",
            facts.ends()
        ));
    }
    (facts.not_before > now + SKEW).then(|| {
        let from = crate::certs::pair::rfc3339(facts.not_before);
        format!("the certificate is not valid before {from}: add it then")
    })
}

fn bad_pair(args: &CertsAddArgs, error: &PairError) -> Diagnostic {
    let file = if error.is_of_the_key() {
        &args.key
    } else {
        &args.cert
    };
    about(file, error.to_string())
}

fn about(file: &Path, message: String) -> Diagnostic {
    let mut fault = Diagnostic::at("", message);
    fault.source = file.display().to_string();
    fault
}

fn read(file: &Path) -> std::result::Result<Vec<u8>, Diagnostic> {
    input::bytes(file, input::CERTIFICATE).map_err(|why| about(file, why))
}

#[cfg(test)]
mod tests;
