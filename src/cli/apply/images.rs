//! Proxy images that manifests name and that no node can be expected to have: told before
//! anything rolls. Only told, because nodes may have what this engine and its registry do not.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::iter;

use crate::api::ServiceCluster;
use crate::cli::get::reference;
use crate::cli::session::{Session, View};
use crate::swarm::Error;
use crate::world::World;

/// All questions together take so long at most.
const PATIENCE: Duration = Duration::from_secs(3);
/// A registry that has not answered by then counts as one that does not.
const REGISTRY: Duration = Duration::from_secs(2);
/// Questions at once.
const AT_ONCE: usize = 8;

/// Warns of each image that neither this engine nor the image's registry has, once.
pub async fn warn(session: &Session, view: &View, clusters: &[ServiceCluster]) {
    let named = named(&view.world, clusters);
    let questions = named.iter().map(|(image, clusters)| async move {
        let found = look(session, image).await;
        (image, clusters, found)
    });
    let answers = iter(questions).buffer_unordered(AT_ONCE);
    let answers = answers.take_until(tokio::time::sleep(PATIENCE));
    let mut lacking: BTreeMap<&str, String> = BTreeMap::new();
    let mut answers = std::pin::pin!(answers);
    while let Some((image, clusters, found)) = answers.next().await {
        if let Found::Nowhere(why) = found {
            lacking.insert(image, sentence(image, clusters, &why));
        }
    }
    for warning in lacking.values() {
        session.terminal.warning(warning);
    }
}

enum Found {
    /// Here or in the registry; or there is no telling: this engine does not let us ask, or the
    /// registry wants credentials, which nodes may have and we do not send.
    Perhaps,
    /// Not here, and what the engine says of the registry.
    Nowhere(String),
}

async fn look(session: &Session, image: &str) -> Found {
    if !matches!(session.engine.has_image(image).await, Ok(false)) {
        return Found::Perhaps;
    }
    let asked = tokio::time::timeout(REGISTRY, session.engine.registry_has(image));
    match asked.await {
        Ok(answer) => told(answer),
        Err(_) => Found::Nowhere(format!("no answer within {} s", REGISTRY.as_secs())),
    }
}

/// What the answer for a registry tells.
fn told(answer: Result<(), Error>) -> Found {
    match answer {
        Err(error) if !wants_credentials(&error) => Found::Nowhere(error.to_string()),
        _ => Found::Perhaps,
    }
}

/// Whether the registry says no more to somebody without credentials. Engines hand that on as 401
/// or 403, or as a failure of their own with the registry's words.
fn wants_credentials(error: &Error) -> bool {
    let text = error.to_string().to_ascii_lowercase();
    let words = ["denied", "unauthorized", "no basic auth credentials"];
    matches!(error, Error::Denied { .. }) || words.iter().any(|word| text.contains(word))
}

/// The images that manifests name, with the clusters; those that already run somewhere are left
/// out.
fn named<'a>(world: &World, clusters: &'a [ServiceCluster]) -> BTreeMap<&'a str, BTreeSet<String>> {
    let mut named: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for cluster in clusters {
        if let Some(image) = cluster.spec.proxy.image.as_deref() {
            named.entry(image).or_default().insert(reference(cluster));
        }
    }
    for service in world.services.values() {
        let bare = service.spec.image.split('@').next().unwrap_or_default();
        if world.tasks_of(&service.id).any(crate::world::Task::serves) {
            named.remove(bare);
            named.remove(service.spec.image.as_str());
        }
    }
    named
}

fn sentence(image: &str, clusters: &BTreeSet<String>, why: &str) -> String {
    let mut names = clusters.iter().map(String::as_str);
    let first = names.next().unwrap_or_default();
    let more = match names.count() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "{first}{more}: spec.proxy.image {image} is not on this engine, and its registry does not give it ({why}): `docker load` it on the nodes that run the proxies, push it, or correct the name; else they will not start"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::get::tests::east;
    use crate::world::{Service, Task, TaskState};
    use http::StatusCode;

    fn with_image(name: &str, image: &str) -> ServiceCluster {
        let mut cluster = east();
        cluster.metadata.name = name.into();
        cluster.spec.proxy.image = Some(image.into());
        cluster
    }

    #[test]
    fn a_registry_that_wants_credentials_is_no_evidence_and_one_that_lacks_the_image_is() {
        let nowhere = |status: StatusCode, message: &str| {
            let text = format!(r#"{{"message":"{message}"}}"#);
            let error = Error::from_answer("ask the registry", "h", status, &text);
            matches!(told(Err(error)), Found::Nowhere(_))
        };
        for (status, message) in [
            (StatusCode::UNAUTHORIZED, "authentication required"),
            (StatusCode::FORBIDDEN, "no access to the resource"),
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                "Get https://r/v2/skep/manifests/2: no basic auth credentials",
            ),
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                "failed to resolve r/skep:2: 401 Unauthorized",
            ),
            (
                StatusCode::NOT_FOUND,
                "pull access denied for skep, repository does not exist or may require 'docker login'",
            ),
        ] {
            assert!(!nowhere(status, message), "{message}");
        }
        assert!(nowhere(StatusCode::NOT_FOUND, "manifest unknown"));
        let lookup = "lookup r: no such host";
        assert!(nowhere(StatusCode::INTERNAL_SERVER_ERROR, lookup));
        assert!(matches!(told(Ok(())), Found::Perhaps));
    }

    #[test]
    fn each_image_is_asked_for_once_and_one_that_runs_not_at_all() {
        let clusters = [
            east(),
            with_image("a", "r/skep:2"),
            with_image("b", "r/skep:2"),
            with_image("c", "r/skep:1"),
        ];
        let mut world = World::default();
        let mut service = Service {
            id: "s".into(),
            ..Service::default()
        };
        service.spec.image = "r/skep:1@sha256:0".into();
        world.services.insert("s".into(), service);
        assert_eq!(named(&world, &clusters).len(), 2);
        let task = Task {
            id: "t".into(),
            service: "s".into(),
            state: TaskState::Running,
            desired: TaskState::Running,
            ..Task::default()
        };
        world.tasks.insert("t".into(), task);
        let named = named(&world, &clusters);
        assert_eq!(named.keys().collect::<Vec<_>>(), [&"r/skep:2"]);
        let told = sentence("r/skep:2", &named["r/skep:2"], "no such host");
        assert!(told.starts_with("servicecluster/a and 1 more: "), "{told}");
        assert!(
            told.contains("(no such host)") && told.contains("docker load"),
            "{told}"
        );
    }
}
