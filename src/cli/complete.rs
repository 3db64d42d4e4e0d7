//! Completion of what only the Swarm knows: names of clusters, certificates, services and nodes.
//! An engine that does not answer at once completes nothing; a shell must not hang.

use std::ffi::OsString;
use std::time::Duration;

use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};

use super::args::Global;
use super::session::{Session, View};
use super::sources::reference;
use super::terminal::Terminal;
use crate::api::{Version, schema};
use crate::world::certificates::certificates;
use crate::world::sources;

/// Nobody waits longer for a key press.
const PATIENCE: Duration = Duration::from_secs(2);

/// Names of service clusters.
#[must_use]
pub fn clusters() -> ArgValueCandidates {
    ArgValueCandidates::new(|| seen(|view| view.declared.keys().cloned().collect()))
}

/// Names of service clusters, and of sources with their kind before them.
#[must_use]
pub fn resources() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        seen(|view| {
            let sources = sources(&view.world).into_keys();
            let sources = sources.map(|name| reference(&name));
            view.declared.keys().cloned().chain(sources).collect()
        })
    })
}

/// Names of sources.
#[must_use]
pub fn sources_alone() -> ArgValueCandidates {
    ArgValueCandidates::new(|| seen(|view| sources(&view.world).into_keys().collect()))
}

/// Names of stored certificates.
#[must_use]
pub fn stored_certificates() -> ArgValueCandidates {
    ArgValueCandidates::new(|| seen(|view| certificates(&view.world).into_keys().collect()))
}

/// Names of application services.
#[must_use]
pub fn services() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        seen(|view| {
            let services = view.world.services.values().filter(|s| !s.is_ours());
            services.map(|service| service.spec.name.clone()).collect()
        })
    })
}

/// Names of nodes.
#[must_use]
pub fn nodes() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        seen(|view| {
            let nodes = view.world.nodes.values();
            nodes.map(|node| node.hostname.clone()).collect()
        })
    })
}

/// Fields of a manifest.
#[must_use]
pub fn fields() -> ArgValueCandidates {
    ArgValueCandidates::new(|| candidates(schema::fields(&schema::service_cluster())))
}

/// Versions of the API.
#[must_use]
pub fn versions() -> ArgValueCandidates {
    ArgValueCandidates::new(|| candidates(Version::ALL.map(|v| v.word().to_owned()).to_vec()))
}

/// Forms of output of `get`.
#[must_use]
pub fn forms() -> ArgValueCandidates {
    ArgValueCandidates::new(|| candidates(super::output::form::WORDS.map(str::to_owned).to_vec()))
}

/// The answer to the Docker CLI, which completes as cobra does: a candidate a line, what it means
/// after a tab, and at the end a word that says "no files either".
#[must_use]
pub fn for_docker(words: Vec<OsString>) -> String {
    let mut command = super::examples::command();
    let last = words.len().saturating_sub(1);
    let found = clap_complete::engine::complete(&mut command, words, last, None);
    let lines = found.unwrap_or_default().into_iter().map(|candidate| {
        let value = candidate.get_value().to_string_lossy().into_owned();
        match candidate.get_help() {
            Some(help) => format!("{value}\t{}\n", help.to_string().replace('\n', " ")),
            None => value + "\n",
        }
    });
    lines.chain([":4\n".to_owned()]).collect()
}

fn candidates(words: Vec<String>) -> Vec<CompletionCandidate> {
    words.into_iter().map(CompletionCandidate::new).collect()
}

/// One look at the Swarm that the environment names. Whatever goes wrong, there are no candidates:
/// a message would end up in what is typed.
fn seen(names: impl FnOnce(&View) -> Vec<String>) -> Vec<CompletionCandidate> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else {
        return Vec::new();
    };
    let view = runtime.block_on(async {
        let look = async {
            let session = Session::connect(&Global::default(), Terminal::new(true)).await?;
            session.look().await
        };
        tokio::time::timeout(PATIENCE, look).await
    });
    match view {
        Ok(Ok(view)) => candidates(names(&view)),
        Ok(Err(_)) | Err(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_gets_candidates_in_its_own_form() {
        let words = ["docker-skep", "rout"].map(OsString::from).to_vec();
        let text = for_docker(words);
        assert!(text.starts_with("routes\tShow where"), "{text}");
        assert!(text.ends_with("\n:4\n"), "{text}");
    }

    #[test]
    fn versions_of_the_api_complete() {
        let words = ["docker-skep", "get", "--api-version", ""].map(OsString::from);
        assert_eq!(for_docker(words.to_vec()), "v1alpha1\nv1\n:4\n");
    }
}
