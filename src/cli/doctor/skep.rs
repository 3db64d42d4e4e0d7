//! Skep itself: the operator, its secrets, images, certificates, and the clusters.

use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::{Check, Patient, drained};
use crate::api::{Condition, ConditionStatus, ConditionType};
use crate::cli::certs::ls;
use crate::cli::install::plan::installed;
use crate::cli::sources::{ready, resource};
use crate::control::pki;
use crate::names;
use crate::world::TaskState;
use crate::world::certificates::certificates;

/// Days before the end of the control stream's certificates from which on it is told.
const SOON: i64 = 60;

/// Why a cluster is not ready whose nodes are drained or paused, or whose proxies still finish.
const BY_DRAIN: [&str; 6] = [
    "ProxyDraining",
    "PortInUse",
    "NoSuitableNode",
    "TooFewNodes",
    "RollingOut",
    "Starting",
];

/// Why a cluster is not ready that is on its way, if it gets on.
const ON_ITS_WAY: [&str; 8] = [
    "Creating",
    "Updating",
    "Replacing",
    "Starting",
    "RollingOut",
    "NotAttached",
    "Labelling",
    "Pending",
];

/// So long a plain update may take that nothing of it shows; what Swarm is at takes its time.
const PATIENCE: Duration = Duration::minutes(5);

pub(super) fn operator(patient: &Patient) -> Vec<Check> {
    let world = &patient.view.world;
    let Some(service) = installed(world) else {
        return vec![
            Check::failed("operator", "service", "no operator is installed")
                .hint("run `skep install`"),
        ];
    };
    let name = &service.spec.name;
    let running = world.tasks_of(&service.id).filter(|task| task.serves());
    let running = running.count() as u64;
    let found = format!(
        "{running} of {} run, image {}",
        service.desired, service.spec.image
    );
    let last = world
        .tasks_of(&service.id)
        .filter(|task| !task.error.is_empty())
        .max_by(|a, b| a.created_at.cmp(&b.created_at));
    let said = last.map_or(String::new(), |task| {
        format!("; last error: {}", task.error)
    });
    let see = format!("see `docker service ps {name}` and `docker service logs {name}`");
    vec![if running == 0 {
        Check::failed("operator", name, found + &said).hint(see)
    } else if running < service.desired {
        Check::warning("operator", name, found + &said).hint(see)
    } else {
        Check::ok("operator", name, found)
    }]
}

/// The secrets of the control stream and the sealing key: there, and not near their end.
pub(super) fn secrets(patient: &Patient) -> Vec<Check> {
    let world = &patient.view.world;
    let missing: Vec<&str> = names::SECRETS
        .into_iter()
        .filter(|name| world.secret_named(name).is_none())
        .collect();
    let mut checks = Vec::new();
    if missing.is_empty() {
        checks.push(Check::ok("secrets", "skep", "all four are there"));
    } else {
        checks.push(
            Check::failed("secrets", "skep", format!("{} missing", missing.join(", "))).hint(
                "run `skep install`; with some of the control stream's missing, `skep uninstall --keep-clusters` first",
            ),
        );
    }
    // The certificates themselves cannot be read back from the engine; their age is that of the
    // secret that holds them.
    let made = patient
        .secrets
        .get(names::SECRET_OPERATOR)
        .and_then(|at| OffsetDateTime::parse(at, &Rfc3339).ok());
    if let Some(made) = made {
        let left = (made + Duration::days(pki::CERTIFICATE_DAYS) - patient.now).whole_days();
        let found = format!("the control stream's certificates end in {left} days");
        let hint = "`skep uninstall --keep-clusters`, then `skep install` makes new ones";
        checks.push(match left {
            ..=0 => Check::failed("secrets", names::SECRET_OPERATOR, found).hint(hint),
            1..=SOON => Check::warning("secrets", names::SECRET_OPERATOR, found).hint(hint),
            _ => Check::ok("secrets", names::SECRET_OPERATOR, found),
        });
    }
    checks
}

/// Images that a node could not get, and proxies of another version than the operator.
pub(super) fn images(patient: &Patient) -> Vec<Check> {
    let world = &patient.view.world;
    let own = installed(world).map(|service| service.spec.image.clone());
    let mut checks = Vec::new();
    for service in world.services.values().filter(|service| service.is_ours()) {
        let name = &service.spec.name;
        let image = &service.spec.image;
        let lacking = world.tasks_of(&service.id).filter(|task| {
            task.desired <= TaskState::Running
                && task.state != TaskState::Running
                && task.error.to_lowercase().contains("image")
        });
        let mut nodes: Vec<String> = lacking.map(|task| patient.hostname(&task.node)).collect();
        nodes.sort();
        nodes.dedup();
        checks.push(if !nodes.is_empty() {
            let found = format!("{} cannot get {image}", nodes.join(", "));
            Check::failed("images", name, found).hint(
                "`docker load` it there, push it to a registry that the nodes reach, or `skep install --image`",
            )
        } else if own.as_ref().is_some_and(|own| own != image) {
            let found = format!("runs {image}, the operator another one");
            Check::warning("images", name, found)
                .hint("leave spec.proxy.image out, and both always match")
        } else {
            Check::ok("images", name, format!("{image} runs where it is meant to"))
        });
    }
    if checks.is_empty() {
        checks.push(Check::ok("images", "skep", "nothing of Skep runs"));
    }
    checks
}

