//! `skep describe`: everything known of one service cluster, for people.

mod tasks;

use std::fmt::Write as _;

use time::OffsetDateTime;

use super::age::age;
use super::args::DescribeArgs;
use super::brief::brief;
use super::error::Result;
use super::events;
use super::get::{ports, yaml};
use super::names;
use super::routes;
use super::session::{Session, View, now};
use super::table::Table;
use super::terminal::inline;
use super::view::{missing, resource};
use crate::api::value::StringMap;
use crate::api::{Condition, ServiceCluster, Status, Version, version};
use crate::world::Declared;

/// Events shown; `skep events` shows all.
pub(super) const RECENT: usize = 10;

/// Describes the clusters of these names; all when none is given.
pub async fn run(session: &Session, args: &DescribeArgs) -> Result {
    let names = names::plain(&args.names.names)?;
    let look = session.look().await?;
    missing(&look.declared, &names)?;
    if !look.declared.is_empty() {
        session.warn_without_operator(&look);
    }
    let mut texts = Vec::new();
    for (name, declared) in &look.declared {
        if names.is_empty() || names.contains(name) {
            texts.push(render(declared, &look, args.version.asked(), now())?);
        }
    }
    session.terminal.data(&texts.join("\n"))
}

/// The description of one cluster.
pub fn render(
    declared: &Declared,
    view: &View,
    version: Version,
    now: OffsetDateTime,
) -> Result<String> {
    let (world, routing) = (&view.world, &view.routing);
    let cluster = resource(declared);
    let mut text = head(&cluster, declared);
    text.push_str("Spec:\n");
    text.push_str(&indented(&yaml(
        &version::document(&cluster, version)["spec"],
    )?));
    match &cluster.status {
        Some(status) => {
            let newest = cluster.metadata.generation.unwrap_or_default();
            status_text(&mut text, &declared.name, status, newest, now);
        }
        None => text.push_str("Status:         none yet; the operator writes it\n"),
    }
    section(&mut text, "Tasks", &tasks::proxies(&cluster, world, now));
    let more = cluster.status.as_ref().map_or(0, |s| s.delivery.more);
    if more > 0 {
        let _ = writeln!(
            text,
            "  {more} more proxies have not all of the routes; which, the status does not list"
        );
    }
    let routing = routing.clusters.get(&declared.name);
    let routes = routing.map(|one| routes::of_cluster(&declared.name, one));
    section(&mut text, "Routes", &routes.unwrap_or_default());
    let faults = routing.map(routes::faults_of).unwrap_or_default();
    if !faults.is_empty() {
        section(&mut text, "Route faults", &faults);
    }
    let events = events::recent(view, &declared.name, RECENT, now);
    section(&mut text, "Events", &events);
    Ok(text)
}

fn head(cluster: &ServiceCluster, declared: &Declared) -> String {
    let newest = cluster.metadata.generation.unwrap_or_default();
    let active = match &declared.accepted {
        Some(accepted) if accepted.generation == newest => String::new(),
        Some(accepted) => format!(" (invalid; generation {} is in force)", accepted.generation),
        None => " (invalid; none is in force)".to_owned(),
    };
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{:<15} {value}", format!("{name}:"));
    };
    line("Name", &cluster.metadata.name);
    line("Generation", &format!("{newest}{active}"));
    let created = cluster.metadata.creation_timestamp.as_deref();
    line("Created", created.unwrap_or("-"));
    line("Labels", &pairs(&cluster.metadata.labels));
    line("Annotations", &pairs(&cluster.metadata.annotations));
    line("Ports", &ports(cluster));
    if !declared.faults.is_empty() {
        let faults = declared.faults.iter();
        let faults: Vec<String> = faults.map(ToString::to_string).collect();
        section(&mut text, "Faults", &indented(&faults.join("\n")));
    }
    text
}

