use std::fmt::Write as _;

use proptest::prelude::*;

use super::{Converted, interlock};
use crate::api::Diagnostic;
use crate::api::parse::manifests;

const SHIPPED: &str = include_str!("../../tests/interlock/shipped.toml");
const EAST_WEST: &str = include_str!("../../tests/interlock/east-west.toml");
const US_REGIONS: &str = include_str!("../../tests/interlock/us-regions.toml");
const HAPROXY: &str = include_str!("../../tests/interlock/haproxy.toml");
const TUNED: &str = include_str!("../../tests/interlock/tuned.toml");
const BROKEN: &str = include_str!("../../tests/interlock/broken.toml");

/// Documents that are valid, that say just what was meant, and that are cut to a screen's width.
fn is_sound(converted: &Converted) -> Result<(), TestCaseError> {
    let parsed = manifests("x", &converted.text);
    prop_assert_eq!(&parsed.faults, &[], "{}", converted.text);
    prop_assert_eq!(&parsed.clusters, &converted.clusters, "{}", converted.text);
    prop_assert!(!converted.summary.is_empty());
    Ok(())
}

#[track_caller]
fn golden(text: &str) -> String {
    let converted = interlock("config.toml", text).unwrap();
    is_sound(&converted).unwrap();
    format!(
        "{}\n== summary\n{}\n",
        converted.text,
        converted.summary.join("\n")
    )
}

fn faults(text: &str) -> Vec<Diagnostic> {
    interlock("config.toml", text).expect_err("it has faults")
}

#[track_caller]
fn one_fault(text: &str) -> String {
    let faults = faults(text);
    assert_eq!(faults.len(), 1, "{faults:?}");
    faults[0].to_string()
}

#[test]
fn the_configuration_that_ucp_writes_becomes_the_default_cluster() {
    insta::assert_snapshot!(golden(SHIPPED));
}

#[test]
fn the_guide_shows_what_is_really_printed() {
    let guide = include_str!("../../docs/migrate-from-interlock.md");
    let converted = interlock("interlock.toml", SHIPPED).unwrap();
    let printed = converted.summary.join("\n");
    assert!(guide.contains(&printed), "{printed}");
}

#[test]
fn east_and_west_become_two_clusters_on_their_networks() {
    insta::assert_snapshot!(golden(EAST_WEST));
}

#[test]
fn regions_without_networks_follow_their_services() {
    insta::assert_snapshot!(golden(US_REGIONS));
}

#[test]
fn an_extension_of_haproxy_is_converted_too() {
    let text = golden(HAPROXY);
    assert!(!text.contains("not-to-be-shown"));
    insta::assert_snapshot!(text);
}

#[test]
fn a_tuned_configuration_says_what_each_setting_became() {
    insta::assert_snapshot!(golden(TUNED));
}

