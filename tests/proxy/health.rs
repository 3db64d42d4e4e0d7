//! Endpoints that do not do well are left out, and come back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use http::{Response, StatusCode};
use skep::api::value::Span;
use skep::route::{BackendProtocol, BackendTls, HealthCheck, Outlier, RouteTable};

use crate::harness::*;
use crate::servers::*;

/// A server that answers with its name, and on `/health` and all else as the switches say.
#[derive(Clone)]
struct Moody {
    name: &'static str,
    well: Arc<AtomicBool>,
    serving: Arc<AtomicBool>,
    checks: Arc<AtomicUsize>,
}

impl Moody {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            well: Arc::new(true.into()),
            serving: Arc::new(true.into()),
            checks: Arc::default(),
        }
    }

    async fn start(&self, kind: Kind) -> Server {
        let it = self.clone();
        serve(kind, move |request| {
            let it = it.clone();
            Box::pin(async move {
                let is_check = request.uri().path() == "/health";
                if is_check {
                    assert_eq!(request.headers()["user-agent"], "skep-health");
                    it.checks.fetch_add(1, Relaxed);
                }
                let is_good = if is_check {
                    it.well.load(Relaxed)
                } else {
                    it.serving.load(Relaxed)
                };
                let mut answer = Response::new(text_body(it.name));
                if !is_good {
                    *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                }
                answer
            })
        })
        .await
    }
}

fn check() -> HealthCheck {
    HealthCheck {
        path: "/health".to_owned(),
        host: "check.a".to_owned(),
        interval: Span::from_millis(50),
        timeout: Span::from_secs(2),
        healthy: 2,
        unhealthy: 2,
        status: None,
    }
}

fn checked(routes: &mut RouteTable) {
    for backend in routes.backends.values_mut() {
        backend.health = Some(check());
    }
}

/// Asks until only this one answers, several times in a row.
async fn until_only(proxy: &mut Proxy, name: &str) {
    let only = async {
        let mut row = 0;
        while row < 6 {
            let answer = proxy.get("demo.a", "/").await;
            row = if answer.body == name { row + 1 } else { 0 };
        }
    };
    tokio::time::timeout(LONG, only)
        .await
        .expect("others still answer");
}

/// Asks until this one answers.
async fn until_also(proxy: &mut Proxy, name: &str) {
    let also = async { while proxy.get("demo.a", "/").await.body != name {} };
    tokio::time::timeout(LONG, also)
        .await
        .expect("it does not come back");
}

async fn metric(proxy: &mut Proxy, endpoint: &Server) -> Option<String> {
    let metrics = proxy.admin("/metrics").await.body;
    let name = format!("endpoint=\"{}\"}} ", endpoint.address);
    let line = metrics.lines().find(|line| line.contains(&name))?;
    assert!(
        line.starts_with("skep_proxy_endpoint_up{backend=\"demo.a/\","),
        "{line}"
    );
    line.split(' ').next_back().map(str::to_owned)
}

#[tokio::test]
async fn an_endpoint_that_fails_its_checks_is_left_out_until_they_are_good_again() {
    let (sick, fit) = (Moody::new("sick"), Moody::new("fit"));
    let (a, b) = (
        sick.start(Kind::default()).await,
        fit.start(Kind::default()).await,
    );
    let mut routes = table(&[("demo.a", "/", &[a.address, b.address])]);
    checked(&mut routes);
    let mut proxy = Proxy::serving(&routes).await;
    until_also(&mut proxy, "sick").await;
    sick.well.store(false, Relaxed);
    until_only(&mut proxy, "fit").await;
    assert_eq!(metric(&mut proxy, &a).await.as_deref(), Some("0"));
    assert_eq!(metric(&mut proxy, &b).await.as_deref(), Some("1"));
    assert!(
        proxy
            .admin("/debug/table")
            .await
            .body
            .contains("\"healthy\": false")
    );
    fit.well.store(false, Relaxed);
    // With none left all are asked: a wrong check must not take a service down.
    until_also(&mut proxy, "sick").await;
    fit.well.store(true, Relaxed);
    until_only(&mut proxy, "fit").await;
    sick.well.store(true, Relaxed);
    until_also(&mut proxy, "sick").await;
}

