//! Conformance: what a real `skep proxy` process makes of services, labels and requests, as
//! tables (`tables/*.yaml`, told in `docs/testing.md`), and of HTTP/2 frames (`http2/*.yaml`).
//!
//! Every row is a test of its own name. No Swarm is needed: routes are made of a told world,
//! published by the real control server, and the endpoints live in this process.

// This crate is all tests, but has a `main` of its own, so that clippy cannot see it.
#![allow(clippy::unwrap_used, clippy::panic)]

mod check;
mod client;
mod endpoint;
mod h2;
mod itself;
mod stage;
mod table;
mod tls;
mod wire;
mod world;

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::Runtime;

use check::Observed;
use stage::{Stage, Theatre};
use table::{Row, Table};

fn main() -> ExitCode {
    let mut args = Arguments::from_args();
    args.test_threads = args.test_threads.or(Some(8));
    // Some 800 lines help nobody who reads the log of a whole run; failures are told in full.
    args.quiet |= args.filter.is_none() && !args.list && !std::io::stdout().is_terminal();
    let play = match Play::load() {
        Ok(play) => Arc::new(play),
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let trials = itself::trials().into_iter();
    let trials = trials.chain(play.trials()).chain(play.frame_trials());
    libtest_mimic::run(&args, trials.collect()).exit_code()
}

fn pending(table: &Table, group: usize, row: Option<&Row>) -> bool {
    let row = row.and_then(|row| row.pending.as_ref());
    let group = table.groups[group].pending.as_ref();
    table.pending.as_ref().or(group).or(row).is_some()
}

/// The whole run. A table is set up when the first of its rows is played.
struct Play {
    runtime: Runtime,
    tables: Vec<(String, Table)>,
    cases: Vec<(String, h2::Cases)>,
    theatre: OnceLock<Theatre>,
    stages: Vec<OnceLock<Stage>>,
    frames: OnceLock<Stage>,
}

impl Play {
    fn load() -> Result<Self, String> {
        let tables: Vec<(String, Table)> = table::load("tables")?;
        Ok(Self {
            cases: table::load("http2")?,
            frames: OnceLock::new(),
            runtime: Runtime::new().unwrap(),
            stages: tables.iter().map(|_| OnceLock::new()).collect(),
            tables,
            theatre: OnceLock::new(),
        })
    }

    fn trials(self: &Arc<Self>) -> Vec<Trial> {
        let mut trials = Vec::new();
        for (at, (file, table)) in self.tables.iter().enumerate() {
            for (group, told) in table.groups.iter().enumerate() {
                if told.told.is_some() {
                    let play = Arc::clone(self);
                    let name = format!("{file}: {}: what is told", told.name);
                    let trial = Trial::test(name, move || play.told(at, group));
                    trials.push(trial.with_ignored_flag(pending(table, group, None)));
                }
                for (row, it) in told.requests.iter().enumerate() {
                    let play = Arc::clone(self);
                    let name = format!("{file}: {}: {}", told.name, it.name);
                    let trial = Trial::test(name, move || play.row(at, group, row));
                    let trial = trial.with_kind(kind(it.fault.as_ref()));
                    trials.push(trial.with_ignored_flag(pending(table, group, Some(it))));
                }
            }
        }
        trials
    }

    fn frame_trials(self: &Arc<Self>) -> Vec<Trial> {
        let mut trials = Vec::new();
        for (at, (file, cases)) in self.cases.iter().enumerate() {
            for (row, case) in cases.cases.iter().enumerate() {
                let play = Arc::clone(self);
                let name = format!("frames: {file}: RFC {}: {}", case.rfc, case.name);
                let trial = Trial::test(name, move || play.frames(at, row));
                trials.push(trial.with_kind(kind(case.fault.as_ref())));
            }
        }
        trials
    }

    fn frames(&self, file: usize, row: usize) -> Result<(), Failed> {
        let stage = self.frames.get_or_init(|| {
            let table = serde_saphyr::from_str(h2::TABLE).unwrap();
            self.set("h2", &table)
        });
        let case = &self.cases[file].1.cases[row];
        let outcome = self.runtime.block_on(h2::play(stage, case));
        settle(&case.name, case.fault.as_ref(), outcome)
    }

    fn set(&self, file: &str, table: &Table) -> Stage {
        let open = || self.runtime.block_on(Theatre::open());
        let theatre = self.theatre.get_or_init(open);
        self.runtime.block_on(Stage::set(theatre, file, table))
    }

    fn stage(&self, table: usize) -> &Stage {
        let (file, told) = &self.tables[table];
        self.stages[table].get_or_init(|| self.set(file, told))
    }

    /// The faults of a group's services are told, and nothing else.
    fn told(&self, table: usize, group: usize) -> Result<(), Failed> {
        let stage = self.stage(table);
        let group = &self.tables[table].1.groups[group];
        let want: Vec<&String> = group.told.iter().flatten().collect();
        let got = stage.told(&group.services);
        // A reason may have a second name: `odd InvalidWeight|InvalidNumber`.
        let is_told = |want: &str| {
            let (service, reasons) = want.split_once(' ').unwrap_or((want, ""));
            let mut reasons = reasons.split('|');
            reasons.any(|reason| got.contains(&format!("{service} {reason}")))
        };
        if got.len() == want.len() && want.iter().all(|want| is_told(want)) {
            return Ok(());
        }
        Err(format!("told is {got:?}, not {want:?}").into())
    }

    fn row(&self, table: usize, group: usize, row: usize) -> Result<(), Failed> {
        let stage = self.stage(table);
        let table = &self.tables[table].1;
        let group = &table.groups[group];
        let row = &group.requests[row];
        let first = table.clusters.keys().next();
        let cluster = group.cluster.as_ref().or(first).unwrap();
        let asked = self.runtime.block_on(rounds(stage, cluster, row));
        let outcome = asked.and_then(|rounds| judge(stage, row, rounds));
        settle(&row.name, row.fault.as_ref(), outcome)
    }
}

/// A row that is known to fail must fail.
fn settle(name: &str, fault: Option<&String>, outcome: Result<(), String>) -> Result<(), Failed> {
    match (fault, outcome) {
        (None, Ok(())) => Ok(()),
        (Some(fault), Err(why)) => {
            if std::env::var_os("SKEP_FAULTS").is_some() {
                println!("{name}: {fault}\n{why}\n");
            }
            Ok(())
        }
        (None, Err(why)) => Err(why.into()),
        (Some(fault), Ok(())) => {
            Err(format!("it passes now: take away its `fault: {fault}`").into())
        }
    }
}

fn kind(fault: Option<&String>) -> &'static str {
    if fault.is_some() { "fault" } else { "" }
}

