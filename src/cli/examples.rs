//! The command line with examples and exit codes below the help of every verb. A test parses each
//! example, so that none goes stale.

use std::ffi::OsString;

use clap::{Command, CommandFactory, FromArgMatches};

use super::args::{Cli, DIFF_EXIT_CODES, EXIT_CODES};
use super::{plugin, tips};

mod table;

use table::EXAMPLES;

/// The command line as it is parsed and shown.
#[must_use]
pub fn command() -> Command {
    typed_as("skep")
}

/// As [`command`], where the program's name is typed as these words.
fn typed_as(program: &str) -> Command {
    let named = |command: Command, (verb, all): &(&str, &[&str])| {
        let lines = all.iter();
        let lines = lines.map(|line| line.replacen("skep ", &format!("{program} "), 1));
        let lines: Vec<String> = lines.map(|line| format!("  {line}")).collect();
        let codes = match *verb {
            "diff" => DIFF_EXIT_CODES,
            _ => EXIT_CODES,
        };
        let help = format!("Examples:\n{}\n\n{codes}", lines.join("\n"));
        let path: Vec<&str> = verb.split_whitespace().collect();
        below(command, &path, help)
    };
    EXAMPLES.iter().fold(Cli::command(), named)
}

/// The command with this text below the help of the one that a path leads to.
fn below(command: Command, path: &[&str], help: String) -> Command {
    match path {
        [] => command.after_help(help),
        [verb, rest @ ..] => command.mut_subcommand(*verb, |verb| below(verb, rest, help)),
    }
}

/// Reads a whole command line, the program's name first. Help names the program as it was typed,
/// which is two words for a plugin of the Docker CLI.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let args: Vec<OsString> = args.into_iter().collect();
    let is_plugin = args.first().is_some_and(|name| name == plugin::TYPED);
    let mut command = if is_plugin {
        typed_as(plugin::TYPED).bin_name(plugin::TYPED)
    } else {
        command()
    };
    let parsed = command.try_get_matches_from_mut(args);
    let matches = parsed.map_err(|error| tips::added(error, &command))?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words of the part of an example that is Skep's, as a shell splits them.
    fn words(example: &str) -> Vec<String> {
        let own = example.find("skep ").map_or(example, |at| &example[at..]);
        let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
        for c in own.chars() {
            match c {
                '\'' => quoted = !quoted,
                '>' | '|' if !quoted => break,
                ' ' if !quoted => {
                    words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
                }
                c => word.push(c),
            }
        }
        words.extend((!word.is_empty()).then_some(word));
        words
    }

    #[test]
    fn the_help_of_diff_has_its_own_exit_codes() {
        let command = command();
        let help = |verb| {
            let verb = command.find_subcommand(verb);
            verb.unwrap().get_after_help().unwrap().to_string()
        };
        assert!(help("diff").contains("1    something differs"));
        assert!(help("apply").contains("1    failed"));
    }

    #[test]
    fn every_example_can_be_typed() {
        for example in EXAMPLES.iter().flat_map(|(_, all)| *all) {
            let parsed = parse(words(example).into_iter().map(OsString::from));
            assert!(parsed.is_ok(), "{example}: {}", parsed.unwrap_err());
        }
    }

    /// The path of each command, the program, groups and daemons among them, with its help.
    fn all(path: &str, command: &mut Command, found: &mut Vec<(String, String)>) {
        found.push((path.to_owned(), command.render_long_help().to_string()));
        // What clap adds to show the help of the others.
        let verbs = command.get_subcommands_mut();
        for below in verbs.filter(|verb| verb.get_name() != "help") {
            let path = format!("{path} {}", below.get_name());
            all(&path, below, found);
        }
    }

    #[test]
    fn every_command_has_two_examples_of_its_own_and_the_exit_codes() {
        let mut found = Vec::new();
        all("skep", &mut command(), &mut found);
        assert!(found.iter().any(|(path, _)| path == "skep certs add"));
        for (path, help) in found {
            let examples = help.split("\nExamples:\n").nth(1).unwrap_or_default();
            let own = examples.lines().filter(|line| line.contains(&path));
            assert!(
                own.count() >= 2,
                "{path} has less than two examples: {help}"
            );
            assert_eq!(help.matches("Exit codes:").count(), 1, "{path}: {help}");
        }
    }

    #[test]
    fn a_plugin_is_named_as_it_is_typed() {
        let help = |words: &[&str]| {
            let words = [&[plugin::TYPED], words].concat();
            parse(words.into_iter().map(OsString::from))
                .unwrap_err()
                .to_string()
        };
        for words in [&["--help"][..], &["get", "--help"], &["certs", "add", "-h"]] {
            let text = help(words);
            let verb = words[..words.len() - 1].join(" ");
            let usage = format!("Usage: docker skep {verb}");
            assert!(text.contains(usage.trim_end()), "{text}");
            assert!(text.contains("\n  docker skep "), "{text}");
            assert!(!text.contains("\n  skep "), "{text}");
        }
        let wrong = help(&["get", "--sideways"]);
        assert!(wrong.contains("Usage: docker skep get"), "{wrong}");
    }
}
