use super::*;
use crate::route::{RowState, routing};
use crate::status::mark;
use crate::world::declared;
use crate::world::testing::{Story, story};

const SPEC: &str = "{default: true, networks: [{name: eastnet}]}";
/// 2026-11-25T12:00:00Z.
const NOON: i64 = 1_795_608_000;
const DAY: i64 = 24 * 3_600;

/// Two services with certificates, one with passwords, one with authorities of its backend.
fn swarm() -> Story {
    let story = story().network("eastnet").cluster("east", 1, SPEC);
    let secrets = [
        "web.cert",
        "web.key",
        "shop_b.cert",
        "shop_b.key",
        "users",
        "ca",
    ];
    let story = secrets.iter().fold(story, |story, name| story.secret(name));
    let web = [
        "hosts=a.x",
        "port=80",
        "ssl_cert=web.cert",
        "ssl_key=web.key",
    ];
    let shop = [
        "com.docker.stack.namespace=shop",
        "com.docker.lb.hosts=b.x",
        "com.docker.lb.port=80",
        "com.docker.lb.ssl_cert=b.cert",
        "com.docker.lb.ssl_key=b.key",
    ];
    story
        .app("web", &["eastnet"], 1, &web)
        .service("shop_b", &["eastnet"], &shop)
        .tasks("shop_b", 1)
        .app(
            "pw",
            &["eastnet"],
            1,
            &["hosts=c.x", "port=80", "basic_auth=users"],
        )
        .app(
            "tls",
            &["eastnet"],
            1,
            &["hosts=d.x", "port=443", "backend_ca=ca"],
        )
        .app("plain", &["eastnet"], 1, &["hosts=e.x", "port=80"])
}

fn refusal(part: Part, name: &str, reason: &str) -> Refusal {
    Refusal {
        part,
        name: name.to_owned(),
        reason: reason.to_owned(),
    }
}

fn found(world: &World, reports: &[ProxyReport]) -> Faults {
    let routing = routing(world, &declared(world));
    faults(world, &routing.clusters["east"], reports.iter(), NOON)
}

fn refusing(refused: Vec<Refusal>) -> ProxyReport {
    ProxyReport {
        refused,
        ..ProxyReport::default()
    }
}

fn told(fault: &RouteFault) -> String {
    let RouteFault {
        service,
        label,
        value,
        reason,
        ..
    } = fault;
    format!("{service} {label}={value} {reason}")
}

#[test]
fn what_a_proxy_refuses_is_the_fault_of_a_service_and_its_label() {
    let world = swarm().world();
    let cases = [
        (
            refusal(
                Part::Certificate,
                "service/web",
                "file `web.cert`: no certificate in PEM form",
            ),
            "web com.docker.lb.ssl_cert=web.cert CertificateUnusable",
        ),
        (
            refusal(
                Part::Certificate,
                "service/web",
                "file `web.key`: the key does not fit the first certificate of file `web.cert`",
            ),
            "web com.docker.lb.ssl_key=web.key CertificateUnusable",
        ),
        (
            refusal(
                Part::Certificate,
                "service/shop_b",
                "file `shop_b.cert`: damaged PEM",
            ),
            "shop_b com.docker.lb.ssl_cert=b.cert CertificateUnusable",
        ),
        (
            refusal(
                Part::Route,
                "c.x/",
                "basic_auth: /run/secrets/users: line 1: no hash",
            ),
            "pw com.docker.lb.basic_auth=users PasswordsUnusable",
        ),
        (
            refusal(
                Part::Backend,
                "tls:443",
                "tls.ca: cannot use /run/secrets/ca: no PEM",
            ),
            "tls com.docker.lb.backend_ca=ca AuthoritiesUnusable",
        ),
        (
            refusal(Part::Route, "e.x/", "this build does not know it"),
            "plain com.docker.lb.hosts=e.x RouteRefused",
        ),
    ];
    for (refusal, expected) in cases {
        let found = found(&world, &[refusing(vec![refusal.clone()])]);
        assert_eq!(found.others.len(), 0, "{refusal:?}");
        assert_eq!(told(&found.refused[0]), expected);
        assert!(found.refused[0].message.contains(&refusal.reason));
        assert!(!found.refused[0].hint.is_empty());
    }
}

