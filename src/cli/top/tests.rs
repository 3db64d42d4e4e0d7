use super::*;
use crate::names;
use crate::route::{ClusterRouting, Route, RouteTable};
use crate::world::{Declared, Service, Task, TaskState};

fn record(host: &str, path: &str, status: u16, duration_ms: f64) -> Record {
    Record {
        client: format!("10.0.0.{status}"),
        method: "GET".into(),
        host: host.into(),
        path: path.into(),
        status,
        bytes: 100,
        duration_ms,
        backend: "demo".into(),
        ..Record::default()
    }
}

fn view() -> View {
    let mut view = View::default();
    let mut table = RouteTable::default();
    for path in ["/", "/api"] {
        let route = Route {
            host: "demo.a".into(),
            path: crate::route::PathMatch::Prefix(path.into()),
            ..Route::default()
        };
        table.routes.insert(route.name(), route);
    }
    let routing = ClusterRouting {
        table,
        ..ClusterRouting::default()
    };
    view.routing.clusters.insert("east".into(), routing);
    view
}

#[test]
fn requests_are_counted_and_times_ranked() {
    let mut tally = Tally::default();
    for ms in 1..=100 {
        let status = match ms {
            100 => 503,
            99 => 404,
            _ => 200,
        };
        tally.add("east", "", &record("demo.a", "/", status, f64::from(ms)));
    }
    tally.add("west", "", &record("demo.b", "/", 200, 1.0));
    let rows = tally.rows(Duration::from_secs(2), 0);
    let east = &rows[0];
    assert_eq!(
        (east.requests, east.client_errors, east.server_errors),
        (100, 1, 1)
    );
    assert_eq!(
        (east.p50_ms, east.p95_ms, east.p99_ms, east.max_ms),
        (50.0, 95.0, 99.0, 100.0)
    );
    assert_eq!((east.requests_per_second, east.clients), (50.0, 3));
    // 5.05 s of requests in 2 s.
    assert!((east.in_flight - 2.525).abs() < 1e-9, "{}", east.in_flight);
    let text = render(&rows, By::Cluster);
    assert!(text.starts_with("CLUSTER  REQ/S"), "{text}");
    assert_eq!(text.lines().count(), 3);
}

#[test]
fn of_few_requests_the_slowest_are_not_left_out() {
    let mut tally = Tally::default();
    for ms in [1.0, 2.0, 30.0] {
        tally.add("east", "", &record("demo.a", "/", 200, ms));
    }
    let rows = tally.rows(Duration::from_secs(1), 0);
    let times = (rows[0].p50_ms, rows[0].p95_ms, rows[0].p99_ms);
    assert_eq!(times, (2.0, 30.0, 30.0));
}

#[test]
fn the_busiest_rows_come_first_and_the_rest_may_be_left_out() {
    let mut tally = Tally::default();
    for (row, count) in [("a", 1), ("b", 3), ("c", 2)] {
        for _ in 0..count {
            tally.add("east", row, &record("demo.a", "/", 200, 1.0));
        }
    }
    let names: Vec<String> = tally
        .rows(Duration::from_secs(1), 2)
        .into_iter()
        .map(|row| row.name)
        .collect();
    assert_eq!(names, ["b", "c"]);
    assert_eq!(render(&[], By::Route), "no requests\n");
}

#[test]
fn a_request_belongs_to_the_route_that_takes_it() {
    let by = |by| Attribution::new(by, &view());
    let row = |of: By, record: &Record| by(of).row("east", "t1", record);
    assert_eq!(
        row(By::Route, &record("Demo.A:80", "/api/x?y", 200, 1.0)),
        "demo.a/api"
    );
    assert_eq!(row(By::Route, &record("other", "/", 404, 1.0)), "");
    assert_eq!(row(By::Service, &record("demo.a", "/", 200, 1.0)), "demo");
    assert_eq!(row(By::Host, &record("Demo.A:80", "/", 200, 1.0)), "demo.a");
    assert_eq!(row(By::Proxy, &record("demo.a", "/", 200, 1.0)), "t1");
}

/// The view with these proxies of east, all of which serve.
fn with_proxies(tasks: &[&str]) -> View {
    let mut view = view();
    view.declared.insert("east".into(), Declared::default());
    let mut service = Service {
        id: "p".into(),
        ..Service::default()
    };
    service.spec.labels = [
        (names::LABEL_MANAGED_BY, names::MANAGED_BY),
        (names::LABEL_COMPONENT, "proxy"),
        (names::LABEL_CLUSTER, "east"),
    ]
    .map(|(key, value)| (key.into(), value.into()))
    .into();
    view.world.services.insert("p".into(), service);
    for id in tasks {
        let task = Task {
            id: (*id).into(),
            service: "p".into(),
            state: TaskState::Running,
            desired: TaskState::Running,
            ..Task::default()
        };
        view.world.tasks.insert(task.id.clone(), task);
    }
    view
}

#[test]
fn what_a_replaced_proxy_said_is_not_added_to_what_the_new_one_says() {
    let shown = |open: &mut Open| {
        let mut tally = Tally::default();
        open.tell(&Attribution::new(By::Cluster, &view()), &mut tally);
        render(&tally.rows(Duration::from_secs(1), 0), By::Cluster)
    };
    let mut open = Open::new(&with_proxies(&["old"]));
    open.said("east", "old", 9);
    assert!(shown(&mut open).ends_with(" 9\n"));
    // One that the view does not have yet: something is missing.
    open.said("east", "new", 4);
    assert!(shown(&mut open).ends_with(" 9+\n"));
    open.look(&with_proxies(&["new"]));
    let text = shown(&mut open);
    assert!(text.ends_with(" 4\n") && !text.contains('-'), "{text}");
    open.look(&with_proxies(&["new", "newer"]));
    assert!(shown(&mut open).ends_with(" 4+\n"));
}

#[tokio::test(start_paused = true)]
async fn open_connections_are_those_that_the_proxies_told_last() {
    let shown = |open: &mut Open, by: By| {
        let mut tally = Tally::default();
        open.tell(&Attribution::new(by, &view()), &mut tally);
        render(&tally.rows(Duration::from_secs(1), 0), by)
    };
    let mut open = Open::new(&with_proxies(&["t1", "t2"]));
    open.said("east", "t1", 9);
    open.said("east", "t1", 4);
    open.said("east", "t2", 3);
    let text = shown(&mut open, By::Cluster);
    assert!(
        text.lines().next().unwrap().ends_with("CLIENTS  OPEN"),
        "{text}"
    );
    assert!(text.lines().nth(1).unwrap().ends_with(" 7"), "{text}");
    let text = shown(&mut open, By::Proxy);
    assert!(text.contains("t1") && text.ends_with(" 3\n"), "{text}");
    assert_eq!(shown(&mut open, By::Host), "no requests\n");
    tokio::time::advance(Duration::from_secs(61)).await;
    assert_eq!(shown(&mut open, By::Cluster), "no requests\n");
}

#[test]
fn a_sum_without_some_of_the_proxies_is_called_so_and_what_is_not_told_is_not_known() {
    let mut tally = Tally::default();
    tally.connections("east", "", 4, false);
    tally.add("west", "", &record("demo.b", "/", 200, 1.0));
    let text = render(&tally.rows(Duration::from_secs(1), 0), By::Cluster);
    assert!(text.contains(" 4+\n") && text.contains(" -\n"), "{text}");
}
