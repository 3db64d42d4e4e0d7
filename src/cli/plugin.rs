//! Skep as a plugin of the Docker CLI: `docker skep get`.
//!
//! The Docker CLI first asks for metadata, then runs `docker-skep [its own flags] skep ARGS`.

use std::ffi::{OsStr, OsString};
use std::path::Path;

/// The name a Docker CLI plugin must be installed under.
const PLUGIN: &str = "docker-skep";
/// What people type to run the plugin; the name of the program in a command line that came so.
pub const TYPED: &str = "docker skep";
/// What the Docker CLI asks every plugin first.
const METADATA: &str = "docker-cli-plugin-metadata";
/// Flags of the Docker CLI that take a value and mean nothing to Skep.
const IGNORED_WITH_VALUE: [&str; 5] = ["-l", "--log-level", "--tlscacert", "--tlscert", "--tlskey"];

/// How the program was called.
#[derive(Debug, PartialEq, Eq)]
pub enum Call {
    /// The Docker CLI wants to know what this plugin is.
    Metadata,
    /// The Docker CLI's shell completion: the words so far, the last one unfinished, the program
    /// first.
    Completion(Vec<OsString>),
    /// A command line in Skep's own form.
    Run(Vec<OsString>),
}

/// Turns the command line, however it came, into Skep's own form.
pub fn normalize(args: impl IntoIterator<Item = OsString>) -> Call {
    let args: Vec<OsString> = args.into_iter().collect();
    if args.get(1).is_some_and(|arg| arg == METADATA) {
        return Call::Metadata;
    }
    let plugin = args.first().is_some_and(|program| {
        Path::new(program).file_stem().and_then(OsStr::to_str) == Some(PLUGIN)
    });
    if !plugin {
        return Call::Run(args);
    }
    match args.get(1).and_then(|arg| arg.to_str()) {
        None => Call::Metadata,
        Some("__complete" | "__completeNoDesc") => {
            Call::Completion(without_dockers_own(args.into_iter().skip(1)))
        }
        Some(_) => {
            let mut args = without_dockers_own(args);
            if let Some(program) = args.first_mut() {
                *program = TYPED.into();
            }
            Call::Run(args)
        }
    }
}

/// Drops the word `skep` and those of the Docker CLI's flags before it that Skep has no use for;
/// those that say where the engine is stay.
fn without_dockers_own(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut args = args.into_iter();
    let mut kept: Vec<OsString> = args.next().into_iter().collect();
    while let Some(arg) = args.next() {
        let Some(text) = arg.to_str() else {
            kept.push(arg);
            continue;
        };
        let name = text.split('=').next().unwrap_or(text);
        if text == "skep" {
            break;
        } else if text == "help" {
            // `docker help skep`
            kept.push("--help".into());
            return kept;
        } else if IGNORED_WITH_VALUE.contains(&text) {
            args.next();
        } else if IGNORED_WITH_VALUE.contains(&name) || matches!(name, "-D" | "--debug" | "--tls") {
        } else if matches!(text, "-H" | "--host" | "-c" | "--context" | "--config") {
            kept.push(arg);
            kept.extend(args.next());
        } else {
            kept.push(arg);
        }
    }
    kept.extend(args);
    kept
}

/// The answer to the metadata question.
#[must_use]
pub fn metadata() -> String {
    let metadata = serde_json::json!({
        "SchemaVersion": "0.1.0",
        "Vendor": "Skep",
        "Version": env!("CARGO_PKG_VERSION"),
        "ShortDescription": "Service clusters for Docker Swarm",
        "URL": env!("CARGO_PKG_REPOSITORY"),
    });
    format!("{metadata:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(args: &[&str]) -> Call {
        normalize(args.iter().map(OsString::from))
    }

    fn command(args: &[&str]) -> Call {
        Call::Run(args.iter().map(OsString::from).collect())
    }

    #[test]
    fn a_plain_command_line_stays_as_it_is() {
        assert_eq!(
            run(&["skep", "get", "-D", "skep"]),
            command(&["skep", "get", "-D", "skep"])
        );
    }

    #[test]
    fn the_docker_cli_gets_metadata_whatever_the_program_is_called() {
        assert_eq!(run(&["/x/docker-skep", METADATA]), Call::Metadata);
        assert_eq!(run(&["skep", METADATA]), Call::Metadata);
        assert_eq!(run(&["docker-skep"]), Call::Metadata);
        assert!(metadata().contains("\"SchemaVersion\": \"0.1.0\""));
    }

    #[test]
    fn the_plugins_own_name_is_dropped_once() {
        assert_eq!(
            run(&["/p/docker-skep", "skep", "get", "skep"]),
            command(&[TYPED, "get", "skep"])
        );
    }

    #[test]
    fn engine_flags_of_docker_are_kept_and_the_others_tolerated() {
        let call = run(&[
            "docker-skep",
            "--debug",
            "--config",
            "/c",
            "--log-level=info",
            "-H",
            "unix:///s",
            "--tlsverify",
            "--context=prod",
            "skep",
            "routes",
            "-o",
            "json",
        ]);
        assert_eq!(
            call,
            command(&[
                TYPED,
                "--config",
                "/c",
                "-H",
                "unix:///s",
                "--tlsverify",
                "--context=prod",
                "routes",
                "-o",
                "json"
            ])
        );
    }

    #[test]
    fn a_context_called_skep_is_not_taken_for_the_plugin() {
        assert_eq!(
            run(&["docker-skep", "-c", "skep", "skep", "get"]),
            command(&[TYPED, "-c", "skep", "get"])
        );
    }

    #[test]
    fn dockers_help_and_completion_are_answered() {
        assert_eq!(
            run(&["docker-skep", "--config", "/c", "help", "skep"]),
            command(&[TYPED, "--config", "/c", "--help"])
        );
        let words = ["__complete", "get", ""].map(OsString::from).to_vec();
        assert_eq!(
            run(&["docker-skep", "__complete", "skep", "get", ""]),
            Call::Completion(words)
        );
    }
}
