//! The command line: kubectl for service clusters, and a Docker CLI plugin.
//!
//! It speaks to the engine only, so it works while no operator runs. Data goes to standard
//! output, everything else to standard error; [`error::CliError`] has the exit codes.

pub mod age;
pub mod all;
pub mod apply;
pub mod args;
pub mod brief;
mod certs;
pub mod changes;
pub mod complete;
pub mod convert;

pub mod delete;
pub mod describe;
pub mod diff;
pub mod doctor;
pub mod edit;
pub mod error;
pub mod events;
pub mod examples;
pub mod explain;
pub mod get;
pub mod history;
pub mod init;
pub mod input;
pub mod install;
pub mod kinds;
pub mod logging;
pub mod logs;
pub mod names;
pub mod output;
pub mod plugin;
pub mod rollout;
pub mod routes;
pub mod serve;
pub mod session;
pub mod source;
pub mod sources;
pub mod support;
pub mod table;
pub mod terminal;
pub mod tips;
pub mod top;
pub mod try_url;
pub mod version;
pub mod view;
pub mod wait;
pub mod written;

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use args::{CertsVerb, Cli, DryRun, Global, RolloutVerb, SchemaKind, Verb};
use error::Result;
use session::Session;
use sources::args::SourceVerb;
use terminal::Terminal;

use crate::api::value::Span;

/// The variable by which a shell asks for completions.
const COMPLETE: &str = "SKEP_COMPLETE";

/// Runs the program with its whole command line, the program's name first.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let completing = clap_complete::CompleteEnv::with_factory(examples::command).var(COMPLETE);
    match completing.try_complete(args.clone(), None) {
        Ok(false) => {}
        Ok(true) => return ExitCode::SUCCESS,
        Err(error) => {
            // As below: there is nowhere left to tell.
            let _ = error.print();
            return ExitCode::FAILURE;
        }
    }
    let args = match plugin::normalize(args) {
        plugin::Call::Metadata => return finish(Terminal::new(false), write(&plugin::metadata())),
        plugin::Call::Completion(words) => {
            return finish(Terminal::new(false), write(&complete::for_docker(words)));
        }
        plugin::Call::Run(args) => args,
    };
    let cli = match examples::parse(args) {
        Ok(cli) => cli,
        Err(error) => {
            // A reader that went away is no reason to fail; there is nowhere left to tell.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let terminal = Terminal::new(cli.global.quiet);
    finish(terminal, run(terminal, cli))
}

fn write(text: &str) -> Result {
    Terminal::new(false).raw(text)
}

fn finish(terminal: Terminal, result: Result) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is_closed_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            terminal.clear();
            terminal.error(&error.to_string());
            ExitCode::from(error.exit_code())
        }
    }
}

/// Runs a verb. What needs no engine is checked before one is asked.
fn run(terminal: Terminal, cli: Cli) -> Result {
    let global = cli.global;
    match cli.verb {
        Verb::Schema { kind, version } => {
            let kind = match kind {
                SchemaKind::Servicecluster => crate::names::KIND,
                SchemaKind::Source => crate::names::KIND_SOURCE,
            };
            let schema = crate::api::schema::of(kind, version.asked());
            terminal.raw(&get::json(&schema))
        }
        Verb::Explain(args) => explain::run(terminal, &args),
        Verb::Init(args) => init::run(terminal, &args),
        Verb::Completion { shell } => completion(terminal, shell),
        Verb::Validate(files) => {
            let found = source::warned(terminal, &files.filename)?;
            for cluster in found.clusters {
                terminal.done(&format!("{} is valid", get::reference(&cluster)))?;
            }
            for source in found.sources {
                let name = sources::reference(&source.metadata.name);
                terminal.done(&format!("{name} is valid"))?;
            }
            Ok(())
        }
        Verb::Convert(from) => convert::run(terminal, &from),
        Verb::Install(args) if args.dry_run => terminal.data(&install::dry_run(&args)),
        Verb::Version(args) if args.client => version::client(terminal, args.output),
        // They end by themselves when they are told to, after a drain.
        verb @ (Verb::Operator(_) | Verb::Proxy(_)) => {
            runtime()?.block_on(with_engine(terminal, &global, verb))
        }
        verb => runtime()?.block_on(async {
            let writes = !only_reads(&verb);
            let patience = patience(&verb);
            tokio::select! {
                // First, so that it is listened for before anything is asked.
                biased;
                () = interrupted() => Err(error::CliError::Interrupted { writes }),
                told = overdue(patience) => Err(told),
                ended = with_engine(terminal, &global, verb) => ended,
            }
        }),
    }
}

