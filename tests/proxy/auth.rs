//! Passwords: who is let in, who is not, and what happens when the file is not there.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use skep::route::{BasicAuth, Policy, RouteTable};

use crate::harness::*;
use crate::policy::with_policy;

/// `secret` by bcrypt at its lowest cost, and by `{SHA}`.
const FILE: &str = "alice:$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW\n\
                    bob:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n";

fn policy() -> Policy {
    Policy {
        basic_auth: Some(BasicAuth {
            realm: "team".to_owned(),
            secret: "team".to_owned(),
        }),
        ..Policy::default()
    }
}

fn proxy(secrets: &Path) -> Proxy {
    Proxy::with(|settings| settings.secrets_dir = secrets.into())
}

async fn login(proxy: &mut Proxy, path: &str, pair: &str) -> Answer {
    let authorization = format!("authorization: Basic {}", STANDARD.encode(pair));
    let headers = ["host: demo.a", &authorization];
    proxy.ask(&format!("GET {path}"), &headers).await
}

#[tokio::test]
async fn who_knows_a_password_is_let_in_and_the_application_does_not_learn_it() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("team"), FILE).unwrap();
    let mut proxy = proxy(dir.path());
    proxy
        .apply(&with_policy(&[echo_heads().await], policy()))
        .await;
    let no = proxy.get("demo.a", "/").await;
    assert_eq!((no.status, no.reason().as_str()), (401, "PasswordMissing"));
    assert_eq!(
        no.header("www-authenticate").unwrap(),
        "Basic realm=\"team\", charset=\"UTF-8\""
    );
    for user in ["alice", "bob", "alice"] {
        let yes = login(&mut proxy, "/", &format!("{user}:secret")).await;
        assert_eq!(yes.status, 200, "{user}");
        assert!(!yes.body.contains("authorization"), "{}", yes.body);
    }
    for pair in ["alice:Secret", "bob:", "carol:secret"] {
        let no = login(&mut proxy, "/", pair).await;
        assert_eq!((no.status, no.reason().as_str()), (401, "PasswordWrong"));
    }
}

#[tokio::test]
async fn a_client_that_guesses_is_stopped_while_others_are_served_also_after_a_change() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("team"), FILE).unwrap();
    let mut proxy = proxy(dir.path());
    let mut routes = with_policy(&[echo_heads().await], policy());
    routes.listener.traffic.trusted_hops = 1;
    proxy.apply(&routes).await;
    let from = async |client: &str, pair: &str, proxy: &mut Proxy| {
        let authorization = format!("authorization: Basic {}", STANDARD.encode(pair));
        let client = format!("x-forwarded-for: {client}");
        let headers = ["host: demo.a", &authorization, &client];
        proxy.ask("GET /", &headers).await.status
    };
    assert_eq!(from("10.0.0.9", "alice:secret", &mut proxy).await, 200);
    for guess in 0..10 {
        let pair = format!("alice:{guess}");
        assert_eq!(from("10.0.0.1", &pair, &mut proxy).await, 401);
    }
    assert_eq!(from("10.0.0.1", "alice:x", &mut proxy).await, 429);
    routes
        .backends
        .values_mut()
        .for_each(|it| it.service.push('2'));
    let headers = &mut routes
        .routes
        .get_mut("demo.a/")
        .unwrap()
        .policy
        .response_headers;
    headers.set.insert("x-new".to_owned(), "1".to_owned());
    proxy.apply(&routes).await;
    assert_eq!(from("10.0.0.1", "alice:x", &mut proxy).await, 429);
    assert_eq!(from("10.0.0.1", "bob:x", &mut proxy).await, 429);
    assert_eq!(from("10.0.0.2", "bob:secret", &mut proxy).await, 200);
    // Known from before, so it is not looked at anew.
    assert_eq!(from("10.0.0.1", "alice:secret", &mut proxy).await, 200);
}

/// `/` is open, `/admin` asks for a password.
fn half_open(echo: std::net::SocketAddr, secret: &str) -> RouteTable {
    let mut routes = table(&[("demo.a", "/", &[echo]), ("demo.a", "/admin", &[echo])]);
    let mut policy = policy();
    secret.clone_into(&mut policy.basic_auth.as_mut().unwrap().secret);
    routes.routes.get_mut("demo.a/admin").unwrap().policy = policy;
    routes
}

