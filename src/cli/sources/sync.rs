//! `skep sync`: the operator is asked, through the engine, to look at once.

use std::time::{Duration, Instant};

use super::{ready, reference, resource, some, told};
use crate::api::{ConditionStatus, ConditionType, SourceChange};
use crate::cli::error::{CliError, Result};
use crate::cli::session::{Progress, Session, now};
use crate::cli::sources::args::SyncArgs;
use crate::cli::terminal::Terminal;
use crate::cli::view::missing;
use crate::cli::wait::Goal;
use crate::store;
use crate::world::Stored as _;
use crate::world::sources::{DeclaredSource, sources};

/// What was asked.
pub struct Request {
    /// Begins with the time in nanoseconds.
    token: String,
    /// The generation that carries it.
    generation: u64,
}

/// Asks for each source, and tells what came of it.
pub async fn run(session: &Session, args: &SyncArgs) -> Result {
    let names = some(&args.names)?;
    let look = session.look().await?;
    let before = sources(&look.world);
    missing(&before, &names)?;
    session.warn_without_operator(&look);
    // Any text that was not asked before.
    let token = format!("{}-{}", now().unix_timestamp_nanos(), std::process::id());
    let mut asked = Vec::new();
    for name in &names {
        let generation = store::sources::ask(&session.engine, name, &token).await?;
        let token = token.clone();
        asked.push((name, Request { token, generation }));
    }
    let deadline = Instant::now() + args.timeout.get();
    // Each gets at least one look.
    let left = || {
        let left = deadline.saturating_duration_since(Instant::now());
        left.max(Duration::from_secs(1))
    };
    let mut failures = Failures::default();
    for (name, request) in &asked {
        let before = told::changes(before.get(name.as_str()));
        let mut told = wait(session, name, Some(request), &before, left()).await;
        if told.is_ok() && args.wait {
            told = clusters(session, name, left()).await;
        }
        failures.note(session.terminal, told)?;
    }
    failures.end()
}

/// Waits until what a source manages is Ready: a commit that is applied may still be one that
/// Swarm rolls back.
async fn clusters(session: &Session, name: &str, timeout: Duration) -> Result {
    let look = session.look().await?;
    let names = super::managed(&look.declared, name);
    if names.is_empty() {
        return Ok(());
    }
    let ready = Goal::Condition(ConditionType::Ready, ConditionStatus::True);
    crate::cli::wait::run(session, &names, ready, timeout).await
}

/// Why sources are not in sync: one that fails says nothing of the next.
#[derive(Default)]
pub struct Failures(Vec<String>);

impl Failures {
    /// Keeps what came of one source. What ends the verb for all of them, such as an engine that
    /// is away, is passed on after what was kept.
    pub fn note(&mut self, terminal: Terminal, told: Result) -> Result {
        match told {
            Err(CliError::Failed(why)) => self.0.push(why),
            Err(other) => {
                for why in std::mem::take(&mut self.0) {
                    terminal.error(&why);
                }
                return Err(other);
            }
            Ok(()) => {}
        }
        Ok(())
    }

    /// What came of all.
    pub fn end(self) -> Result {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(CliError::Failed(self.0.join("\n")))
    }
}

/// Waits until the operator has answered (a request, or the newest manifest), tells what that
/// changed beside what was told before, and fails when the source is not Ready then.
pub async fn wait(
    session: &Session,
    name: &str,
    request: Option<&Request>,
    before: &[SourceChange],
    timeout: Duration,
) -> Result {
    let begun = now();
    let (found, ready) = session
        .until(timeout, |view| {
            let Some(found) = sources(&view.world).remove(name) else {
                let gone = format!("{} was deleted meanwhile", reference(name));
                return Err(CliError::Failed(gone));
            };
            if is_answered(&found, request) {
                let source = resource(&found);
                let ready = ready(&source).cloned();
                // A manifest that was just stored may need a second try; a request is answered.
                let well = ready
                    .as_ref()
                    .is_some_and(|r| r.status == ConditionStatus::True);
                let hopeless = ready
                    .as_ref()
                    .is_some_and(|r| NEEDS_A_PERSON.contains(&r.reason.as_str()));
                if request.is_some() || well || hopeless || waited(begun, timeout) {
                    return Ok(Progress::Done((found, ready)));
                }
            }
            let what = format!("the operator has not answered for {} yet", reference(name));
            Ok(Progress::Waiting(what))
        })
        .await?;
    let mut changes = told::changes(Some(&found));
    changes.retain(|change| !before.contains(change));
    for line in told::lines(name, &changes) {
        session.terminal.done(&line)?;
    }
    match ready {
        Some(ready) if ready.status == ConditionStatus::True => {
            let line = format!("{} in sync: {}", reference(name), ready.message);
            session.terminal.done(&line)
        }
        Some(ready) => Err(CliError::Failed(told::unready(&found, &ready))),
        None => Err(CliError::Failed(format!(
            "the operator said nothing of {}",
            reference(name)
        ))),
    }
}