/// How long a verb may take that only waits.
fn patience(verb: &Verb) -> Option<Span> {
    match verb {
        Verb::Wait(args) => Some(args.timeout),
        Verb::Sync(args) => Some(args.timeout),
        Verb::Rollout(RolloutVerb::Status(args)) => Some(args.timeout),
        _ => None,
    }
}

/// Ends well after a verb had to say why it is not done: the engine keeps it from that.
async fn overdue(patience: Option<Span>) -> error::CliError {
    const GRACE: Duration = Duration::from_secs(5);
    let Some(patience) = patience else {
        return std::future::pending().await;
    };
    tokio::time::sleep(patience.get().saturating_add(GRACE)).await;
    error::CliError::Failed(format!(
        "not done after {patience}: the engine does not answer; run this again, or see `docker info`"
    ))
}

/// Runs a verb that speaks to an engine.
async fn with_engine(terminal: Terminal, global: &Global, verb: Verb) -> Result {
    let connect = async || Session::connect(global, terminal).await;
    match verb {
        Verb::Apply(args) => applied(terminal, global, args).await,
        Verb::Diff(args) => {
            let set = args.ownership.set.as_deref();
            apply::bounded(args.prune, set, args.selector.as_ref())?;
            let files = args.files.filename.clone();
            let found = input::aside(move || source::warned(terminal, &files)).await?;
            let session = connect().await.map_err(diff::incomparable)?;
            diff::run(&session, &args, &found.clusters, &found.sources).await
        }
        Verb::Edit(args) => edit::run(&connect().await?, &args).await,
        Verb::Rollout(RolloutVerb::Status(args)) => rollout::status(&connect().await?, &args).await,
        Verb::Rollout(RolloutVerb::Restart(args)) => {
            rollout::restart(&connect().await?, &args).await
        }
        Verb::History(args) | Verb::Rollout(RolloutVerb::History(args)) => {
            history::history(&connect().await?, &args).await
        }
        Verb::Rollback(args) | Verb::Rollout(RolloutVerb::Undo(args)) => {
            history::rollback(&connect().await?, &args).await
        }
        Verb::Get(args) if all::asked(&args)? => all::run(&connect().await?, &args).await,
        Verb::Get(args) => match sources::asked(&args.names.names)? {
            Some(names) => sources::get(&connect().await?, &args, &names).await,
            None => get::run(&connect().await?, &args).await,
        },
        Verb::Describe(args) => match sources::asked(&args.names.names)? {
            Some(names) => sources::describe(&connect().await?, &names).await,
            None => describe::run(&connect().await?, &args).await,
        },
        Verb::Sync(args) => sources::sync(&connect().await?, &args).await,
        Verb::Source(verb) => sealed(terminal, global, verb).await,
        Verb::Delete(args)
            if args.filename.is_empty() && sources::asked(&args.names)?.is_some() =>
        {
            let names = sources::asked(&args.names)?.unwrap_or_default();
            sources::delete(&connect().await?, &args, &names).await
        }
        Verb::Delete(args) => {
            let given = args.clone();
            let names = input::aside(move || delete::wanted(&given)).await?;
            delete::run(&connect().await?, &args, names).await
        }
        Verb::Wait(args) => {
            let timeout = args.timeout.get();
            if let Some(names) = sources::asked(&args.names)? {
                return sources::wait(&connect().await?, &names, args.target, timeout).await;
            }
            let names = names::some(&args.names)?;
            wait::run(&connect().await?, &names, args.target, timeout).await
        }
        Verb::Routes(args) => routes::run(&connect().await?, &args).await,
        Verb::Events(args) => events::run(&connect().await?, &args).await,
        Verb::Logs(args) => logs::run(&connect().await?, &args).await,
        Verb::Top(args) => top::run(&connect().await?, &args).await,
        Verb::SupportBundle(args) => support::run(&connect().await?, &args).await,
        Verb::Doctor(args) => doctor::run(&connect().await?, &args).await,
        Verb::Certs(CertsVerb::Add(args)) => {
            let given = args.clone();
            let pair = input::aside(move || certs::checked(&given)).await?;
            certs::add(&connect().await?, &args, &pair).await
        }
        Verb::Certs(CertsVerb::Ls(args)) => certs::ls::run(&connect().await?, &args).await,
        Verb::Certs(CertsVerb::Rm(args)) => certs::rm(&connect().await?, &args).await,
        Verb::Install(args) => install::run(&connect().await?, &args).await,
        Verb::Uninstall(args) => install::uninstall::run(&connect().await?, &args).await,
        Verb::Version(args) => version::run(terminal, global, args.output).await,
        Verb::Operator(args) => serve::operator(global, args).await,
        Verb::Proxy(args) => serve::proxy(args).await,
        Verb::Schema { .. }
        | Verb::Explain(_)
        | Verb::Init(_)
        | Verb::Completion { .. }
        | Verb::Validate(_)
        | Verb::Convert(_) => Ok(()),
    }
}

