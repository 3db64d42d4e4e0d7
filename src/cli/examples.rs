//! The command line as it is shown: every verb's help ends with examples and the exit codes.

use clap::{Command, CommandFactory};

use super::args::{Cli, EXIT_CODES};

/// Verbs with their examples; a verb of a verb is written with a space. A test holds that each
/// has two.
const EXAMPLES: &[(&str, &[&str])] = &[
    (
        "install",
        &[
            "skep install --image registry.example.com/skep:1 --replicas 3",
            "skep install --dry-run > stack.yml",
        ],
    ),
    (
        "uninstall",
        &[
            "skep uninstall --keep-clusters",
            "skep uninstall --delete-clusters",
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
    ("edit", &["skep edit east", "EDITOR=nano skep edit sc/east"]),
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
        &["skep history east", "skep history east -o json"],
    ),
    (
        "rollback",
        &["skep rollback east", "skep rollback east --to 3 --dry-run"],
    ),
    ("get", &["skep get", "skep get east -o yaml"]),
    ("describe", &["skep describe east", "skep describe"]),
    (
        "delete",
        &[
            "skep delete east --wait",
            "skep delete -f clusters/ --ignore-not-found",
        ],
    ),
    (
        "wait",
        &[
            "skep wait east --timeout 2m",
            "skep wait east west --for condition=Programmed",
        ],
    ),
    ("routes", &["skep routes", "skep routes east -o wide"]),
    (
        "certs add",
        &[
            "skep certs add shop --cert fullchain.pem --key key.pem",
            "skep certs add shop --cert fullchain.pem --key key.pem --dry-run",
        ],
    ),
    ("certs ls", &["skep certs ls", "skep certs ls shop -o wide"]),
    (
        "certs rm",
        &[
            "skep certs rm shop",
            "skep certs rm old older --ignore-not-found",
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
        "convert interlock",
        &[
            "skep convert interlock config.toml",
            "skep convert interlock config.toml -o clusters.yaml",
        ],
    ),
    (
        "schema",
        &[
            "skep schema > servicecluster.json",
            "skep schema | jq .properties.spec.properties",
        ],
    ),
    (
        "operator",
        &["skep operator --help", "RUST_LOG=debug skep operator"],
    ),
    (
        "proxy",
        &[
            "skep proxy --help",
            "RUST_LOG=debug skep proxy --cluster east --task 1",
        ],
    ),
    ("version", &["skep version", "skep version --client"]),
    (
        "completion",
        &[
            "source <(skep completion bash)",
            "skep completion fish > ~/.config/fish/completions/skep.fish",
        ],
    ),
];

/// The whole command line.
#[must_use]
pub fn command() -> Command {
    let command = Cli::command().after_help(EXIT_CODES);
    with_examples(command, "")
}

fn with_examples(command: Command, above: &str) -> Command {
    let names: Vec<String> = command
        .get_subcommands()
        .map(|verb| verb.get_name().to_owned())
        .collect();
    names.into_iter().fold(command, |command, name| {
        command.mut_subcommand(&name, |verb| {
            let path = format!("{above}{name}");
            let help = help(&path);
            with_examples(verb, &format!("{path} ")).after_help(help)
        })
    })
}

fn help(path: &str) -> String {
    let found = EXAMPLES.iter().find(|(verb, _)| *verb == path);
    let lines = found.into_iter().flat_map(|(_, lines)| lines.iter());
    let lines: String = lines.map(|line| ["  ", line, "\n"].concat()).collect();
    if lines.is_empty() {
        return EXIT_CODES.to_owned();
    }
    format!("Examples:\n{lines}\n{EXIT_CODES}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The verbs that do something, by their whole names.
    fn verbs(command: &Command, above: &str) -> Vec<String> {
        let mut all = Vec::new();
        for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
            let path = format!("{above}{}", verb.get_name());
            if verb.has_subcommands() {
                all.extend(verbs(verb, &format!("{path} ")));
            } else {
                all.push(path);
            }
        }
        all
    }

    #[test]
    fn every_verb_has_two_examples_and_the_exit_codes() {
        for verb in verbs(&command(), "") {
            let help = help(&verb);
            let examples = help.lines().filter(|line| line.contains("skep")).count();
            assert!(examples >= 2, "{verb}: {help}");
            assert!(help.ends_with(EXIT_CODES), "{verb}");
        }
    }

    #[test]
    fn every_example_is_of_a_verb_that_is_there_and_can_be_typed() {
        let all = verbs(&command(), "");
        for (verb, lines) in EXAMPLES {
            assert!(all.iter().any(|known| known == verb), "{verb}");
            for line in *lines {
                let words = line
                    .split(['|', '>', '(', ')'])
                    .find(|part| part.contains("skep "));
                let words = words.and_then(|part| part.split_once("skep ")).unwrap().1;
                let typed = ["skep"].into_iter().chain(words.split_whitespace());
                let typed = command().try_get_matches_from(typed);
                assert!(
                    typed.as_ref().err().is_none_or(|error| !error.use_stderr()),
                    "{line}: {typed:?}"
                );
            }
        }
    }
}