/// Reasons that another try does not mend.
const NEEDS_A_PERSON: [&str; 5] = [
    "InvalidManifest",
    "Unverified",
    "Conflict",
    "AccessDenied",
    "Suspended",
];

/// Whether so little of the time is left that the reason is better than another try.
fn waited(begun: time::OffsetDateTime, timeout: Duration) -> bool {
    let passed = (now() - begun).unsigned_abs();
    passed + Duration::from_secs(2) >= timeout
}

fn is_answered(found: &DeclaredSource, request: Option<&Request>) -> bool {
    let newest = found.newest().map_or(0, |newest| newest.generation);
    let status = found.status.as_ref();
    let seen = status.is_some_and(|status| status.observed_generation >= newest);
    let answered = request.is_none_or(|request| {
        // A newer manifest carries no request any more, and is looked at in any case.
        let replaced = newest > request.generation;
        // Who asks after us gets the answer to both; only then was it looked at for us too.
        let handled = status.map_or(0, |status| number(&status.handled_sync));
        replaced || handled >= number(&request.token)
    });
    seen && answered
}

/// When a token was made, in nanoseconds.
fn number(token: &str) -> i128 {
    let digits = token.split('-').next().unwrap_or_default();
    digits.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::testing::story;

    const SHOP: &str = "apiVersion: skep.dev/v1
kind: Source
metadata: {name: shop}
spec: {url: 'https://git.example.com/shop.git'}
";

    /// Source `shop` at a generation, asked for `asked`, with an answer to `handled`.
    fn shop(generation: u64, asked: &str, handled: &str) -> DeclaredSource {
        let labels = [
            "dev.skep.kind=Source".to_owned(),
            format!("dev.skep.generation={generation}"),
            format!("{}={asked}", crate::names::LABEL_SYNC),
            format!(
                r#"dev.skep.status={{"observedGeneration":{generation},"handledSync":"{handled}"}}"#
            ),
        ];
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        let config = format!("source.shop.{generation}");
        let world = story().config(&config, SHOP, &labels).world();
        sources(&world).remove("shop").unwrap()
    }

    #[test]
    fn what_ends_the_verb_comes_after_the_failures_before_it_and_in_place_of_none() {
        let terminal = Terminal::new(true);
        let mut failures = Failures::default();
        let failed = |why: &str| Err(CliError::Failed(why.to_owned()));
        for told in [failed("a"), Ok(()), failed("b")] {
            failures.note(terminal, told).unwrap();
        }
        assert_eq!(failures.0, ["a", "b"]);
        let away = Err(CliError::Engine("away".to_owned()));
        let ended = failures.note(terminal, away);
        assert!(matches!(ended, Err(CliError::Engine(_))), "{ended:?}");
        // They are told already.
        assert!(failures.0.is_empty());
    }

    #[test]
    fn a_request_is_answered_when_it_or_a_later_one_was_handled() {
        let request = Request {
            token: "1000-7".to_owned(),
            generation: 2,
        };
        let answered = |found: &DeclaredSource| is_answered(found, Some(&request));
        assert!(!answered(&shop(2, "1000-7", "999-9")));
        assert!(answered(&shop(2, "1000-7", "1000-7")));
        // Another request came over ours: nothing was read for either yet.
        assert!(!answered(&shop(2, "1001-8", "999-9")));
        assert!(!answered(&shop(2, "1001-8", "")));
        assert!(answered(&shop(2, "1001-8", "1001-8")));
        assert!(answered(&shop(3, "", "999-9")));
    }
}
