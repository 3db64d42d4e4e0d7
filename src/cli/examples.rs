//! The command line with examples and exit codes below the help of every verb. A test parses each
//! example, so that none goes stale.

use std::ffi::OsString;

use clap::{Command, CommandFactory, FromArgMatches};

use super::args::{Cli, DIFF_EXIT_CODES, EXIT_CODES};

/// A verb, several words where it has verbs of its own, and how it is used.
const EXAMPLES: &[(&str, &[&str])] = &[
    (
        "install",
        &[
            "skep install --image registry.example.com/skep:0.1.0",
            "skep install --dry-run > stack.yml",
        ],
    ),
    (
        "uninstall",
        &[
            "skep uninstall --keep-clusters",
            "skep uninstall --delete-clusters --timeout 5m",
        ],
    ),
    (
        "apply",
        &[
            "skep apply -f east.yaml --wait",
            "skep apply -f clusters/ --set shop --prune --dry-run",
        ],
    ),
    (
        "diff",
        &[
            "skep diff -f east.yaml",
            "skep diff -f clusters/ --set shop --prune",
        ],
    ),
    (
        "edit",
        &["EDITOR=nano skep edit east", "skep edit source/shop"],
    ),
    (
        "rollout status",
        &[
            "skep rollout status east",
            "skep rollout status east west --timeout 5m",
        ],
    ),
    (
        "rollout restart",
        &[
            "skep rollout restart east",
            "skep rollout restart east --wait --timeout 5m",
        ],
    ),
    (
        "history",
        &["skep history east -o json", "skep history source/shop"],
    ),
    (
        "rollback",
        &[
            "skep rollback east --to 3 --dry-run",
            "skep rollback source/shop",
        ],
    ),
    (
        "get",
        &[
            "skep get -l team=web --sort-by .metadata.creationTimestamp",
            r#"skep get east -o jsonpath='{.status.conditions[?(@.type=="Ready")].status}'"#,
            "skep get -o custom-columns=NAME:.metadata.name,ROUTES:.status.routes.total",
            "skep get sources --watch",
            "skep get east -o yaml --api-version v1alpha1",
        ],
    ),
    ("describe", &["skep describe east", "skep describe"]),
    (
        "delete",
        &[
            "skep delete east --wait",
            "skep delete -f clusters/",
            "skep delete east --force-conflicts",
        ],
    ),
    (
        "wait",
        &[
            "skep wait east --for=condition=Ready --timeout=90s",
            "skep wait east west --for=delete",
            "skep wait source/shop --for=condition=Ready",
        ],
    ),
    (
        "routes",
        &["skep routes east -o wide", "skep routes -o json"],
    ),
    (
        "events",
        &[
            "skep events east --since 1h",
            "skep events --watch -o json",
            "skep events source/shop",
        ],
    ),
    (
        "logs",
        &[
            "skep logs east --follow --status 5xx --path /api",
            "skep logs east --since 10m --for-host demo.example.com --min-ms 500 -o json",
        ],
    ),
    (
        "top",
        &["skep top", "skep top east --by route --interval 5s"],
    ),
    (
        "support-bundle",
        &[
            "skep support-bundle",
            "skep support-bundle -o east.tar.gz --tail 2000",
            "skep support-bundle -o - | ssh helper 'cat > bundle.tar.gz'",
        ],
    ),
    (
        "explain",
        &[
            "skep explain spec.proxy.publish.mode",
            "skep explain status --recursive",
        ],
    ),
    (
        "init",
        &["skep init east", "skep init shop -o clusters/shop.yaml"],
    ),
    ("doctor", &["skep doctor", "skep doctor -o json"]),
    ("sync", &["skep sync shop", "skep sync shop --timeout 5m"]),
    (
        "source auth",
        &[
            "skep source auth shop --username ci --password-file token",
            "skep source auth shop --remove",
        ],
    ),
    (
        "source hook",
        &[
            "skep source hook shop --secret-file secret",
            "skep source hook shop --remove",
        ],
    ),
    (
        "certs add",
        &[
            "skep certs add shop --cert fullchain.pem --key key.pem",
            "skep certs add shop --cert shop.pem --key shop.pem --dry-run",
        ],
    ),
    ("certs ls", &["skep certs ls", "skep certs ls shop -o json"]),
    (
        "certs rm",
        &[
            "skep certs rm shop",
            "skep certs rm shop --ignore-not-found",
        ],
    ),
    (
        "validate",
        &[
            "skep validate -f clusters/",
            "cat east.yaml | skep validate -f -",
        ],
    ),
    (
        "convert manifest",
        &[
            "skep convert manifest -f east.yaml",
            "skep convert manifest -f clusters/ --to v1 -o clusters.yaml",
        ],
    ),
    (
        "convert interlock",
        &[
            "skep convert interlock config.toml -o clusters.yaml",
            "cat config.toml | skep convert interlock -",
        ],
    ),
    (
        "schema",
        &["skep schema > service-cluster.json", "skep schema source"],
    ),
    (
        "version",
        &["skep version", "skep version --client -o json"],
    ),
    (
        "completion",
        &[
            "skep completion bash > /etc/bash_completion.d/skep",
            "skep completion fish > ~/.config/fish/completions/skep.fish",
        ],
    ),
];

/// The command line as it is parsed and shown.
#[must_use]
pub fn command() -> Command {
    EXAMPLES.iter().fold(
        Cli::command().after_help(EXIT_CODES),
        |command, (verb, all)| {
            let lines: Vec<String> = all.iter().map(|line| format!("  {line}")).collect();
            let codes = match *verb {
                "diff" => DIFF_EXIT_CODES,
                _ => EXIT_CODES,
            };
            let help = format!("Examples:\n{}\n\n{codes}", lines.join("\n"));
            match verb.split_once(' ') {
                Some((verb, below)) => command.mut_subcommand(verb, |command| {
                    command.mut_subcommand(below, |command| command.after_help(help))
                }),
                None => command.mut_subcommand(*verb, |command| command.after_help(help)),
            }
        },
    )
}

/// Reads a whole command line, the program's name first.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let mut command = command();
    let matches = command.try_get_matches_from_mut(args)?;
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

    #[test]
    fn every_verb_for_people_has_two_examples_and_the_exit_codes() {
        fn look(path: &str, command: &Command, bare: &mut Vec<String>) {
            for below in command.get_subcommands() {
                let path = format!("{path} {}", below.get_name());
                if below.has_subcommands() {
                    look(&path, below, bare);
                    continue;
                }
                let help = below.get_after_help().map(ToString::to_string);
                let help = help.unwrap_or_default();
                let is_daemon = [" operator", " proxy"].contains(&path.as_str());
                let examples = help.matches("skep ").count();
                if !below.is_hide_set()
                    && !is_daemon
                    && (examples < 2 || !help.contains("Exit codes:"))
                {
                    bare.push(path);
                }
            }
        }
        let mut bare = Vec::new();
        look("", &command(), &mut bare);
        assert_eq!(bare, Vec::<String>::new());
    }
}
