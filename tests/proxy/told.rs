//! What an endpoint is told of the client and of the way, and what a client cannot make it believe.

use crate::harness::*;

fn has(answer: &Answer, line: &str) -> bool {
    answer.body.lines().any(|it| it == line)
}

#[tokio::test]
async fn a_client_cannot_hide_what_proxies_say_of_it() {
    let mut routes = table(&[("demo.a", "/", &[echo_heads().await])]);
    let mut proxy = Proxy::serving(&routes).await;
    let hides = [
        "host: demo.a",
        "authorization: Bearer 1",
        "x-request-id: forged",
        "x-hop: 1",
        "connection: x-request-id, x-forwarded-for, x-real-ip, authorization, x-hop",
    ];
    let answer = proxy.ask("GET /", &hides).await;
    let id = format!("x-request-id: {}", answer.header("x-request-id").unwrap());
    for line in [
        id.as_str(),
        "x-forwarded-for: 127.0.0.1",
        "x-real-ip: 127.0.0.1",
        "authorization: Bearer 1",
        "via: 1.1 skep",
    ] {
        assert!(has(&answer, line), "{line} is not in\n{}", answer.body);
    }
    assert!(!answer.body.contains("x-hop") && !answer.body.contains("forged"));
    routes.listener.traffic.trusted_hops = 1;
    proxy.apply(&routes).await;
    assert!(has(
        &proxy.ask("GET /", &hides).await,
        "x-request-id: forged"
    ));
}

#[tokio::test]
async fn no_header_makes_an_endpoint_take_the_client_for_another() {
    let mut routes = table(&[("demo.a", "/", &[echo_heads().await])]);
    let mut proxy = Proxy::serving(&routes).await;
    let lies = [
        "host: demo.a",
        "forwarded: for=6.6.6.6",
        "X-Forwarded-Prefix: /lie",
        "X-Forwarded-Server: lie",
        "X-Forwarded-Ssl: on",
        "X_Forwarded_For: 6.6.6.6",
        "True-Client-IP: 6.6.6.6",
        "X-Original-URL: /lie",
    ];
    let body = proxy.ask("GET /", &lies).await.body;
    for lie in ["6.6.6.6", "lie", "x-forwarded-ssl", "forwarded: "] {
        assert!(!body.contains(lie), "{lie} is in\n{body}");
    }
    routes.listener.traffic.trusted_hops = 1;
    proxy.apply(&routes).await;
    let answer = proxy.ask("GET /", &lies).await;
    assert!(has(&answer, "x-forwarded-prefix: /lie"), "{}", answer.body);
    assert!(!answer.body.contains("for=6.6.6.6"), "{}", answer.body);
}

#[tokio::test]
async fn a_prefix_that_is_cut_off_is_told() {
    let mut routes = table(&[("demo.a", "/app", &[echo_heads().await])]);
    routes
        .routes
        .values_mut()
        .for_each(|route| route.rewrite = true);
    let mut proxy = Proxy::serving(&routes).await;
    let answer = proxy.get("demo.a", "/app/x").await;
    assert!(answer.body.starts_with("GET /x "), "{}", answer.body);
    assert!(has(&answer, "x-forwarded-prefix: /app"), "{}", answer.body);
}

#[tokio::test]
async fn trailers_are_offered_to_the_endpoint_with_the_connection_option_they_need() {
    let mut proxy = Proxy::serving(&table(&[("demo.a", "/", &[echo_heads().await])])).await;
    let answer = proxy
        .ask("GET /", &["host: demo.a", "te: gzip, trailers"])
        .await;
    assert!(has(&answer, "te: trailers"), "{}", answer.body);
    assert!(has(&answer, "connection: te"), "{}", answer.body);
    let answer = proxy.ask("GET /", &["host: demo.a", "te: gzip"]).await;
    assert!(!answer.body.contains("te: "), "{}", answer.body);
}

#[tokio::test]
async fn no_list_of_protocols_smuggles_another_http_to_the_endpoint() {
    let mut proxy = Proxy::serving(&table(&[("demo.a", "/", &[echo_heads().await])])).await;
    let address = proxy.address().await;
    for (asks, want) in [
        ("websocket, h2c", Some("upgrade: websocket")),
        ("h2c, websocket", Some("upgrade: websocket")),
        ("h2c", None),
        ("HTTP/2.0", None),
    ] {
        let request = format!(
            "GET / HTTP/1.1\r\nhost: demo.a\r\nconnection: upgrade, close\r\nupgrade: {asks}\r\n\r\n"
        );
        let answer = ask(address, &request).await;
        assert!(!answer.body.contains("h2c"), "{}", answer.body);
        let got = answer
            .body
            .lines()
            .find(|line| line.starts_with("upgrade:"));
        assert_eq!(got, want, "{asks}");
    }
}