/// Reads manifests, then applies what they declare.
async fn applied(terminal: Terminal, global: &Global, args: args::ApplyArgs) -> Result {
    let set = args.ownership.set.as_deref();
    apply::bounded(args.prune, set, args.selector.as_ref())?;
    let files = args.files.filename.clone();
    let found = input::aside(move || source::warned(terminal, &files)).await?;
    if args.dry_run == Some(DryRun::Client) {
        return apply::valid(terminal, &found.clusters, &found.sources);
    }
    let session = Session::connect(global, terminal).await?;
    if found.clusters.is_empty() && !args.prune {
        session.warn_without_operator(&session.look().await?);
    } else {
        apply::run(&session, &args, &found.clusters).await?;
    }
    let told = sources::apply(&session, &args, &found.sources).await?;
    if args.wait && args.dry_run.is_none() {
        let timeout = args.timeout.get();
        apply::settle(&session, &found.clusters, &told, timeout).await?;
    }
    Ok(())
}

/// Reads a secret of a source, then stores it sealed.
async fn sealed(terminal: Terminal, global: &Global, verb: SourceVerb) -> Result {
    let connect = async || Session::connect(global, terminal).await;
    match verb {
        SourceVerb::Auth(args) => {
            let given = args.clone();
            let password = input::aside(move || sources::password(&given)).await?;
            sources::auth(&connect().await?, &args, password).await
        }
        SourceVerb::Hook(args) => {
            let given = args.clone();
            let secret = input::aside(move || sources::secret(&given)).await?;
            sources::hook(&connect().await?, &args, secret).await
        }
    }
}

/// Whether a verb changes nothing, so that nobody wonders what its interruption left behind.
fn only_reads(verb: &Verb) -> bool {
    matches!(
        verb,
        Verb::Get(_)
            | Verb::Describe(_)
            | Verb::Diff(_)
            | Verb::Routes(_)
            | Verb::History(_)
            | Verb::Rollout(RolloutVerb::History(_))
            | Verb::Events(_)
            | Verb::Logs(_)
            | Verb::Top(_)
            | Verb::Doctor(_)
            | Verb::Version(_)
    )
}

/// Until Ctrl-C or SIGTERM. Every write is one call that the engine does whole or not at all, so
/// a verb may end between any two.
async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let signals = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    );
    let (Ok(mut terminate), Ok(mut interrupt)) = signals else {
        return std::future::pending().await;
    };
    loop {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        if !edit::EDITING.load(std::sync::atomic::Ordering::SeqCst) {
            return;
        }
    }
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    runtime.map_err(|error| error::CliError::Failed(format!("cannot start: {error}")))
}

/// The shell asks this program at every key press, so that names of the Swarm complete too.
fn completion(terminal: Terminal, shell: clap_complete::Shell) -> Result {
    let failed = |error: std::io::Error| error::CliError::Failed(error.to_string());
    let mut script = Vec::new();
    let shells = clap_complete::env::Shells::builtins();
    let Some(completer) = shells.completer(&shell.to_string()) else {
        clap_complete::generate(shell, &mut examples::command(), "skep", &mut script);
        return terminal.raw(&String::from_utf8_lossy(&script));
    };
    completer
        .write_registration(COMPLETE, "skep", "skep", "skep", &mut script)
        .map_err(failed)?;
    terminal.raw(&String::from_utf8_lossy(&script))
}
