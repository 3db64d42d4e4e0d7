//! Tips below what clap says of a wrong command line, for hands that know kubectl and docker.

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, Error};

use super::kinds;
use crate::api::grammar::nearest;

/// Verbs of other programs, and what does the same here.
const VERBS: [(&[&str], &str); 6] = [
    (
        &["create", "replace", "deploy", "up", "update"],
        "`apply -f FILE` declares what a file says",
    ),
    (
        &["patch", "scale", "set"],
        "`edit NAME` changes a service cluster in your editor, `apply -f FILE` from a file",
    ),
    (
        &["inspect", "show", "status", "ps"],
        "`get` lists service clusters, `describe NAME` shows all that is known of one",
    ),
    (&["restart"], "`rollout restart NAME` replaces the proxies"),
    (
        &["certificate", "certificates"],
        "`certs ls`, `certs add`, `certs rm`",
    ),
    (
        &["down"],
        "`delete NAME` deletes a service cluster, `uninstall` removes Skep",
    ),
];

/// For those who name the kind first.
const NOUN: &str = "the verb comes first: `get`, `describe NAME`, `apply -f FILE`";

/// The error with a better tip, where there is one.
#[must_use]
pub fn added(mut error: Error, command: &Command) -> Error {
    let tip = match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let usage = text(&error, ContextKind::Usage);
            verb(
                &text(&error, ContextKind::InvalidSubcommand),
                group(&usage, command),
                command,
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

/// The verb that was meant, of the program or of one of its groups.
fn verb(typed: &str, among: &Command, program: &Command) -> Option<String> {
    let verbs = || {
        let shown = among.get_subcommands().filter(|one| !one.is_hide_set());
        shown.map(Command::get_name).filter(|name| *name != "help")
    };
    let near = || {
        let near = nearest(typed, verbs())?;
        Some(format!("did you mean `{near}`?"))
    };
    if among.get_name() == program.get_name() {
        return habit(typed).map(str::to_owned).or_else(near);
    }
    near().or_else(|| {
        let verbs = verbs().map(|verb| format!("`{} {verb}`", among.get_name()));
        Some(format!(
            "there are {}",
            verbs.collect::<Vec<_>>().join(", ")
        ))
    })
}

fn habit(typed: &str) -> Option<&'static str> {
    if kinds::is_cluster(typed) || ["cluster", "clusters"].contains(&typed) {
        return Some(NOUN);
    }
    let known = VERBS.iter().find(|(words, _)| words.contains(&typed))?;
    Some(known.1)
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
            (&["skep", "clusters"], "tip: the verb comes first"),
            (
                &["skep", "certs", "show"],
                "tip: there are `certs add`, `certs ls`, `certs rm`",
            ),
            (
                &["skep", "source", "status"],
                "tip: there are `source auth`, `source hook`",
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