#[test]
fn a_broken_configuration_tells_all_its_faults_at_once() {
    let lines: Vec<String> = faults(BROKEN).iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_file_without_extensions_gets_one_clear_message() {
    for text in ["", " \n\t", "ListenAddr = \":8080\"\n", "[Extensions]\n"] {
        let message = one_fault(text);
        assert!(
            message.contains("docs/migrate-from-interlock.md"),
            "{message}"
        );
    }
    assert!(one_fault("{\"ID\": 1}").contains("JSON"));
    let list = one_fault("[[Extensions]]\nName = \"nginx\"\n");
    assert!(list.contains("Interlock 1"), "{list}");
}

#[test]
fn a_syntax_error_hides_no_other_and_causes_no_further_fault() {
    let faults = faults(
        "[Extensions.a]\nServiceCluster = \"a\nProxyReplicas = two\nPublishMood = \"host\"\n",
    );
    let lines: Vec<usize> = faults.iter().map(|fault| fault.line).collect();
    assert_eq!(lines, [2, 3, 4], "{faults:?}");
}

#[test]
fn names_differ_only_in_case_from_the_documented_ones_are_taken() {
    let text = "[EXTENSIONS.a]\nservicecluster = \"a\"\nPROXYREPLICAS = 5\n";
    let converted = interlock("x", text).unwrap();
    assert_eq!(converted.clusters[0].spec.proxy.replicas, Some(5));
}

#[test]
fn names_that_cannot_stay_get_out_of_the_way_of_those_that_can() {
    let text = "[Extensions.one]\nServiceCluster = \"US_East\"\n[Extensions.two]\nServiceCluster = \"us-east\"\n[Extensions.us-east]\n";
    let converted = interlock("x", text).unwrap();
    let names: Vec<&str> = converted
        .clusters
        .iter()
        .map(|cluster| cluster.metadata.name.as_str())
        .collect();
    assert_eq!(names, ["us-east-2", "us-east", "us-east-3"]);
    assert!(converted.clusters[2].spec.default);
    assert!(converted.text.contains("service_cluster=us-east-2"));
}

#[test]
fn two_extensions_for_one_cluster_are_a_fault() {
    let message = one_fault("[Extensions.a]\n[Extensions.b]\nProxyReplicas = 1\n");
    assert!(
        message.contains("[Extensions.a] serves the same cluster"),
        "{message}"
    );
}

#[test]
fn clusters_that_publish_one_port_on_all_nodes_are_told() {
    let text = "[Extensions.a]\nServiceCluster = \"a\"\n[Extensions.b]\nPublishedSSLPort = 9443\n";
    let converted = interlock("x", text).unwrap();
    let told = converted
        .summary
        .iter()
        .filter(|line| line.contains("both publish"));
    assert_eq!(told.count(), 1, "{:?}", converted.summary);
}

#[test]
fn a_port_of_all_nodes_that_another_has_on_its_own_is_told() {
    for (one, other) in [("ingress", "host"), ("host", "ingress")] {
        let converted = interlock(
            "x",
            &format!(
                "[Extensions.a]\nServiceCluster = \"a\"\nPublishMode = \"{one}\"\nPublishedPort = 80\nPublishedSSLPort = 443\n[Extensions.b]\nServiceCluster = \"b\"\nPublishMode = \"{other}\"\nPublishedPort = 80\nPublishedSSLPort = 8443\n"
            ),
        )
        .unwrap();
        let told = converted.summary.join("\n");
        let (all, own) = if one == "ingress" {
            ("a", "b")
        } else {
            ("b", "a")
        };
        let start = format!("{all} publishes 80 on all nodes, and {own} on the nodes");
        assert_eq!(told.matches(&start).count(), 1, "{told}");
    }
}

#[test]
fn a_shorter_time_for_silent_connections_is_told() {
    let text = "[Extensions.a.Config]\nKeepaliveTimeout = \"30s\"\n";
    let converted = interlock("x", text).unwrap();
    let told = converted.text.replace("\n#    ", "");
    assert!(
        told.contains("Config.KeepaliveTimeout (line 2): connections without"),
        "{told}"
    );
}

/// Options of a value that means something, each of which must be found again.
fn is_complete(given: &str, converted: &Converted) -> Result<(), TestCaseError> {
    let text = converted.text.replace("\n#", " ");
    for line in given.lines().filter(|line| line.contains(" = ")) {
        let (name, value) = line.split_once(" = ").unwrap_or_default();
        let empty = matches!(value, "\"\"" | "false" | "[]") || value.starts_with('{');
        let blank = value.trim_matches(['[', ']', '"', ' ', ',']).is_empty();
        prop_assert!(
            empty || blank || name == "ServiceCluster" || text.contains(name),
            "{line} is lost in {}",
            converted.text
        );
    }
    Ok(())
}

#[test]
fn text_of_the_file_never_leaves_its_comment() {
    let text = "[Extensions.\"a\\nspec: {}\"]\nProxyImage = \"x\\n---\\nkind: Pod\\u2028\"\n";
    is_sound(&interlock("co\nnfig", text).unwrap()).unwrap();
}

#[test]
fn a_file_of_thousands_of_extensions_is_converted() {
    let mut text = String::new();
    for n in 0..2000 {
        let _ = write!(
            text,
            "[Extensions.c{n}]\nServiceCluster = \"c{n}\"\nPublishMode = \"host\"\n"
        );
    }
    assert_eq!(interlock("x", &text).unwrap().clusters.len(), 2000);
}

#[test]
fn a_fault_is_one_line_whatever_was_written() {
    let text = "[Extensions.a]\nNetworks = [\"a\\nb\"]\nPublishMode = \"ho\\nst\"\n";
    for fault in faults(text) {
        assert!(!fault.to_string().contains('\n'), "{fault:?}");
    }
}

#[test]
fn of_thousands_of_faults_the_first_are_told() {
    for text in [
        "=".repeat(20_000),
        "=\n".repeat(20_000),
        "a = 1\nb = 2\n[\n".repeat(5_000),
    ] {
        let faults = faults(&text);
        assert!((1..=101).contains(&faults.len()), "{}", faults.len());
        assert!(faults.iter().all(|fault| fault.line > 0));
    }
}

/// Values as they may stand behind any option.
fn any_value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        (0_u32..70_000).prop_map(|n| n.to_string()),
        any::<bool>().prop_map(|b| b.to_string()),
        Just("1.5".to_owned()),
        Just("1979-05-27".to_owned()),
        "\\PC{0,12}".prop_map(|s| format!("{s:?}")),
        "[a-z0-9 =.:_-]{0,16}".prop_map(|s| format!("\"{s}\"")),
        "[0-9]{1,4}(s|m|h|ms|k|g)?".prop_map(|s| format!("\"{s}\"")),
    ];
    prop_oneof![
        4 => leaf.clone(),
        1 => proptest::collection::vec(leaf.clone(), 0..4).prop_map(|l| format!("[{}]", l.join(", "))),
        1 => ("[a-z.]{1,8}", leaf).prop_map(|(k, v)| format!("{{ \"{k}\" = {v} }}")),
    ]
}

