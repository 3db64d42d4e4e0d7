//! `skep certs ls`: the stored certificates, from their labels alone.

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::absent;
use crate::certs::PublicKey;
use crate::cli::args::{CertsLsArgs, Output};
use crate::cli::error::{CliError, Result};
use crate::cli::get::{json, yaml};
use crate::cli::session::{Session, now};
use crate::cli::table::Table;
use crate::names;
use crate::world::World;
use crate::world::certificates::{NEAR_END, StoredCertificate, certificates};

const COLUMNS: [&str; 5] = ["NAME", "HOSTS", "NOT AFTER", "DAYS", "STATE"];
const WIDE: [&str; 9] = [
    "NAME",
    "HOSTS",
    "NOT AFTER",
    "DAYS",
    "STATE",
    "ISSUER",
    "FINGERPRINT",
    "GENERATION",
    "MESSAGE",
];

/// A stored certificate as JSON and YAML have it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    pub(in crate::cli) name: String,
    hosts: Vec<String>,
    /// RFC 3339.
    not_after: String,
    /// Whole days until then, negative afterwards; missing when the time is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) days: Option<i64>,
    pub(in crate::cli) state: State,
    issuer: String,
    fingerprint: String,
    generation: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(in crate::cli) message: String,
}

/// How a stored certificate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum State {
    /// All is well.
    Valid,
    /// It ends within 30 days.
    Expiring,
    /// It has ended.
    Expired,
    /// The operator cannot open or use it.
    Unusable,
}

/// Prints what was asked for.
pub async fn run(session: &Session, args: &CertsLsArgs) -> Result {
    let world = session.look().await?.world;
    let all = certificates(&world);
    let missing = args.names.iter().filter(|name| !all.contains_key(*name));
    let missing: Vec<String> = missing.map(|name| absent(name)).collect();
    if !missing.is_empty() {
        return Err(CliError::Failed(missing.join("\n")));
    }
    let key = sealed_to(&world);
    let shown: Vec<Shown> = all
        .values()
        .filter(|one| args.names.is_empty() || args.names.contains(&one.name))
        .filter_map(|one| shown(one, key.as_deref(), now()))
        .collect();
    let text = render(&shown, args.output, !args.no_headers)?;
    session.terminal.data(&text)
}

/// The certificates in the form asked for.
pub fn render(all: &[Shown], output: Output, headers: bool) -> Result<String> {
    Ok(match output {
        Output::Table => table(all, false).render(headers, 0),
        Output::Wide => table(all, true).render(headers, 0),
        Output::Json => json(&serde_json::json!({ "certificates": all })),
        Output::Yaml => yaml(&serde_json::json!({ "certificates": all }))?,
        Output::Name => {
            let lines = all
                .iter()
                .map(|one| ["certificate/", &one.name, "\n"].concat());
            lines.collect()
        }
    })
}

/// The hash of the public key that certificates should be sealed to; `None`: there is no key.
pub(in crate::cli) fn sealed_to(world: &World) -> Option<String> {
    let secret = world.secret_named(names::SECRET_SEALING)?;
    let text = secret.labels.get(names::LABEL_SEALING)?;
    PublicKey::parse(text).ok().map(|key| key.id())
}

/// What is to be shown of a certificate: of its newest revision.
pub(in crate::cli) fn shown(
    certificate: &StoredCertificate,
    key: Option<&str>,
    now: OffsetDateTime,
) -> Option<Shown> {
    let newest = certificate.newest()?;
    let not_after = newest.label(names::LABEL_NOT_AFTER);
    let left = OffsetDateTime::parse(not_after, &Rfc3339)
        .ok()
        .map(|end| (end - now).whole_seconds());
    let message = match key {
        None => format!(
            "secret {} is missing: run `skep install`, then store the certificate again",
            names::SECRET_SEALING
        ),
        Some(key) if newest.label(names::LABEL_SEALING) != key => {
            "it is sealed to another key: store it again with `skep certs add`".to_owned()
        }
        Some(_) => newest.label(names::LABEL_FAULT).to_owned(),
    };
    let state = match left {
        _ if !message.is_empty() => State::Unusable,
        Some(left) if left <= 0 => State::Expired,
        Some(left) if left <= NEAR_END => State::Expiring,
        _ => State::Valid,
    };
    Some(Shown {
        name: certificate.name.clone(),
        hosts: newest.hosts().into_iter().map(str::to_owned).collect(),
        not_after: not_after.to_owned(),
        days: left.map(|left| left.div_euclid(24 * 3_600)),
        state,
        issuer: newest.label(names::LABEL_ISSUER).to_owned(),
        fingerprint: newest.label(names::LABEL_FINGERPRINT).to_owned(),
        generation: newest.generation,
        message,
    })
}

fn table(all: &[Shown], wide: bool) -> Table {
    let mut table = Table::new(if wide { &WIDE } else { &COLUMNS });
    for one in all {
        let mut cells = vec![
            one.name.clone(),
            one.hosts.join(","),
            one.not_after.clone(),
            one.days.map(|days| days.to_string()).unwrap_or_default(),
            format!("{:?}", one.state),
        ];
        if wide {
            cells.extend([
                one.issuer.clone(),
                one.fingerprint.clone(),
                one.generation.to_string(),
                one.message.clone(),
            ]);
        }
        table.row(cells);
    }
    table
}