#[tokio::test]
async fn a_route_without_its_file_is_refused_by_name_and_never_served_open() {
    let dir = tempfile::tempdir().unwrap();
    let echo = echo_heads().await;
    let mut proxy = proxy(dir.path());
    let why = proxy.try_apply(&half_open(echo, "team")).await.unwrap_err();
    assert!(
        why.starts_with("demo.a/admin: secret `team`: it is not mounted"),
        "{why}"
    );
    assert_eq!(proxy.get("demo.a", "/").await.status, 200);
    let closed = proxy.get("demo.a", "/admin/x").await;
    assert_eq!(
        (closed.status, closed.reason().as_str()),
        (503, "RouteClosed")
    );
    // The file comes.
    std::fs::write(dir.path().join("team"), FILE).unwrap();
    proxy
        .try_apply(&table(&[("demo.a", "/", &[echo])]))
        .await
        .unwrap();
    proxy.try_apply(&half_open(echo, "team")).await.unwrap();
    assert_eq!(proxy.get("demo.a", "/admin/x").await.status, 401);
    assert_eq!(
        login(&mut proxy, "/admin/x", "bob:secret").await.status,
        200
    );
    // A change to a file that cannot be used: the last good one stays.
    std::fs::write(dir.path().join("other"), "bob:plain").unwrap();
    let why = proxy
        .try_apply(&half_open(echo, "other"))
        .await
        .unwrap_err();
    assert!(
        why.starts_with("demo.a/admin: secret `other`: line 1"),
        "{why}"
    );
    assert!(!why.contains("plain"), "{why}");
    assert_eq!(proxy.get("demo.a", "/admin/x").await.status, 401);
    assert_eq!(
        login(&mut proxy, "/admin/x", "bob:secret").await.status,
        200
    );
}

#[tokio::test]
async fn a_route_that_was_open_is_closed_when_its_first_password_file_cannot_be_used() {
    let (state, secrets) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(secrets.path().join("garbage"), "no user here").unwrap();
    let start = || {
        Proxy::with(|settings| {
            settings.state_dir = Some(state.path().into());
            settings.secrets_dir = secrets.path().into();
        })
    };
    let echo = echo_heads().await;
    let mut proxy = start();
    let mut routes = half_open(echo, "garbage");
    let asks = routes.routes["demo.a/admin"].policy.clone();
    routes.routes.get_mut("demo.a/admin").unwrap().policy = Policy::default();
    proxy.apply(&routes).await;
    assert_eq!(proxy.get("demo.a", "/admin").await.status, 200);
    routes.routes.get_mut("demo.a/admin").unwrap().policy = asks;
    proxy.try_apply(&routes).await.unwrap_err();
    assert_eq!(proxy.get("demo.a", "/admin").await.status, 503);
    // Nor does a restart open it again.
    proxy.stop.cancel();
    tokio::time::timeout(LONG, proxy.task)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    let mut proxy = start();
    assert_eq!(proxy.get("demo.a", "/").await.status, 200);
    assert_eq!(proxy.get("demo.a", "/admin").await.status, 503);
}

#[tokio::test]
async fn a_closed_route_is_closed_after_restarts_without_an_operator() {
    let (state, secrets) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let start = || {
        Proxy::with(|settings| {
            settings.state_dir = Some(state.path().into());
            settings.secrets_dir = secrets.path().into();
        })
    };
    let mut proxy = start();
    let routes = half_open(echo_heads().await, "team");
    proxy.try_apply(&routes).await.unwrap_err();
    for _ in 0..2 {
        assert_eq!(proxy.get("demo.a", "/").await.status, 200);
        assert_eq!(proxy.get("demo.a", "/admin").await.status, 503);
        proxy.stop.cancel();
        proxy.task.await.unwrap().unwrap();
        proxy = start();
    }
    std::fs::write(secrets.path().join("team"), FILE).unwrap();
    proxy.try_apply(&routes).await.unwrap();
    assert_eq!(proxy.get("demo.a", "/admin").await.status, 401);
}

#[tokio::test]
async fn a_protected_path_has_no_other_way_in() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("team"), FILE).unwrap();
    let mut proxy = proxy(dir.path());
    proxy.apply(&half_open(echo_heads().await, "team")).await;
    for path in [
        "/admin",
        "/admin/",
        "/admin?x",
        "http://demo.a/admin",
        "//admin",
        "/%61dmin",
        "/admin%2Fx",
        "/admin%5cx",
        "/admin;x=1/y",
        "/x/../admin",
        "/x/%2e%2e/admin",
        "/./admin",
        "/x/..;/admin",
        "/x//../../admin/y/..//..",
        "/admin/../admin",
        "/admin%00",
    ] {
        let status = proxy.get("demo.a", path).await.status;
        assert!(status == 401 || status == 400, "{path}: {status}");
    }
}
