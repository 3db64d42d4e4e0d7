//! `skep describe source`.

use std::fmt::Write as _;

use time::OffsetDateTime;

use super::resource;
use crate::cli::age::age;
use crate::cli::error::Result;
use crate::cli::get::yaml;
use crate::cli::session::{Session, now};
use crate::cli::table::Table;
use crate::cli::view::missing;
use crate::names;
use crate::store::sources::{Purpose, sealed_for};
use crate::world::World;
use crate::world::declared::declared;
use crate::world::sources::{DeclaredSource, sources};

/// Describes the sources of these names; all when none is given.
pub async fn run(session: &Session, names: &[String]) -> Result {
    let look = session.look().await?;
    let all = sources(&look.world);
    missing(&all, names)?;
    if !all.is_empty() {
        session.warn_without_operator(&look);
    }
    let chosen = all
        .values()
        .filter(|source| names.is_empty() || names.contains(&source.name));
    let texts: Result<Vec<String>> = chosen
        .map(|source| render(source, &look.world, now()))
        .collect();
    session.terminal.data(&texts?.join("\n"))
}

pub(super) fn render(found: &DeclaredSource, world: &World, now: OffsetDateTime) -> Result<String> {
    let source = resource(found);
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let value = if value.is_empty() { "-" } else { value };
        let _ = writeln!(text, "{:<17} {value}", format!("{name}:"));
    };
    let generation = source.metadata.generation.unwrap_or_default();
    line("Name", &found.name);
    line("Generation", &generation.to_string());
    line("Credentials", stored(world, &found.name, Purpose::Auth));
    line("Webhook secret", stored(world, &found.name, Purpose::Hook));
    if let Some(status) = &found.status {
        line("Revision", &status.revision);
        line("Failed revision", &status.failed_revision);
        let success = age(&status.last_success, now);
        let success = match success.as_str() {
            "" => String::new(),
            ago => format!("{} ({ago} ago)", status.last_success),
        };
        line("Last success", &success);
    } else {
        line("Status", "none yet; the operator writes it");
    }
    line("Clusters", &applied(found, world).join(", "));
    let spec = yaml(&source.spec)?;
    text.push_str("Spec:\n");
    for line in spec.lines() {
        let _ = writeln!(text, "  {line}");
    }
    if let Some(status) = &found.status {
        let mut table = Table::new(&["TYPE", "STATUS", "REASON", "SINCE", "MESSAGE"]);
        for condition in &status.conditions {
            table.row([
                format!("{:?}", condition.kind),
                format!("{:?}", condition.status),
                condition.reason.clone(),
                age(&condition.last_transition_time, now),
                condition.message.clone(),
            ]);
        }
        text.push_str("Conditions:\n");
        text.push_str(&table.render(true, 2));
    }
    Ok(text)
}

fn stored(world: &World, source: &str, purpose: Purpose) -> &'static str {
    match sealed_for(world, source, purpose) {
        Some(_) => "stored",
        None => "none",
    }
}

/// The clusters whose newest revision this source stored.
fn applied(found: &DeclaredSource, world: &World) -> Vec<String> {
    let manager = names::source_manager(&found.name);
    let all = declared(world).into_values();
    let own = all.filter(|cluster| cluster.newest().is_some_and(|n| n.manager() == manager));
    own.map(|cluster| cluster.name).collect()
}