#[test]
fn what_is_nobodys_label_is_nobodys_fault() {
    let world = swarm().world();
    let refused = vec![
        refusal(Part::Listener, "listener", "suite x is unknown"),
        refusal(Part::Certificate, "certs/all", "damaged PEM"),
    ];
    let found = found(&world, &[refusing(refused)]);
    assert!(found.refused.is_empty());
    let others: Vec<&String> = found.others.iter().collect();
    assert_eq!(
        others,
        ["certs/all: damaged PEM", "listener: suite x is unknown"]
    );
}

#[test]
fn one_fault_that_many_proxies_tell_is_told_once() {
    let world = swarm().world();
    let one = refusing(vec![refusal(
        Part::Certificate,
        "service/web",
        "file `web.cert`: bad",
    )]);
    assert_eq!(found(&world, &[one.clone(), one]).refused.len(), 1);
}

#[test]
fn certificates_that_only_proxies_can_read_are_warned_of() {
    let world = swarm().world();
    let certificate = |name: &str, days: i64, uncovered: &[&str]| FileCertificate {
        name: name.to_owned(),
        not_after: NOON + days * DAY,
        uncovered: uncovered.iter().map(ToString::to_string).collect(),
    };
    let reports = |certificates: Vec<FileCertificate>| ProxyReport {
        certificates,
        ..ProxyReport::default()
    };
    let good = reports(vec![certificate("service/web", 200, &[])]);
    assert!(found(&world, &[good]).listed().is_empty());
    let bad = reports(vec![
        certificate("service/shop_b", 9, &[]),
        certificate("service/web", -1, &["a.x"]),
    ]);
    let found = found(&world, &[bad.clone(), bad]);
    let lines: Vec<String> = found.warnings.iter().map(told).collect();
    assert_eq!(
        lines,
        [
            "web com.docker.lb.ssl_cert=web.cert CertificateExpired",
            "web com.docker.lb.ssl_cert=web.cert CertificateHostMismatch",
            "shop_b com.docker.lb.ssl_cert=b.cert CertificateExpiring",
        ]
    );
    assert!(found.warnings[0].message.contains("ended on 2026-11-24"));
    assert!(found.warnings[1].message.contains("does not name a.x"));
}

#[test]
fn rows_are_marked_until_the_label_changes() {
    let world = swarm().world();
    let refused = vec![
        refusal(Part::Certificate, "service/web", "file `web.cert`: bad"),
        refusal(
            Part::Backend,
            "tls:443",
            "tls.ca: cannot use /run/secrets/ca: bad",
        ),
        refusal(Part::Route, "c.x/", "users: bad"),
    ];
    let faults = found(&world, &[refusing(refused)]).listed();
    let marked = |world: &World| {
        let mut routing = routing(world, &declared(world));
        let cluster = routing.clusters.get_mut("east").unwrap();
        mark(world, cluster, &faults);
        let rows = cluster.rows.iter();
        let rows = rows.filter(|row| row.state == RowState::Refused);
        rows.map(|row| format!("{} {}={}", row.service, row.label, row.value))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        marked(&world),
        [
            "web com.docker.lb.ssl_cert=web.cert",
            "pw com.docker.lb.basic_auth=users",
            "tls com.docker.lb.backend_ca=ca",
        ]
    );
    let mended = swarm()
        .secret("new.cert")
        .with(|world| {
            let all = world.services.values_mut();
            let web = all.into_iter().find(|it| it.spec.name == "web").unwrap();
            let key = "com.docker.lb.ssl_cert".to_owned();
            web.spec.labels.insert(key, "new.cert".to_owned());
        })
        .world();
    assert_eq!(marked(&mended).len(), 2);
}

#[test]
fn what_a_row_said_before_is_not_lost() {
    let world = swarm().world();
    let mut routing = routing(&world, &declared(&world));
    let cluster = routing.clusters.get_mut("east").unwrap();
    let row = cluster
        .rows
        .iter_mut()
        .find(|row| row.host == "a.x")
        .unwrap();
    (row.state, row.reason) = (RowState::Conflict, "SettingsDisagree".to_owned());
    let refused = vec![refusal(
        Part::Certificate,
        "service/web",
        "file `web.cert`: bad",
    )];
    let faults = found(&world, &[refusing(refused)]).listed();
    mark(&world, cluster, &faults);
    let rows = cluster.rows.iter().filter(|row| row.host == "a.x");
    let states: Vec<RowState> = rows.map(|row| row.state).collect();
    assert_eq!(states, [RowState::Conflict, RowState::Refused]);
}

