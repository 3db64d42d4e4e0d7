//! Examples 8.3 and 8.9 to 8.13, and 8.16: hosts, redirects, context roots, websockets, default backends, networks.

use std::collections::BTreeSet;

use libtest_mimic::Trial;

use super::{create, get, remove};
use crate::apps::{overlay, relabel};
use crate::harness::{node, shared, skep};
use crate::lab::text;
use crate::wait::{eventually, same};

pub fn trials() -> Vec<Trial> {
    vec![
        shared("example_8_3_a_host_and_its_scale", basic),
        shared("example_8_9_redirects_keep_path_and_query", redirects),
        shared(
            "example_8_10_context_roots_on_segment_borders",
            context_root,
        ),
        shared(
            "example_8_11_websockets_with_and_without_the_label",
            websocket,
        ),
        shared(
            "example_8_12_a_default_backend_takes_unknown_hosts",
            default_backend,
        ),
        shared("example_8_13_an_application_in_host_mode", host_mode),
        shared(
            "example_8_16_two_networks_and_no_network_label",
            two_networks,
        ),
    ]
}

fn basic() {
    create("demo", &["hosts=demo.local", "port=8000"], &[]);
    eventually("demo.local answers", || {
        get("demo.local", "/ping", &[]).is(200)
    });
    let answer = get("demo.local", "/ping", &[]);
    // The application is told the id that the client is told.
    let id = answer.header("x-request-id").map(str::to_owned);
    let seen = answer
        .body
        .lines()
        .find_map(|line| line.strip_prefix("header: x-request-id: "));
    assert_eq!(seen.map(str::to_owned), id, "{answer:?}");
    assert!(id.is_some());
    get("unknown.local", "/ping", &[]).is(404).unwrap();
    node(0).docker(&["service", "scale", "--detach", "demo=4"]);
    eventually("four instances answer", || {
        let ids: Result<BTreeSet<_>, _> = (0..12)
            .map(|_| {
                get("demo.local", "/ping", &[])
                    .told("container")
                    .map(str::to_owned)
            })
            .collect();
        same(ids?.len(), 4)
    });
    remove(&["demo"]);
    eventually("the route is gone", || get("demo.local", "/", &[]).is(404));
}

fn redirects() {
    let redirects = "redirects=http://old.local,http://new.local";
    create(
        "redirects",
        &["hosts=old.local,new.local", "port=8000", redirects],
        &[],
    );
    eventually("new.local answers", || get("new.local", "/", &[]).is(200));
    for (path, target) in [
        ("/", "http://new.local/"),
        ("/a?b=c", "http://new.local/a?b=c"),
    ] {
        let answer = get("old.local", path, &[]);
        assert_eq!(
            (answer.status, answer.header("location")),
            (302, Some(target)),
            "{answer:?}"
        );
    }
    relabel("redirects", "redirect_status=308");
    eventually("the status is one's own choice", || {
        get("old.local", "/", &[]).is(308)
    });
    remove(&["redirects"]);
}

fn context_root() {
    let labels = ["hosts=ctx.local", "port=8000", "context_root=/app"];
    create(
        "ctx",
        &[&labels[..], &["context_root_rewrite=true"]].concat(),
        &[],
    );
    create(
        "ctxother",
        &["hosts=ctx.local", "port=8000", "context_root=/other"],
        &[],
    );
    eventually("/app answers", || get("ctx.local", "/app/", &[]).is(200));
    eventually("/other answers", || {
        get("ctx.local", "/other/", &[]).is(200)
    });
    // No forced 301, whatever there is of slashes and dots.
    for (path, seen) in [
        ("/app/", "/"),
        ("/app", "/"),
        ("/app/ping?x=1", "/ping?x=1"),
        ("/app/a.b/c.css", "/a.b/c.css"),
        ("/other/x", "/other/x"),
    ] {
        assert_eq!(get("ctx.local", path, &[]).told("path").unwrap(), seen);
    }
    for path in ["/", "/foo", "/application"] {
        get("ctx.local", path, &[]).is(404).unwrap();
    }
    remove(&["ctx", "ctxother"]);
}

fn websocket() {
    create(
        "ws",
        &["hosts=ws.local", "port=8000", "websocket_endpoints=/ws"],
        &[],
    );
    create(
        "wsplain",
        &[
            "hosts=wsplain.local",
            "port=8000",
            "context_root=/c",
            "context_root_rewrite=true",
        ],
        &[],
    );
    for (host, path) in [("ws.local", "/ws"), ("wsplain.local", "/c/ws")] {
        eventually("an upgrade is answered 101", || {
            let upgrade = [
                "-H",
                "Connection: Upgrade",
                "-H",
                "Upgrade: websocket",
                "-H",
                "Sec-WebSocket-Version: 13",
                "-H",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                "-H",
                "Origin: http://elsewhere",
                "--max-time",
                "1",
            ];
            let answer = get(host, path, &upgrade);
            same(
                answer.header("sec-websocket-accept"),
                Some("s3pplmbitxaq9kygzzhzrbk+xoo="),
            )?;
            answer.is(101)
        });
    }
    // The origin is the client's, untouched.
    let answer = get("ws.local", "/", &["-H", "Origin: http://elsewhere"]);
    assert!(
        answer.body.contains("header: origin: http://elsewhere"),
        "{answer:?}"
    );
    remove(&["ws", "wsplain"]);
}

fn default_backend() {
    create("fallback", &["default_backend=true", "port=8000"], &[]);
    eventually("an unknown host is answered", || {
        get("no-such.host", "/", &[]).is(200)
    });
    remove(&["fallback"]);
    eventually("and refused again", || {
        get("no-such.host", "/", &[]).is(404)
    });
}

fn host_mode() {
    create(
        "hostmode",
        &["hosts=hostmode.local", "port=8000"],
        &["--publish", "mode=host,target=8000"],
    );
    eventually("it is answered from a port of its node", || {
        get("hostmode.local", "/", &[]).is(200)
    });
    // The proxies know first; the status is written after them.
    eventually("the row names a port of a node", || {
        let routes = text(&skep(&["routes", "interlock", "-o", "wide"]), "skep routes");
        let row = routes.lines().find(|line| line.contains("hostmode.local"));
        let row = row.ok_or_else(|| routes.clone())?;
        let nodes = (0..3).any(|number| row.contains(&format!("{}:3", node(number).address())));
        same(nodes, true).map_err(|_| row.to_owned())
    });
    remove(&["hostmode"]);
}

fn two_networks() {
    overlay("aside");
    let networks = ["--network", "demo", "--network", "aside"];
    create("twonets", &["hosts=twonets.local", "port=8000"], &networks);
    eventually(
        "it is reached over the network that the proxies have",
        || get("twonets.local", "/", &[]).is(200),
    );
    // A network that the proxies do not have is an error that is told, and never a route.
    relabel("twonets", "network=aside");
    eventually("the error names the network", || {
        let routes = text(&skep(&["routes", "interlock", "-o", "wide"]), "skep routes");
        let row = routes.lines().find(|line| line.contains("twonets"));
        let row = row.ok_or("no row")?;
        same(row.contains("NoSharedNetwork"), true).map_err(|_| row.to_owned())?;
        get("twonets.local", "/", &[]).is(404)
    });
    remove(&["twonets"]);
}
