//! A thousand edits of routes under load: every answer is the one before the edit or the one after it.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use libtest_mimic::Trial;

use super::apps::{delete, manifest, whoami};
use super::harness::{apply, node, ready, shared};
use super::wait::eventually;
use super::{engine, http};

pub fn trials() -> Vec<Trial> {
    vec![shared(
        "a_thousand_edits_of_a_route_give_no_answer_but_the_two_expected",
        edits,
    )]
}

const PORT: u16 = 8460;
const EDITS: usize = 1000;
/// Every so many edits a host is added, and watched from its 404 to its 200.
const NEW_HOST: usize = 50;

fn edits() {
    apply(&manifest(
        "edits",
        "node-2",
        PORT,
        "[{name: edits, create: {}}]",
    ));
    ready("edits");
    let labels = [
        "hosts=edits.test",
        "port=8000",
        "service_cluster=edits",
        "context_root=/app",
    ];
    whoami("edits", "edits", &labels);
    let here = node(2).address();
    eventually("it is served", || {
        http::status_is(200, here, PORT, "edits.test", "/app/x")
    });
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| watch_paths(here, &over)))
            .collect();
        for edit in 0..EDITS {
            let host = format!("new{edit}.test");
            let adds = edit % NEW_HOST == 0;
            if adds {
                http::status_is(404, here, PORT, &host, "/app/x").unwrap();
            }
            engine::update_service(&node(0).docker_host(), "edits", |spec| {
                let labels = &mut spec["Labels"];
                labels["skep.context_root_rewrite"] = (edit % 2 == 0).to_string().into();
                if adds {
                    labels["skep.hosts"] = format!("edits.test,{host}").into();
                }
            });
            if adds {
                eventually("the new host is served", || {
                    let answer = http::get(here, PORT, &host, "/app/x")?;
                    assert!([404, 200].contains(&answer.status), "{answer:?}");
                    if answer.status == 200 {
                        Ok(())
                    } else {
                        Err(host.clone())
                    }
                });
            }
        }
        over.store(true, Ordering::Relaxed);
        let mut seen = [0; 2];
        for client in clients {
            let paths = client.join().unwrap();
            seen = [seen[0] + paths[0], seen[1] + paths[1]];
        }
        println!(
            "{EDITS} edits: {} answers by the one path, {} by the other",
            seen[0], seen[1]
        );
        // An edit that nobody sees would prove nothing.
        assert!(seen.iter().all(|count| *count > 100), "{seen:?}");
    });
    node(0).docker(&["service", "rm", "edits"]);
    delete("edits");
}

/// How often the application saw the path as it is and cut, until all is over.
fn watch_paths(here: IpAddr, over: &AtomicBool) -> [usize; 2] {
    let mut seen = [0; 2];
    while !over.load(Ordering::Relaxed) {
        let answer = http::get(here, PORT, "edits.test", "/app/x").unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        let is = |path: &str| answer.body.lines().any(|line| line == path);
        let at = ["path: /app/x", "path: /x"]
            .iter()
            .position(|path| is(path));
        seen[at.unwrap_or_else(|| panic!("{answer:?}"))] += 1;
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    seen
}
