//! `skep doctor`: looks at everything that Skep needs and says of each fault what to do.
//!
//! The engine is asked, nothing is changed. What an engine cannot tell of other nodes is said so
//! rather than guessed.

mod clocks;
mod drained;
mod networks;
mod ports;
mod room;
mod skep;
mod swarm;
#[cfg(test)]
pub(crate) mod tests;
mod versions;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;
use time::OffsetDateTime;

use super::args::Report;
use super::error::{CliError, Result};
use super::get::{json, yaml};
use super::session::{Session, View, now};
use super::table::Table;
use super::terminal::inline;
use crate::swarm::facts::{EngineFacts, NodeFacts};

/// `doctor`.
#[derive(Clone, Debug, clap::Args)]
pub struct DoctorArgs {
    /// Form of the output; wide shows what was found in order too
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Report,
}

/// How a check went, from good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum State {
    /// In order.
    Ok,
    /// The engine cannot tell, so somebody should look.
    Unknown,
    /// Works, but may not for long, or not as meant.
    Warning,
    /// Does not work.
    Failed,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What it belongs to: `engine`, `swarm`, `ports`, ...
    pub area: &'static str,
    /// What it is about, such as a node or a cluster.
    pub name: String,
    /// How it went.
    pub state: State,
    /// What was found.
    pub message: String,
    /// What to do; empty when nothing is to be done.
    #[serde(rename = "do", skip_serializing_if = "String::is_empty")]
    pub hint: String,
}

impl Check {
    fn new(area: &'static str, name: &str, state: State, message: impl Into<String>) -> Self {
        Self {
            area,
            name: name.to_owned(),
            state,
            message: message.into(),
            hint: String::new(),
        }
    }

    fn ok(area: &'static str, name: &str, message: impl Into<String>) -> Self {
        Self::new(area, name, State::Ok, message)
    }

    fn warning(area: &'static str, name: &str, message: impl Into<String>) -> Self {
        Self::new(area, name, State::Warning, message)
    }

    fn failed(area: &'static str, name: &str, message: impl Into<String>) -> Self {
        Self::new(area, name, State::Failed, message)
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }
}

/// Everything that is looked at.
#[derive(Clone, Debug)]
pub struct Patient {
    /// The Swarm.
    pub view: View,
    /// The engine that was asked.
    pub engine: EngineFacts,
    /// Nodes by id.
    pub nodes: BTreeMap<String, NodeFacts>,
    /// When Skep's own secrets were made, by name.
    pub secrets: BTreeMap<String, String>,
    /// This machine's clock when the engine told its own.
    pub now: OffsetDateTime,
}

impl Patient {
    /// Asks the engine for all of it.
    pub async fn look(session: &Session) -> Result<Self> {
        let engine = &session.engine;
        // First and alone: its clock is compared with ours.
        let facts = engine.facts().await?;
        let now = now();
        let view = session.look().await?;
        Ok(Self {
            view,
            engine: facts,
            nodes: engine.node_facts().await?,
            secrets: engine.secret_dates().await?,
            now,
        })
    }

    fn hostname(&self, node: &str) -> String {
        let found = self.view.world.nodes.get(node);
        found.map_or_else(|| node.to_owned(), |node| node.hostname.clone())
    }
}

/// All checks, in the order in which faults should be mended.
#[must_use]
pub fn checks(patient: &Patient) -> Vec<Check> {
    [
        swarm::engine(patient),
        swarm::managers(patient),
        swarm::nodes(patient),
        clocks::checks(patient),
        skep::operator(patient),
        skep::secrets(patient),
        networks::checks(patient),
        ports::checks(patient),
        skep::images(patient),
        skep::certificate_checks(patient),
        skep::clusters(patient),
        skep::sources(patient),
        versions::checks(patient),
    ]
    .concat()
}

/// Looks, tells, and fails when a check failed.
pub async fn run(session: &Session, args: &DoctorArgs) -> Result {
    let checks = checks(&Patient::look(session).await?);
    session.terminal.data(&render(&checks, args.output)?)?;
    let failed = checks.iter().filter(|c| c.state == State::Failed).count();
    match failed {
        0 => Ok(()),
        1 => Err(CliError::Failed("1 check failed".to_owned())),
        many => Err(CliError::Failed(format!("{many} checks failed"))),
    }
}

/// The checks in the form asked for.
pub fn render(checks: &[Check], output: Report) -> Result<String> {
    Ok(match output {
        Report::Table => people(checks, false),
        Report::Wide => people(checks, true),
        Report::Json => json(&document(checks)),
        Report::Yaml => yaml(&document(checks))?,
    })
}

#[derive(Serialize)]
struct Document<'a> {
    state: State,
    checks: &'a [Check],
}

fn document(checks: &[Check]) -> Document<'_> {
    let worst = checks.iter().map(|check| check.state).max();
    Document {
        state: worst.unwrap_or(State::Ok),
        checks,
    }
}

/// A line for each area, and below it what is not in order, with what to do.
fn people(checks: &[Check], all: bool) -> String {
    let mut areas: Vec<&str> = checks.iter().map(|check| check.area).collect();
    areas.dedup();
    let mut table = Table::new(&["CHECK", "STATE", "FOUND"]);
    let mut hints = String::new();
    for area in areas {
        let of_area: Vec<&Check> = checks.iter().filter(|check| check.area == area).collect();
        for check in &of_area {
            if all || check.state != State::Ok {
                table.row([
                    format!("{area}/{}", check.name),
                    format!("{:?}", check.state),
                    check.message.clone(),
                ]);
            }
            if !check.hint.is_empty() {
                let hint = format!("{area}/{}: {}", check.name, check.hint);
                let _ = writeln!(hints, "  {}", inline(&hint));
            }
        }
        if !all && of_area.iter().all(|check| check.state == State::Ok) {
            let said = match of_area.as_slice() {
                [one] => one.message.clone(),
                many => format!("{} checks", many.len()),
            };
            table.row([area.to_owned(), "Ok".to_owned(), said]);
        }
    }
    let mut text = table.render(true, 0);
    if !hints.is_empty() {
        text.push_str("\nWhat to do:\n");
        text.push_str(&hints);
    }
    text
}