/// The stored certificates.
fn stored(patient: &Patient) -> Vec<ls::Shown> {
    let world = &patient.view.world;
    let key = ls::sealed_to(world);
    certificates(world)
        .values()
        .filter_map(|one| ls::shown(one, key.as_deref(), patient.now))
        .collect()
}

fn certificate(shown: &ls::Shown) -> Check {
    let (name, days) = (&shown.name, shown.days.unwrap_or_default());
    match shown.state {
        ls::State::Valid => Check::ok("certificates", name, format!("ends in {days} days")),
        ls::State::Expiring => Check::warning("certificates", name, format!("ends in {days} days"))
            .hint(format!("`skep certs add {name} --cert FILE --key FILE`")),
        ls::State::Expired => Check::failed("certificates", name, "has ended")
            .hint(format!("`skep certs add {name} --cert FILE --key FILE`")),
        ls::State::Unusable => Check::failed("certificates", name, shown.message.as_str())
            .hint(format!("`skep certs add {name} --cert FILE --key FILE`")),
    }
}

pub(super) fn certificate_checks(patient: &Patient) -> Vec<Check> {
    let all = stored(patient);
    if all.is_empty() {
        return vec![Check::ok("certificates", "stored", "none are stored")];
    }
    all.iter().map(certificate).collect()
}

/// Every source: looked at, and in force.
pub(super) fn sources(patient: &Patient) -> Vec<Check> {
    let declared = crate::world::sources::sources(&patient.view.world);
    let check = |name: &String, source: &_| {
        let source = resource(source);
        match ready(&source) {
            Some(ready) if ready.status == ConditionStatus::True => {
                Check::ok("sources", name, ready.message.clone())
            }
            Some(ready) if ready.reason == "Suspended" => {
                Check::warning("sources", name, ready.message.clone())
            }
            Some(ready) => Check::failed(
                "sources",
                name,
                format!("{}: {}", ready.reason, ready.message),
            )
            .hint(format!("`skep describe source {name}` says more")),
            None => Check::warning("sources", name, "the operator has not looked at it yet")
                .hint("see the operator above"),
        }
    };
    declared
        .iter()
        .map(|(name, source)| check(name, source))
        .collect()
}

/// Whether a cluster is only being made or updated: Swarm is at it, or it is not long ago that it
/// was ready or declared.
fn on_its_way(patient: &Patient, cluster: &str, ready: &Condition) -> bool {
    let mut services = patient.view.world.services.values();
    let moving = services.any(|service| {
        let update = service.update.as_ref();
        service.is_proxy_of(cluster) && update.is_some_and(|update| update.state.is_moving())
    });
    let since = OffsetDateTime::parse(&ready.last_transition_time, &Rfc3339);
    let fresh = since.is_ok_and(|since| patient.now - since < PATIENCE);
    let reason = ready.reason.as_str();
    // New proxies have yet to connect; where nothing moves nobody is there to connect to.
    let connects = moving && reason == "NotConnected";
    connects || ON_ITS_WAY.contains(&reason) && (moving || fresh)
}

/// Every cluster: seen by the operator, and ready.
pub(super) fn clusters(patient: &Patient) -> Vec<Check> {
    let mut checks = Vec::new();
    for (name, declared) in &patient.view.declared {
        let newest = declared.newest().map_or(0, |revision| revision.generation);
        let status = declared.status.as_ref();
        let ready = status.and_then(|status| {
            let mut all = status.conditions.iter();
            all.find(|condition| condition.kind == ConditionType::Ready)
        });
        let describe = format!("`skep describe {name}` says more");
        checks.push(match ready {
            Some(ready) if ready.observed_generation < newest => Check::warning(
                "clusters",
                name,
                format!("the operator has not looked at generation {newest} yet"),
            )
            .hint("see the operator above"),
            Some(ready) if ready.status == ConditionStatus::True => {
                Check::ok("clusters", name, ready.message.clone())
            }
            Some(ready)
                if BY_DRAIN.contains(&ready.reason.as_str())
                    && let Some(expected) = drained::expected(patient, declared) =>
            {
                expected.check("clusters", name)
            }
            Some(ready) if on_its_way(patient, name, ready) => {
                let found = format!("{}: {}", ready.reason, ready.message);
                Check::warning("clusters", name, found)
                    .hint(format!("wait; if it stays, {describe}"))
            }
            Some(ready) => Check::failed(
                "clusters",
                name,
                format!("{}: {}", ready.reason, ready.message),
            )
            .hint(describe),
            None => {
                Check::warning("clusters", name, "has no status yet").hint("see the operator above")
            }
        });
    }
    for orphan in &patient.view.routing.orphans {
        checks.push(
            Check::warning(
                "clusters",
                &orphan.service,
                format!("no cluster takes this service: {}", orphan.reason),
            )
            .hint(orphan.message.clone()),
        );
    }
    if checks.is_empty() {
        checks.push(Check::ok("clusters", "declared", "none are declared"));
    }
    checks
}