#[tokio::test]
async fn checks_end_with_their_endpoint_and_with_the_wish_for_them() {
    let it = Moody::new("it");
    let server = it.start(Kind::default()).await;
    let mut routes = table(&[("demo.a", "/", &[server.address])]);
    checked(&mut routes);
    let mut proxy = Proxy::serving(&routes).await;
    let checks = async {
        while it.checks.load(Relaxed) < 3 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LONG, checks)
        .await
        .expect("nobody checks");
    it.well.store(false, Relaxed);
    proxy
        .apply(&table(&[("demo.a", "/", &[server.address])]))
        .await;
    // One may be under way.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let last = it.checks.load(Relaxed);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(it.checks.load(Relaxed), last);
    assert_eq!(metric(&mut proxy, &server).await, None);
    assert!(
        proxy
            .admin("/debug/table")
            .await
            .body
            .contains("\"healthy\": true")
    );
}

#[tokio::test]
async fn endpoints_of_tls_and_of_http2_are_checked_too() {
    let authority = Authority::new();
    let tls = Kind {
        tls: Some(authority.server("app.internal", &["h2"])),
        ..Kind::default()
    };
    let h2 = Kind {
        h2: true,
        ..Kind::default()
    };
    for kind in [tls, h2] {
        let (sick, fit) = (Moody::new("sick"), Moody::new("fit"));
        let (a, b) = (
            sick.start(kind.clone()).await,
            fit.start(kind.clone()).await,
        );
        let mut routes = table(&[("demo.a", "/", &[a.address, b.address])]);
        checked(&mut routes);
        for backend in routes.backends.values_mut() {
            backend.protocol = BackendProtocol::Http2;
            backend.tls = kind.tls.as_ref().map(|_| BackendTls::default());
        }
        let mut proxy = Proxy::serving(&routes).await;
        until_also(&mut proxy, "sick").await;
        sick.well.store(false, Relaxed);
        until_only(&mut proxy, "fit").await;
        sick.well.store(true, Relaxed);
        until_also(&mut proxy, "sick").await;
    }
}

fn outlier(routes: &mut RouteTable, max_fails: u32, millis: u64) {
    for backend in routes.backends.values_mut() {
        backend.outlier = Some(Outlier {
            max_fails,
            fail_timeout: Span::from_millis(millis),
        });
    }
}

#[tokio::test]
async fn an_endpoint_that_fails_requests_is_left_out_for_a_while() {
    let (bad, fit) = (Moody::new("bad"), Moody::new("fit"));
    let (a, b) = (
        bad.start(Kind::default()).await,
        fit.start(Kind::default()).await,
    );
    let mut routes = table(&[("demo.a", "/", &[a.address, b.address])]);
    outlier(&mut routes, 3, 3_000);
    let mut proxy = Proxy::serving(&routes).await;
    bad.serving.store(false, Relaxed);
    let mut failed = 0;
    for _ in 0..20 {
        failed += u32::from(proxy.get("demo.a", "/").await.status == 503);
    }
    assert_eq!(failed, 3, "it is left out after the third");
    assert_eq!(metric(&mut proxy, &a).await.as_deref(), Some("0"));
    // The last one that is left is asked, however it does.
    fit.serving.store(false, Relaxed);
    for _ in 0..10 {
        assert_eq!(proxy.get("demo.a", "/").await.body, "fit");
    }
    bad.serving.store(true, Relaxed);
    fit.serving.store(true, Relaxed);
    until_also(&mut proxy, "bad").await;
}

#[tokio::test]
async fn an_endpoint_may_be_asked_whatever_it_fails() {
    let fit = teller(Kind::default(), "fit").await;
    let dead = nobody().await;
    let mut routes = table(&[("demo.a", "/", &[dead, fit.address])]);
    outlier(&mut routes, 0, 10_000);
    let mut proxy = Proxy::serving(&routes).await;
    for _ in 0..6 {
        assert_eq!(proxy.get("demo.a", "/").await.status, 200);
    }
    let metrics = proxy.admin("/metrics").await.body;
    assert!(
        metrics.contains("skep_proxy_upstream_connect_failures_total 3"),
        "{metrics}"
    );
}
