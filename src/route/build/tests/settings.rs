//! Every label has an effect, and the one that was meant.

use super::*;
use crate::api::labels::{Kind, table as labels_table};

/// What a label needs beside it to say anything.
fn companion(name: &str) -> Option<(&'static str, &'static str)> {
    let stem = name.split('.').next().unwrap_or(name);
    Some(match (stem, name) {
        (_, "ssl_cert") => ("ssl_key", "shop.example.com.key"),
        (_, "ssl_key") => ("ssl_cert", "shop.example.com.cert"),
        (_, "context_root_rewrite" | "path_type") => ("context_root", "/x"),
        (_, "basic_auth_realm") => ("basic_auth", "shop-users"),
        (_, "ssl_backend_tls_verify" | "backend_tls_name") => ("ssl_backend", "true"),
        (_, "redirect_status") => ("redirects", "http://old.example.com,http://b.x"),
        (_, "health_check.path" | "cors.origins" | "rate_limit") => return None,
        ("health_check", _) => ("health_check.path", "/h"),
        ("cors", _) => ("cors.origins", "https://o.x"),
        ("rate_limit", _) => ("rate_limit", "9/s"),
        _ => return None,
    })
}

fn table_of(labels: &[(&str, &str)]) -> (RouteTable, Vec<Row>) {
    let mut pairs: Vec<String> = vec![
        "skep.hosts=a.x,old.example.com".into(),
        "skep.port=80".into(),
        "skep.service_cluster=west".into(),
    ];
    pairs.extend(
        labels
            .iter()
            .map(|(name, value)| format!("skep.{name}={value}")),
    );
    let pairs: Vec<&str> = pairs.iter().map(String::as_str).collect();
    let world = [
        "shop.example.com.cert",
        "shop.example.com.key",
        "shop-users",
        "internal-ca",
    ]
    .iter()
    .fold(swarm().network("shop_front"), |story, name| {
        story.secret(name)
    })
    .cluster("east", 1, "{default: true}")
    .cluster("west", 1, "{}")
    .service("app", &["eastnet", "shop_front"], &pairs)
    .tasks("app", 2)
    .with(|world| {
        let app = world.services.get_mut(&service_id("app")).unwrap();
        let address = "10.0.0.250".parse().unwrap();
        app.virtual_ips.insert(network_id("eastnet"), address);
    })
    .world();
    let routing = route(&world);
    // The cluster label moves the service, and with it the table.
    let cluster = routing
        .clusters
        .values()
        .find(|c| !c.rows.is_empty())
        .unwrap();
    (cluster.table.clone(), cluster.rows.clone())
}

#[test]
fn the_example_of_every_label_changes_the_table_and_is_no_fault() {
    for label in labels_table::all() {
        if label.kind == Kind::Ignored {
            continue;
        }
        let name = label.name.replace('*', "x-a");
        let beside: Vec<_> = companion(label.name).into_iter().collect();
        let without = table_of(&beside).0;
        let mut all = beside.clone();
        all.push((&name, label.example));
        let (with, rows) = table_of(&all);
        assert_ne!(with, without, "{name} has no effect");
        let ill = rows.iter().find(|row| row.state != RowState::Active);
        assert_eq!(ill, None, "{name}");
    }
}

#[test]
fn settings_arrive_as_they_are_meant() {
    let (table, _) = table_of(&[
        ("ip_allow", "10.1.2.3/8,192.0.2.7"),
        ("https_redirect", "true"),
        ("rate_limit", "600/m"),
        ("retry_on", "502,503"),
        ("request_headers.set.X-Team", "a"),
        ("response_headers.remove", "Server"),
        ("sticky_session_cookie", "session"),
        ("max_request_body", "0"),
        ("max_fails", "3"),
        ("health_check.path", "/h"),
        ("cors.origins", "*"),
    ]);
    insta::assert_debug_snapshot!((
        &table.routes["a.x/"].policy,
        &table.backends["app:80"].health,
        &table.backends["app:80"].outlier,
    ));
}

#[test]
fn ssl_only_and_https_redirect_mean_308_unless_a_status_is_given() {
    let status = |labels: &[(&str, &str)]| table_of(labels).0.routes["a.x/"].policy.https_only;
    assert_eq!(status(&[("ssl_only", "true")]), Some(308));
    assert_eq!(status(&[("https_redirect", "true")]), Some(308));
    assert_eq!(
        status(&[("ssl_only", "true"), ("https_redirect", "301")]),
        Some(301)
    );
    assert_eq!(status(&[("https_redirect", "false")]), None);
}

fn virtual_app(change: impl Fn(&mut crate::world::Service), more: &[&str]) -> ClusterRouting {
    let mut labels = vec!["hosts=a.x", "port=80", "backend_mode=vip"];
    labels.extend(more);
    let world = swarm()
        .cluster("east", 1, "{default: true}")
        .app("app", &["eastnet"], 2, &labels)
        .with(|world| {
            let app = world.services.get_mut(&service_id("app")).unwrap();
            let address = "10.0.0.250".parse().unwrap();
            app.virtual_ips.insert(network_id("eastnet"), address);
            change(app);
        })
        .world();
    route(&world).clusters["east"].clone()
}

#[test]
fn in_vip_mode_the_one_endpoint_is_the_virtual_address_whatever_the_tasks_are() {
    let cluster = virtual_app(|_| {}, &[]);
    let endpoints = &cluster.table.backends["app:80"].endpoints;
    assert_eq!(endpoints.len(), 1);
    assert_eq!(endpoints[0].address.to_string(), "10.0.0.250:80");
    assert_eq!(endpoints[0].id, service_id("app"));
}

#[test]
fn in_vip_mode_nobody_stays_with_a_task() {
    let cluster = virtual_app(|_| {}, &["ip_hash=true"]);
    assert_eq!(cluster.rows[0].reason, "NoEffect");
    let policy = &cluster.table.routes["a.x/"].policy;
    assert_eq!(policy.affinity, crate::route::Affinity::None);
}

#[test]
fn without_a_virtual_address_vip_mode_is_refused() {
    let cluster = virtual_app(
        |app| app.spec.endpoint_mode = crate::world::EndpointMode::DnsRr,
        &[],
    );
    assert!(cluster.table.routes.is_empty());
    assert_eq!(cluster.rows[0].reason, "NoVirtualAddress");
    let cluster = virtual_app(|app| app.virtual_ips.clear(), &[]);
    assert_eq!(cluster.rows[0].reason, "NoEndpoints");
}