type Rounds = Vec<Vec<client::Answer>>;

async fn rounds(stage: &Stage, cluster: &str, row: &Row) -> Result<Rounds, String> {
    let mut rounds = Rounds::new();
    let mut jar = std::collections::BTreeMap::new();
    for _ in 0..row.times {
        let cookies: Vec<&str> = jar.values().map(String::as_str).collect();
        let answers = client::ask(stage, cluster, row, &cookies.join("; ")).await?;
        for cookie in answers.iter().flat_map(client::Answer::cookies) {
            let name = cookie.split('=').next().unwrap_or("").to_owned();
            if row.cookies {
                jar.insert(name, cookie.to_owned());
            }
        }
        rounds.push(answers);
    }
    Ok(rounds)
}

fn judge(stage: &Stage, row: &Row, rounds: Rounds) -> Result<(), String> {
    let expects = row.expects();
    let lines = stage.seen.lock().unwrap().clone();
    let observed = Observed { rounds, lines };
    let mut complaints = check::complaints(&expects, &observed);
    if complaints.is_empty() {
        complaints = check::idle_claims(&expects, &observed);
    }
    if expects.is_empty() {
        complaints.push("the row expects nothing".to_owned());
    }
    if complaints.is_empty() {
        return Ok(());
    }
    let answers = observed.rounds.iter().flatten().take(3);
    let answers: Vec<String> = answers.map(ToString::to_string).collect();
    Err(format!(
        "{}\n  what came:\n{}",
        complaints.join("\n"),
        answers.join("\n\n")
    ))
}
