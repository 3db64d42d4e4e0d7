//! The command line: kubectl for service clusters, and a Docker CLI plugin.
//!
//! It speaks to the engine only, so it works while no operator runs. Data goes to standard
//! output, everything else to standard error; [`error::CliError`] has the exit codes.

pub mod args;
pub mod error;
pub mod install;
pub mod logging;
pub mod names;
pub mod plugin;
pub mod serve;
pub mod table;
pub mod terminal;
pub mod wait;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::{Cli, Verb};
use error::Result;
use terminal::Terminal;

/// Runs the program with its whole command line, the program's name first.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args = match plugin::normalize(args) {
        plugin::Call::Metadata => return finish(Terminal::new(false), write(&plugin::metadata())),
        // Cobra's way to say "no candidates, no files either".
        plugin::Call::Completion => return finish(Terminal::new(false), write(":4\n")),
        plugin::Call::Run(args) => args,
    };
    let cli = match Cli::try_parse_from(args) {
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
    Terminal::new(false).data(text)
}

fn finish(terminal: Terminal, result: Result) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is_closed_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            terminal.error(&error.to_string());
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(terminal: Terminal, cli: Cli) -> Result {
    match cli.verb {
        Verb::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "skep", &mut script);
            terminal.data(&String::from_utf8_lossy(&script))
        }
        _ => Err(error::CliError::Failed("this verb is on its way".into())),
    }
}