#[test]
fn each_service_is_listed_before_the_second_fault_of_another_and_the_rest_is_counted() {
    let many: Vec<String> = (0..40).map(|n| format!("h{n:02}.x")).collect();
    let hosts = format!("hosts={}", many.join(","));
    let world = story()
        .network("eastnet")
        .cluster("east", 1, SPEC)
        .app("many", &["eastnet"], 1, &[&hosts, "port=80"])
        .app("one", &["eastnet"], 1, &["hosts=z.x", "port=80"])
        .world();
    let hosts = many.iter().map(String::as_str).chain(["z.x"]);
    let refused = hosts.map(|host| refusal(Part::Route, &format!("{host}/"), "bad"));
    let found = found(&world, &[refusing(refused.collect())]);
    assert_eq!((found.count, found.refused.len()), (41, 41));
    assert!(found.all_routes);
    let listed = found.listed();
    assert_eq!(
        (listed[0].service.as_str(), listed[1].service.as_str()),
        ("many", "one")
    );
    assert_eq!(
        (listed.len(), listed[20].reason.as_str()),
        (21, "MoreRefused")
    );
    let mut routing = routing(&world, &declared(&world));
    let cluster = routing.clusters.get_mut("east").unwrap();
    mark(&world, cluster, &listed);
    let told = &cluster.rows[0];
    assert_eq!(
        (told.host.as_str(), told.reason.as_str()),
        ("", "MoreRefused")
    );
    assert!(told.message.starts_with("21 more"), "{}", told.message);
    let of_no_service = cluster.rows.iter().filter(|row| row.service.is_empty());
    assert_eq!(of_no_service.count(), 1);
}

#[test]
fn a_secret_that_proxies_have_yet_to_get_is_no_fault_of_its_label() {
    let refused = || {
        let users = refusal(Part::Route, "c.x/", "basic_auth: /run/secrets/users: none");
        [refusing(vec![users])]
    };
    let with_proxy = |files: &[&str]| {
        let files: Vec<_> = files.iter().map(ToString::to_string).collect();
        swarm()
            .service(
                "skep-proxy-east",
                &["eastnet"],
                &[
                    "dev.skep.managed-by=skep",
                    "dev.skep.component=proxy",
                    "dev.skep.cluster=east",
                ],
            )
            .tasks("skep-proxy-east", 1)
            .with(|world| {
                let all = world.services.values_mut();
                let proxy = all
                    .into_iter()
                    .find(|it| it.spec.name == "skep-proxy-east")
                    .unwrap();
                let mount = |name: &String| crate::world::FileMount {
                    target: name.clone(),
                    ..crate::world::FileMount::default()
                };
                proxy.spec.secrets = files.iter().map(mount).collect();
                let id = proxy.id.clone();
                for task in world.tasks.values_mut().filter(|task| task.service == id) {
                    task.secret_files = files.iter().cloned().collect();
                }
            })
            .world()
    };
    let waits = found(&with_proxy(&[]), &refused());
    assert_eq!((waits.count, waits.refused.len()), (0, 0));
    assert_eq!(
        told(&waits.warnings[0]),
        "pw com.docker.lb.basic_auth=users SecretWaits"
    );
    let there = found(&with_proxy(&["users"]), &refused());
    assert_eq!((there.count, there.warnings.len()), (1, 0));
}

#[test]
fn a_refused_certificate_that_stands_in_is_told_at_its_host() {
    let pair = [
        "hosts=a.x",
        "port=81",
        "path=/two",
        "ssl_cert=web.cert",
        "ssl_key=shop_b.key",
    ];
    let world = swarm().app("zz", &["eastnet"], 1, &pair).world();
    let mut routing = routing(&world, &declared(&world));
    let cluster = routing.clusters.get_mut("east").unwrap();
    let certificate = &cluster.table.certificates["service/zz"];
    assert!(certificate.stands_in.contains_key("a.x"), "{certificate:?}");
    let row = |cluster: &ClusterRouting| {
        let mut rows = cluster.rows.iter();
        let all = rows.by_ref().filter(|row| row.service == "zz");
        all.map(|row| row.state).collect::<Vec<_>>()
    };
    assert!(!row(cluster).contains(&RowState::Refused));
    let bad = refusal(Part::Certificate, "service/zz", "file `web.cert`: bad");
    mark(
        &world,
        cluster,
        &found(&world, &[refusing(vec![bad])]).listed(),
    );
    assert!(row(cluster).contains(&RowState::Refused));
}
