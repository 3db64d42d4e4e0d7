//! Tips below what clap says of a wrong command line, for hands that know kubectl and docker.

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, Error};

use crate::api::grammar::nearest;

/// Verbs of other programs, and what does the same here.
const VERBS: [(&[&str], &str); 8] = [
    (
        &["create", "replace", "deploy", "up", "update"],
        "`apply -f FILE` declares what a file says",
    ),
    (
        &["patch", "scale", "set", "label", "annotate"],
        "`edit NAME` changes a service cluster in your editor, `apply -f FILE` from a file",
    ),
    (
        &["inspect", "show", "status", "ps"],
        "`get` lists service clusters, `describe NAME` shows all that is known of one",
    ),
    (&["restart"], "`rollout restart NAME` replaces the proxies"),
    (
        &["undo"],
        "`rollback NAME` goes back to an earlier revision",
    ),
    (
        &["cert", "certificate", "certificates"],
        "`certs ls`, `certs add`, `certs rm`",
    ),
    (
        &["remove-all", "down"],
        "`delete NAME` deletes a service cluster, `uninstall` removes Skep",
    ),
    (
        &[
            "cluster",
            "clusters",
            "servicecluster",
            "serviceclusters",
            "sc",
        ],
        "the verb comes first: `get`, `describe NAME`, `apply -f FILE`",
    ),
];

/// The error with a better tip, where there is one.
#[must_use]
pub fn added(mut error: Error, command: &Command) -> Error {
    let tip = match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let usage = text(&error, ContextKind::Usage);
            verb(
                &text(&error, ContextKind::InvalidSubcommand),
                group(&usage, command),
            )
        }
        ErrorKind::UnknownArgument => {
            let usage = text(&error, ContextKind::Usage);
            argument(&text(&error, ContextKind::InvalidArg), &usage)
        }
        _ => None,
    };
    if let Some(tip) = tip {
        error.remove(ContextKind::SuggestedSubcommand);
        let tips = vec![StyledStr::from(tip)];
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
    }
    error
}

fn text(error: &Error, kind: ContextKind) -> String {
    error.get(kind).map(ToString::to_string).unwrap_or_default()
}

/// The command whose verbs were to be typed: a group that the usage names, else the program.
fn group<'a>(usage: &str, command: &'a Command) -> &'a Command {
    let groups = command
        .get_subcommands()
        .filter(|one| one.has_subcommands());
    let mut named = groups.filter(|one| usage.contains(&format!(" {} ", one.get_name())));
    named.next().unwrap_or(command)
}

fn verb(typed: &str, among: &Command) -> Option<String> {
    let known = VERBS.iter().find(|(words, _)| words.contains(&typed));
    let verbs = among.get_subcommands().filter(|one| !one.is_hide_set());
    let near = nearest(typed, verbs.map(Command::get_name));
    let near = near.map(|near| format!("did you mean `{near}`?"));
    known.map(|(_, tip)| (*tip).to_owned()).or(near)
}

fn argument(typed: &str, usage: &str) -> Option<String> {
    match typed {
        "-n" | "--namespace" | "-A" | "--all-namespaces" => {
            Some("a Swarm has no namespaces: leave it out".to_owned())
        }
        file if !file.starts_with('-') && usage.contains("--filename") => {
            Some(format!("files are named with -f: `-f {file}`"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::cli::examples::parse;

    fn said(words: &[&str]) -> String {
        let words = words.iter().map(std::ffi::OsString::from);
        parse(words).unwrap_err().to_string()
    }

    #[test]
    fn habits_get_a_tip_and_slips_the_nearest_verb() {
        for (words, tip) in [
            (&["skep", "create", "-f", "x"][..], "tip: `apply -f FILE`"),
            (&["skep", "gte"], "tip: did you mean `get`?"),
            (
                &["skep", "rollout", "stauts", "east"],
                "tip: did you mean `status`?",
            ),
            (&["skep", "get", "-A"], "tip: a Swarm has no namespaces"),
            (
                &["skep", "apply", "a.yaml"],
                "tip: files are named with -f: `-f a.yaml`",
            ),
        ] {
            let said = said(words);
            assert!(said.contains(tip), "{said}");
            assert_eq!(said.matches("tip:").count(), 1, "{said}");
        }
        assert!(!said(&["skep", "get", "--sideways"]).contains("-f"));
    }
}