fn status_text(
    text: &mut String,
    cluster: &str,
    status: &Status,
    newest: u64,
    now: OffsetDateTime,
) {
    let proxies = &status.proxies;
    let _ = writeln!(
        text,
        "{:<15} {} of {} run, {} of the newest definition, {} acknowledged the routes in force",
        "Proxies:", proxies.running, proxies.desired, proxies.updated, proxies.programmed
    );
    if !status.delivery.is_unknown() {
        let version = &status.delivery.version;
        let _ = writeln!(
            text,
            "{:<15} {version} of the routes, as the operator last wrote",
            "Version:"
        );
    }
    let told = conditions(cluster, &status.conditions, newest, now);
    section(text, "Conditions", &told);
    let mut networks = Table::new(&["NETWORK", "ID", "ATTACHED"]);
    for network in &status.networks {
        let attached = if network.attached { "yes" } else { "no" };
        networks.row([network.name.clone(), network.id.clone(), attached.into()]);
    }
    section(text, "Networks", &rows(&networks));
    let mut nodes = Table::new(&["NODE", "ID", "READY", "MESSAGE"]);
    for node in &status.nodes {
        let ready = if node.ready { "yes" } else { "no" };
        nodes.row([
            node.name.clone(),
            node.id.clone(),
            ready.into(),
            node.message.clone(),
        ]);
    }
    section(text, "Nodes", &rows(&nodes));
}

/// The conditions of a resource as a table.
pub(super) fn conditions(
    resource: &str,
    all: &[Condition],
    newest: u64,
    now: OffsetDateTime,
) -> String {
    let mut table = Table::new(&["CONDITION", "STATUS", "REASON", "SINCE", "MESSAGE"]);
    for condition in all {
        // What was true of an older generation says nothing of the newest one.
        let old = condition.observed_generation < newest;
        let told = brief(resource, condition, all);
        let (state, message) = if old {
            let seen = condition.observed_generation;
            let message = format!("not looked at yet; of generation {seen}: {told}");
            ("Unknown".to_owned(), message)
        } else {
            (format!("{:?}", condition.status), told)
        };
        table.row([
            format!("{:?}", condition.kind),
            state,
            condition.reason.clone(),
            age(&condition.last_transition_time, now),
            message,
        ]);
    }
    rows(&table)
}

/// A table of a section; nothing when it is empty.
pub(super) fn rows(table: &Table) -> String {
    if table.is_empty() {
        return String::new();
    }
    table.render(true, 2)
}

pub(super) fn section(text: &mut String, title: &str, body: &str) {
    if body.is_empty() {
        let _ = writeln!(text, "{:<15} none", format!("{title}:"));
    } else {
        let _ = write!(text, "{title}:\n{body}");
    }
}

pub(super) fn indented(text: &str) -> String {
    text.lines().flat_map(|line| ["  ", line, "\n"]).collect()
}

