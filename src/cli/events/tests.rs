use time::macros::datetime;

use super::*;
use crate::cli::get::tests::east;
use crate::names::{LABEL_CLUSTER, LABEL_COMPONENT, LABEL_MANAGED_BY, MANAGED_BY};
use crate::swarm::Kind;
use crate::world::declared::Revision;
use crate::world::{Declared, Node, Service, Task, TaskState};

fn view() -> View {
    let mut view = View::default();
    let cluster = east();
    let revision = |generation, created_at: &str, valid| Revision {
        generation,
        created_at: created_at.into(),
        config_name: format!("servicecluster.east.{generation}"),
        valid,
        ..Revision::default()
    };
    let declared = Declared {
        name: "east".into(),
        status: cluster.status,
        revisions: vec![
            revision(2, "2026-01-09T11:00:00Z", true),
            revision(3, "2026-01-10T11:00:00Z", false),
        ],
        faults: vec![crate::api::Diagnostic::at("spec.x", "is unknown")],
        ..Declared::default()
    };
    view.declared.insert("east".into(), declared);
    let mut service = Service {
        id: "s".into(),
        ..Service::default()
    };
    service.spec.name = "skep-proxy-east".into();
    for (key, value) in [
        (LABEL_CLUSTER, "east"),
        (LABEL_MANAGED_BY, MANAGED_BY),
        (LABEL_COMPONENT, "proxy"),
    ] {
        service.spec.labels.insert(key.into(), value.into());
    }
    view.world.services.insert("s".into(), service);
    let node = Node {
        hostname: "node-0".into(),
        ..Node::default()
    };
    view.world.nodes.insert("d1".into(), node);
    for (id, state, error) in [
        ("t1", TaskState::Failed, "task: non-zero exit (137)"),
        ("t2", TaskState::Running, ""),
        ("t3", TaskState::Preparing, ""),
    ] {
        let task = Task {
            id: id.into(),
            service: "s".into(),
            node: "d1".into(),
            slot: 1,
            state,
            state_at: format!("2026-01-10T11:5{}:00Z", &id[1..]),
            error: error.into(),
            ..Task::default()
        };
        view.world.tasks.insert(id.into(), task);
    }
    view
}

fn updates() -> BTreeMap<String, UpdateFacts> {
    let facts = UpdateFacts {
        state: "rollback_completed".into(),
        started_at: "2026-01-10T11:30:00Z".into(),
        completed_at: "2026-01-10T11:31:00Z".into(),
        message: "rollback completed".into(),
    };
    BTreeMap::from([("s".to_owned(), facts)])
}

fn events() -> Vec<Event> {
    let at = |minute: i64| 1_768_046_400_000_000_000 + minute * 60_000_000_000;
    let event = |kind, id: &str, action: &str, name: &str, minute| Event {
        kind,
        id: id.into(),
        action: action.into(),
        at: at(minute),
        name: name.into(),
        details: BTreeMap::new(),
    };
    let mut down = event(Kind::Node, "d1", "update", "node-0", 3);
    down.details = [("state.old", "ready"), ("state.new", "down")]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into();
    vec![
        event(Kind::Service, "s", "update", "skep-proxy-east", 1),
        event(Kind::Service, "other", "update", "other", 1),
        event(Kind::Network, "", "create", "eastnet", 2),
        down,
        event(Kind::Config, "c", "remove", "servicecluster.east.1", 4),
        event(Kind::Config, "c", "create", "servicecluster.east.4", 5),
    ]
}

fn args(words: &[&str]) -> EventsArgs {
    use clap::Parser;
    #[derive(Parser)]
    struct Wrap {
        #[command(flatten)]
        args: EventsArgs,
    }
    Wrap::parse_from(["events"].iter().chain(words)).args
}

fn all(words: &[&str], since: Option<OffsetDateTime>) -> Vec<Row> {
    let mut rows = history::rows(&view(), &updates());
    rows.extend(engine::rows(&events(), &view()));
    chosen(rows, &args(words), &[], since, &mut BTreeSet::new())
}

#[test]
fn what_happened_is_told_in_order() {
    let now = datetime!(2026-01-10 12:10:00 UTC);
    let text = render(&all(&[], None), Report::Wide, true, false, now).unwrap();
    insta::assert_snapshot!(text);
}

#[test]
fn warnings_alone_and_a_time_can_be_asked_for() {
    let reasons = |rows: Vec<Row>| rows.into_iter().map(|row| row.reason).collect::<Vec<_>>();
    assert_eq!(
        reasons(all(&["--warnings"], None)),
        ["Invalid", "RolledBack", "Failed", "Updated"]
    );
    let since = datetime!(2026-01-10 12:03:30 UTC);
    assert_eq!(reasons(all(&[], Some(since))), ["Removed"]);
}

#[test]
fn nothing_is_shown_twice() {
    let mut known = BTreeSet::new();
    let rows = || history::rows(&view(), &updates());
    assert!(!chosen(rows(), &args(&[]), &[], None, &mut known).is_empty());
    assert!(chosen(rows(), &args(&[]), &[], None, &mut known).is_empty());
}

#[test]
fn a_stream_of_json_is_one_object_a_line() {
    let rows = all(&[], None);
    let now = datetime!(2026-01-10 12:10:00 UTC);
    let text = render(&rows, Report::Json, true, true, now).unwrap();
    assert_eq!(text.lines().count(), rows.len());
    for line in text.lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(row["cluster"], "east");
    }
}

#[test]
fn describe_shows_the_last_ones() {
    let now = datetime!(2026-01-10 12:10:00 UTC);
    let text = recent(&view(), "east", 2, now);
    assert_eq!(text.lines().count(), 3, "{text}");
    assert!(
        text.contains("Running") && text.contains("non-zero exit"),
        "{text}"
    );
    assert_eq!(recent(&view(), "west", 2, now), "");
}
