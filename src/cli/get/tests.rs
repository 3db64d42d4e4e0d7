use super::*;
use crate::api::status::{DeliveryStatus, NetworkStatus, NodeStatus, ProxyCounts, RouteCounts};
use crate::api::{Condition, ConditionStatus, Metadata, ServiceClusterSpec, Status};
use time::macros::datetime;

/// `east` in generation 3, ready, made a day before [`now`].
pub(crate) fn east() -> ServiceCluster {
    let ready = Condition {
        kind: ConditionType::Ready,
        status: ConditionStatus::True,
        reason: "Ready".into(),
        message: "1 proxy serves 12 routes".into(),
        observed_generation: 3,
        last_transition_time: "2026-01-09T13:00:00Z".into(),
    };
    ServiceCluster {
        api_version: crate::names::API_VERSION.into(),
        kind: crate::names::KIND.into(),
        metadata: Metadata {
            name: "east".into(),
            generation: Some(3),
            creation_timestamp: Some("2026-01-09T12:00:00Z".into()),
            ..Metadata::default()
        },
        spec: ServiceClusterSpec::default(),
        stated: crate::api::Version::NEWEST,
        status: Some(Status {
            observed_generation: 3,
            active_generation: 3,
            conditions: vec![ready],
            proxies: ProxyCounts {
                desired: 1,
                running: 1,
                updated: 1,
                programmed: 1,
            },
            delivery: DeliveryStatus {
                version: "4f3c2d1e0a9b8c7d".into(),
                ..DeliveryStatus::default()
            },
            networks: vec![NetworkStatus {
                name: "eastnet".into(),
                id: "n1".into(),
                attached: true,
            }],
            nodes: vec![NodeStatus {
                name: "node-0".into(),
                id: "d1".into(),
                ready: true,
                message: String::new(),
            }],
            routes: RouteCounts {
                total: 12,
                degraded: 0,
                rejected: 1,
                ..RouteCounts::default()
            },
            attempted: None,
        }),
    }
}

fn west() -> ServiceCluster {
    let mut west = east();
    west.metadata.name = "west".into();
    west.status = None;
    west
}

pub(crate) fn now() -> OffsetDateTime {
    datetime!(2026-01-10 12:00:00 UTC)
}

fn shown(clusters: &[ServiceCluster], output: &Form) -> String {
    render(clusters, output, true, true, Version::NEWEST, now()).unwrap()
}

#[test]
fn the_table_shows_what_people_ask_first() {
    insta::assert_snapshot!(shown(&[east(), west()], &Form::Table));
}

#[test]
fn the_wide_table_shows_more() {
    insta::assert_snapshot!(shown(&[east(), west()], &Form::Wide));
}

#[test]
fn a_status_of_an_older_generation_is_not_taken_for_this_one() {
    let mut east = east();
    east.metadata.generation = Some(4);
    assert_eq!(ready(&east).0, "Unknown");
}

#[test]
fn names_are_one_a_line() {
    assert_eq!(
        shown(&[east(), west()], &Form::Name),
        "servicecluster/east\nservicecluster/west\n"
    );
}

#[test]
fn json_is_one_object_for_one_name_and_a_list_otherwise() {
    let one = render(&[east()], &Form::Json, true, false, Version::NEWEST, now()).unwrap();
    let one: serde_json::Value = serde_json::from_str(&one).unwrap();
    assert_eq!(one["metadata"]["name"], "east");
    let all: serde_json::Value = serde_json::from_str(&shown(&[east()], &Form::Json)).unwrap();
    assert_eq!(all["kind"], "ServiceClusterList");
    assert_eq!(all["items"][0], one);
}

#[test]
fn yaml_documents_are_read_back_as_the_same_resources() {
    let text = shown(&[east(), west()], &Form::Yaml);
    let documents: Vec<&str> = text.split("---\n").collect();
    assert_eq!(documents.len(), 2);
    let read: ServiceCluster = serde_saphyr::from_str(documents[0]).unwrap();
    assert_eq!(read, east());
}

#[test]
fn a_template_sees_the_resource_alone_or_the_list() {
    let ready: Form = r#"jsonpath={.status.conditions[?(@.type=="Ready")].status}"#
        .parse()
        .unwrap();
    let one = render(&[east()], &ready, true, false, Version::NEWEST, now()).unwrap();
    assert_eq!(one, "True");
    let names: Form = r#"jsonpath={range .items[*]}{.metadata.name}{"\n"}{end}"#
        .parse()
        .unwrap();
    assert_eq!(shown(&[east(), west()], &names), "east\nwest\n");
    let columns: Form = "custom-columns=NAME:.metadata.name,N:.status.routes.total"
        .parse()
        .unwrap();
    assert_eq!(
        shown(&[east(), west()], &columns),
        "NAME  N\neast  12\nwest  <none>\n"
    );
}

#[test]
fn clusters_are_chosen_by_label_and_sorted_by_field() {
    use clap::Parser;
    let args = |words: &[&str]| {
        let words = ["skep", "get"].iter().chain(words);
        match crate::cli::args::Cli::try_parse_from(words).unwrap().verb {
            crate::cli::args::Verb::Get(args) => args,
            _ => panic!("get is a verb"),
        }
    };
    let mut labelled = west();
    labelled.metadata.labels.insert("team".into(), "web".into());
    let all = || vec![east(), labelled.clone()];
    let names = |clusters: Vec<ServiceCluster>| {
        let names = clusters.into_iter().map(|c| c.metadata.name);
        names.collect::<Vec<_>>()
    };
    assert_eq!(names(wanted(&args(&["-l", "team=web"]), all())), ["west"]);
    assert_eq!(names(wanted(&args(&["-l", "!team"]), all())), ["east"]);
    let sorted = args(&["--sort-by=.metadata.labels.team"]);
    assert_eq!(names(wanted(&sorted, all())), ["west", "east"]);
}