pub(super) fn pairs(map: &StringMap) -> String {
    if map.is_empty() {
        return "none".to_owned();
    }
    let pairs: Vec<String> = map
        .iter()
        .map(|(k, v)| inline(&format!("{k}={v}")).into_owned())
        .collect();
    pairs.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::status::DeliveryStatus;
    use crate::cli::get::tests::{east, now};
    use crate::names::LABEL_CLUSTER;
    use crate::world::declared::{Accepted, Revision};
    use crate::world::{Node, Service, Task, TaskState, World};

    fn declared() -> Declared {
        let mut cluster = east();
        let status = cluster.status.as_mut().unwrap();
        status.delivery.of = crate::status::proxies_of(["t2"].into_iter());
        Declared {
            name: "east".into(),
            status: cluster.status.clone(),
            revisions: vec![Revision {
                generation: 3,
                created_at: "2026-01-09T12:00:00Z".into(),
                valid: true,
                ..Revision::default()
            }],
            accepted: Some(Accepted {
                generation: 3,
                cluster,
            }),
            ..Declared::default()
        }
    }

    fn view() -> View {
        let mut world = World::default();
        let mut service = Service {
            id: "s".into(),
            ..Service::default()
        };
        service.spec.name = "skep-proxy-east".into();
        let owner = (LABEL_CLUSTER.to_owned(), "east".to_owned());
        service.spec.labels.extend([owner]);
        world.services.insert("s".into(), service);
        let node = Node {
            hostname: "node-0".into(),
            ..Node::default()
        };
        world.nodes.insert("d1".into(), node);
        let task = |id: &str, state, created_at: &str, error: &str| Task {
            id: id.into(),
            service: "s".into(),
            node: "d1".into(),
            slot: 1,
            state,
            desired: TaskState::Running,
            created_at: created_at.into(),
            state_at: created_at.into(),
            error: error.into(),
            ..Task::default()
        };
        for task in [
            task("t1", TaskState::Failed, "2026-01-10T11:00:00Z", "boom"),
            task("t2", TaskState::Running, "2026-01-10T11:58:30Z", ""),
        ] {
            world.tasks.insert(task.id.clone(), task);
        }
        let declared = [("east".to_owned(), declared())].into();
        View {
            world,
            declared,
            ..View::default()
        }
    }

    #[test]
    fn everything_known_is_told() {
        let text = render(&declared(), &view(), Version::NEWEST, now()).unwrap();
        insta::assert_snapshot!(text);
    }

    #[test]
    fn labels_and_annotations_stay_on_their_line() {
        let pair = ("note".to_owned(), "a\n\u{1b}[31mred".to_owned());
        assert_eq!(
            pairs(&[pair].into_iter().collect()),
            "note=a\\n\\u001b[31mred"
        );
    }

    #[test]
    fn what_a_proxy_answered_is_told_and_what_is_not_known_is_called_so() {
        use crate::api::status::ProxyStatus;
        fn behind(state: &str, version: &str, message: &str) -> ProxyStatus {
            ProxyStatus {
                task: "t2".into(),
                state: state.into(),
                version: version.into(),
                message: message.into(),
            }
        }
        let line = |change: fn(&mut DeliveryStatus)| {
            let mut declared = declared();
            let delivery = &mut declared.status.as_mut().unwrap().delivery;
            delivery.version = "v2".into();
            change(delivery);
            let text = render(&declared, &view(), Version::NEWEST, now()).unwrap();
            let line = text.lines().find(|line| line.contains("  t2 ")).unwrap();
            line.split("current")
                .last()
                .unwrap()
                .split_whitespace()
                .skip(6)
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(line(|_| {}), "v2 Acknowledged -");
        assert_eq!(
            line(|d| d.behind = vec![behind("Refused", "v1", "bad route")]),
            "v1 Refused: bad route -"
        );
        assert_eq!(
            line(|d| d.behind = vec![behind("NotConnected", "", "")]),
            "unknown NotConnected -"
        );
        let mut declared = declared();
        // As many proxies, and another one among them, of which nobody has heard.
        let delivery = &mut declared.status.as_mut().unwrap().delivery;
        delivery.version = "v2".into();
        delivery.of = crate::status::proxies_of(["t0"].into_iter());
        let text = render(&declared, &view(), Version::NEWEST, now()).unwrap();
        assert!(!text.contains("Acknowledged"), "{text}");
        assert_eq!(line(|d| d.more = 3), "unknown unknown -");
        assert_eq!(line(|d| d.version.clear()), "unknown unknown -");
    }

    #[test]
    fn a_status_of_an_older_generation_says_nothing_of_the_newest() {
        let mut declared = declared();
        declared.revisions.push(Revision {
            generation: 4,
            valid: true,
            ..Revision::default()
        });
        let text = render(&declared, &view(), Version::NEWEST, now()).unwrap();
        assert!(
            text.contains("not looked at yet; of generation 3"),
            "{text}"
        );
        assert!(!text.contains(" True "), "{text}");
    }

    #[test]
    fn an_invalid_newest_revision_is_told_with_its_faults() {
        let mut declared = declared();
        declared.revisions.push(Revision {
            generation: 4,
            ..Revision::default()
        });
        declared.faults = vec![crate::api::Diagnostic::at(
            "spec.proxy.replicas",
            "is no number",
        )];
        let text = render(&declared, &view(), Version::NEWEST, now()).unwrap();
        assert!(
            text.contains("4 (invalid; generation 3 is in force)"),
            "{text}"
        );
        assert!(text.contains("spec.proxy.replicas: is no number"), "{text}");
    }
}
