//! Labels of any kind, for property tests.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::table;

/// Values that hit one grammar or another, and such that hit none.
fn any_value() -> impl Strategy<Value = String> {
    let examples: Vec<&'static str> = table::all().map(|label| label.example).collect();
    prop_oneof![
        prop::sample::select(examples).prop_map(str::to_owned),
        "[a-z.,;*/~ 0-9:=-]{0,20}",
        ".{0,20}",
        "[0-9]{0,8}[smh/]?",
        "true|false",
    ]
}

/// Labels of the table, of named routes, and such as nobody knows.
pub fn any_labels() -> impl Strategy<Value = BTreeMap<String, String>> {
    let names: Vec<&'static str> = table::all().map(|label| label.name).collect();
    let name = prop::sample::select(names).prop_map(|name| name.replace('*', "x-a"));
    let route = prop_oneof![Just(""), Just(""), Just("routes.a."), Just("routes.b.")];
    let known = ("com\\.docker\\.lb\\.|skep\\.", route, name)
        .prop_map(|(prefix, route, name)| format!("{prefix}{route}{name}"));
    let key = prop_oneof![
        8 => known,
        1 => "(com\\.docker\\.lb\\.|skep\\.)\\PC{0,12}",
        1 => "\\PC{0,12}",
    ];
    let all = prop::collection::btree_map(key, any_value(), 0..12);
    // Without a host and a port hardly anything would be a route.
    (all, any::<[bool; 2]>()).prop_map(|(mut labels, [hosts, port])| {
        if hosts {
            labels.insert("skep.hosts".into(), "a.x,*.b.x".into());
        }
        if port {
            labels.insert("skep.port".into(), "80".into());
        }
        labels
    })
}