fn any_option() -> impl Strategy<Value = String> {
    let table = prop_oneof![
        Just(&super::options::EXTENSION[..]),
        Just(&super::options::CONFIG[..]),
    ];
    let name = (table, any::<prop::sample::Index>()).prop_map(|(table, n)| n.get(table).name);
    (name, any_value()).prop_map(|(name, value)| format!("{name} = {value}\n"))
}

proptest! {
    #[test]
    fn any_options_give_valid_documents_or_faults(
        extension in proptest::collection::vec(any_option(), 0..6),
        config in proptest::collection::vec(any_option(), 0..6),
        key in "[A-Za-z0-9_-]{1,40}",
    ) {
        let text = format!(
            "[Extensions.{key}]\n{}[Extensions.{key}.Config]\n{}",
            extension.concat(),
            config.concat()
        );
        match interlock("x", &text) {
            Ok(converted) => {
                is_sound(&converted)?;
                is_complete(&text, &converted)?;
            }
            Err(faults) => prop_assert!(!faults.is_empty()),
        }
    }

    #[test]
    fn any_change_of_a_good_file_gives_valid_documents_or_faults_with_a_place(
        which in 0..5_usize,
        at in any::<prop::sample::Index>(),
        length in 0..30_usize,
        put in "[\\PC\n]{0,12}",
    ) {
        let sample = [SHIPPED, EAST_WEST, US_REGIONS, HAPROXY, TUNED][which];
        let from = at.index(sample.len());
        let end = (from + length).min(sample.len());
        let text = format!("{}{put}{}", &sample[..from], &sample[end..]);
        match interlock("x", &text) {
            Ok(converted) => is_sound(&converted)?,
            Err(faults) => for fault in &faults {
                prop_assert!(!fault.message.is_empty() && !fault.message.contains('\n'));
                prop_assert!(fault.line > 0 || fault.hint.contains("migrate"), "{fault:?}");
            },
        }
    }

    #[test]
    fn no_text_makes_the_converter_panic(text in "[\\PC\n]{0,200}") {
        if let Ok(converted) = interlock("x", &text) {
            is_sound(&converted)?;
        }
    }
}

#[test]
fn a_yaml_file_is_told_in_one_line_with_what_to_do() {
    let fault = |text: &str| {
        let faults = interlock("x", text).unwrap_err();
        assert_eq!(faults.len(), 1, "{faults:?}");
        faults[0].to_string()
    };
    let manifest =
        "# mine\n\napiVersion: skep.dev/v1alpha1\nkind: ServiceCluster\nmetadata: {name: a}\n";
    let told = fault(manifest);
    assert!(
        told.contains("this is YAML") && told.contains("skep apply -f"),
        "{told}"
    );
    for other in [
        "---\nversion: '3'\n",
        "services:\n  web: {}\n",
        "- a: 1\n- b\n",
    ] {
        let told = fault(other);
        assert!(
            told.contains("this is YAML") && !told.contains("skep apply"),
            "{told}"
        );
    }
    assert!(
        interlock("x", "ListenAddr = \":8080\"\n").unwrap_err()[0]
            .message
            .contains("Extensions")
    );
}
