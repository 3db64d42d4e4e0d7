//! Cross-origin requests, as browsers make them.

use skep::api::value::Span;
use skep::route::{BasicAuth, Cors, Policy};

use crate::harness::*;
use crate::policy::with_policy;

fn rules(origins: &[&str], credentials: bool) -> Cors {
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Cors {
        origins: set(origins),
        methods: set(&["GET", "PUT"]),
        headers: set(&["content-type", "x-token"]),
        expose: set(&["x-total"]),
        credentials,
        max_age: Some(Span::from_millis(600_000)),
    }
}

fn policy(cors: Cors) -> Policy {
    Policy {
        cors: Some(cors),
        ..Policy::default()
    }
}

const PREFLIGHT: [&str; 3] = [
    "host: demo.a",
    "access-control-request-method: PUT",
    "access-control-request-headers: x-token",
];

fn from<'a>(origin: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
    [rest, &[origin]].concat()
}

#[tokio::test]
async fn a_preflight_is_answered_by_the_proxy_before_it_asks_for_a_password() {
    let mut policy = policy(rules(&["https://app.example.com"], true));
    policy.basic_auth = Some(BasicAuth {
        realm: "r".to_owned(),
        secret: "team".to_owned(),
    });
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join("team"),
        "bob:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
    )
    .unwrap();
    let mut proxy = Proxy::with(|settings| settings.secrets_dir = dir.path().into());
    proxy.apply(&with_policy(&[nobody().await], policy)).await;
    let asks = from("origin: https://app.example.com", &PREFLIGHT);
    let answer = proxy.ask("OPTIONS /x", &asks).await;
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    assert_eq!(answer.header("content-length"), None);
    for (name, want) in [
        ("access-control-allow-origin", "https://app.example.com"),
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-methods", "GET, PUT"),
        ("access-control-allow-headers", "content-type, x-token"),
        ("access-control-max-age", "600"),
    ] {
        assert_eq!(answer.header(name).as_deref(), Some(want), "{name}");
    }
    let vary = answer.header("vary").unwrap();
    assert!(vary.contains("origin") && vary.contains("access-control-request-headers"));
    let other = from("origin: https://evil.com", &PREFLIGHT);
    let no = proxy.ask("OPTIONS /x", &other).await;
    assert_eq!((no.status, no.reason().as_str()), (403, "OriginNotAllowed"));
    assert_eq!(no.header("access-control-allow-origin"), None);
    // Not a preflight: a password is needed, and the script may read that it is.
    let asks = from("origin: https://app.example.com", &["host: demo.a"]);
    let answer = proxy.ask("OPTIONS /x", &asks).await;
    assert_eq!(answer.status, 401);
    let origin = answer.header("access-control-allow-origin").unwrap();
    assert_eq!(origin, "https://app.example.com");
}

#[tokio::test]
async fn answers_are_marked_for_the_origin_whatever_the_application_says() {
    let app = endpoint(|mut stream| async move {
        use tokio::io::AsyncWriteExt as _;
        read_until(&mut stream, "\r\n\r\n").await;
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nvary: accept\r\naccess-control-allow-origin: *\r\naccess-control-allow-credentials: true\r\n\r\n";
        let _ = stream.write_all(answer.as_bytes()).await;
    })
    .await;
    let rules = rules(&["https://*.example.com"], false);
    let mut proxy = Proxy::serving(&with_policy(&[app], policy(rules))).await;
    let good = from("origin: https://x.example.com", &["host: demo.a"]);
    let answer = proxy.ask("GET /", &good).await;
    let origin = answer.header("access-control-allow-origin");
    assert_eq!(origin.as_deref(), Some("https://x.example.com"));
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    assert_eq!(
        answer.header("access-control-expose-headers").unwrap(),
        "x-total"
    );
    assert_eq!(answer.header("vary").unwrap(), "accept, origin");
    for other in [
        "origin: https://example.com",
        "origin: null",
        "x-no-origin: 1",
    ] {
        let answer = proxy.ask("GET /", &from(other, &["host: demo.a"])).await;
        assert_eq!(answer.status, 200);
        assert_eq!(
            answer.header("access-control-allow-origin"),
            None,
            "{other}"
        );
        assert_eq!(answer.header("vary").unwrap(), "accept, origin", "{other}");
    }
}

#[tokio::test]
async fn any_origin_is_let_in_without_credentials_only() {
    let echo = echo_heads().await;
    let mut proxy = Proxy::serving(&with_policy(&[echo], policy(rules(&["*"], true)))).await;
    let asks = from("origin: https://any.where", &["host: demo.a"]);
    let answer = proxy.ask("GET /", &asks).await;
    assert_eq!(answer.header("access-control-allow-origin").unwrap(), "*");
    assert_eq!(answer.header("access-control-allow-credentials"), None);
}

#[tokio::test]
async fn a_preflight_goes_to_the_route_of_the_method_that_it_asks_for() {
    let mut routes = with_policy(
        &[echo_heads().await],
        policy(rules(&["https://a.b"], false)),
    );
    let mut route = routes.routes.remove("demo.a/").unwrap();
    route.when.methods.insert("PUT".to_owned());
    routes.routes.insert(route.name(), route);
    let mut proxy = Proxy::serving(&routes).await;
    let asks = from("origin: https://a.b", &PREFLIGHT);
    assert_eq!(proxy.ask("OPTIONS /x", &asks).await.status, 204);
    let other = [
        "host: demo.a",
        "origin: https://a.b",
        "access-control-request-method: GET",
    ];
    assert_eq!(proxy.ask("OPTIONS /x", &other).await.status, 404);
}
