//! What an endpoint gets, and what a client gets back.

use tokio::io::AsyncWriteExt as _;

use crate::harness::*;

#[tokio::test]
async fn requests_are_routed_by_host_in_any_case_and_by_path() {
    let echo = echo_heads().await;
    let mut proxy = Proxy::serving(&table(&[("demo.a", "/app", &[echo])])).await;
    assert_eq!(proxy.get("demo.A:8080", "/app/x").await.status, 200);
    assert_eq!(proxy.get("DEMO.a.", "/app").await.status, 200);
    let none = proxy.get("other.a", "/").await;
    assert_eq!(none.status, 404);
    assert_eq!(none.body, "no route for host other.a\n");
    assert!(
        none.head.contains("x-skep-reason: NoRoute"),
        "{}",
        none.head
    );
    assert!(none.head.contains("x-request-id: "), "{}", none.head);
    assert_eq!(proxy.get("demo.a", "/apple").await.status, 404);
    assert_eq!(proxy.get("a b", "/").await.status, 400);
}

#[tokio::test]
async fn an_endpoint_learns_of_the_client_and_not_of_the_hop() {
    let echo = echo_heads().await;
    let mut proxy = Proxy::serving(&table(&[("demo.a", "/", &[echo])])).await;
    let request = "GET /x?q=1 HTTP/1.1\r\nHost: Demo.A:81\r\nConnection: close, x-hop\r\nx-hop: 1\r\n\
                   keep-alive: 5\r\nx-forwarded-for: 6.6.6.6\r\nx-kept: yes\r\n\r\n";
    let answer = ask(proxy.address().await, request).await;
    for line in [
        "GET /x?q=1 HTTP/1.1",
        "host: Demo.A:81",
        "x-forwarded-for: 127.0.0.1",
        "x-real-ip: 127.0.0.1",
        "x-forwarded-proto: http",
        "x-forwarded-host: Demo.A:81",
        "x-forwarded-port: 81",
        "x-kept: yes",
    ] {
        assert!(
            answer.body.lines().any(|it| it == line),
            "{line} is not in\n{}",
            answer.body
        );
    }
    for name in ["x-hop", "keep-alive", "connection", "6.6.6.6"] {
        assert!(!answer.body.contains(name), "{name} is in\n{}", answer.body);
    }
    let id = answer
        .body
        .lines()
        .find(|line| line.starts_with("x-request-id: "))
        .unwrap();
    assert!(
        answer.head.lines().any(|line| line == id),
        "the client is not told its {id}"
    );
}

#[tokio::test]
async fn a_prefix_is_cut_off_where_the_route_says_so() {
    let mut routes = table(&[("demo.a", "/app", &[echo_heads().await])]);
    routes
        .routes
        .values_mut()
        .for_each(|route| route.rewrite = true);
    let mut proxy = Proxy::serving(&routes).await;
    for (path, want) in [
        ("/app", "/"),
        ("/app?q=1", "/?q=1"),
        ("/app/x/y?q=1", "/x/y?q=1"),
        ("/app//x", "/x"),
        ("http://demo.a/app/x", "/x"),
    ] {
        let body = proxy.get("demo.a", path).await.body;
        assert!(
            body.starts_with(&format!("GET {want} HTTP/1.1")),
            "{path}: {body}"
        );
    }
}

#[tokio::test]
async fn the_host_of_the_target_wins_over_the_header() {
    let mut proxy = Proxy::serving(&table(&[("demo.a", "/", &[echo_heads().await])])).await;
    let body = proxy.get("other.b", "http://demo.a/x").await.body;
    assert!(body.starts_with("GET /x HTTP/1.1"), "{body}");
    assert!(body.contains("\r\nhost: demo.a\r\n"), "{body}");
    let options = "OPTIONS * HTTP/1.1\r\nhost: demo.a\r\nconnection: close\r\n\r\n";
    let body = ask(proxy.address().await, options).await.body;
    assert!(body.starts_with("OPTIONS * HTTP/1.1"), "{body}");
    let connect = "CONNECT demo.a:443 HTTP/1.1\r\nhost: demo.a:443\r\n\r\n";
    assert_eq!(ask(proxy.address().await, connect).await.status, 405);
}

#[tokio::test]
async fn head_keeps_the_length_and_the_connection() {
    let mut proxy = Proxy::serving(&table(&[("demo.a", "/", &[echo_heads().await])])).await;
    let mut client = proxy.connect().await;
    for _ in 0..3 {
        client
            .write_all(b"HEAD / HTTP/1.1\r\nhost: demo.a\r\n\r\n")
            .await
            .unwrap();
        let head = read_until(&mut client, "\r\n\r\n").await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        assert!(length.unwrap().parse::<u32>().unwrap() > 0, "{head}");
    }
}

#[tokio::test]
async fn bodies_stream_both_ways_step_by_step() {
    // Each side waits for the other's last piece before it sends its next: a proxy that gathers
    // anything stops here.
    let echo = endpoint(|mut stream| async move {
        read_until(&mut stream, "\r\n\r\n").await;
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        for _ in 0..3 {
            let piece = read_until(&mut stream, "!\r\n").await;
            stream.write_all(piece.as_bytes()).await.unwrap();
        }
        read_until(&mut stream, "0\r\n\r\n").await;
        stream.write_all(b"0\r\n\r\n").await.unwrap();
    })
    .await;
    let mut proxy = Proxy::serving(&table(&[("demo.a", "/", &[echo])])).await;
    let mut client = proxy.connect().await;
    let head = "GET / HTTP/1.1\r\nhost: demo.a\r\ntransfer-encoding: chunked\r\n\r\n";
    client.write_all(head.as_bytes()).await.unwrap();
    read_until(&mut client, "\r\n\r\n").await;
    for piece in ["one!", "two!", "ten!"] {
        client
            .write_all(format!("4\r\n{piece}\r\n").as_bytes())
            .await
            .unwrap();
        assert_eq!(
            read_until(&mut client, "!\r\n").await,
            format!("4\r\n{piece}\r\n")
        );
    }
    client.write_all(b"0\r\n\r\n").await.unwrap();
    assert_eq!(read_until(&mut client, "0\r\n\r\n").await, "0\r\n\r\n");
}

#[tokio::test]
async fn an_upgraded_connection_carries_bytes_both_ways() {
    let echo = endpoint(|mut stream| async move {
        let head = read_until(&mut stream, "\r\n\r\n").await;
        assert!(head.contains("upgrade: websocket\r\n") && head.contains("connection: upgrade\r\n"));
        let answer = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: x\r\n\r\nhello.";
        stream.write_all(answer.as_bytes()).await.unwrap();
        let (mut from, mut to) = stream.split();
        tokio::io::copy(&mut from, &mut to).await.unwrap();
    })
    .await;
    let mut proxy = Proxy::serving(&table(&[("demo.a", "/", &[echo])])).await;
    let mut client = proxy.connect().await;
    let ask = "GET /ws HTTP/1.1\r\nhost: demo.a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n";
    client.write_all(ask.as_bytes()).await.unwrap();
    let head = read_until(&mut client, "\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    assert!(
        head.contains("upgrade: websocket") && head.contains("sec-websocket-accept: x"),
        "{head}"
    );
    assert_eq!(read_until(&mut client, ".").await, "hello.");
    for text in ["ping.", "pong."] {
        client.write_all(text.as_bytes()).await.unwrap();
        assert_eq!(read_until(&mut client, ".").await, text);
    }
}

#[tokio::test]
async fn http2_with_prior_knowledge_is_served() {
    let mut proxy = Proxy::serving(&table(&[("demo.a", "/", &[echo_heads().await])])).await;
    let url = format!("http://{}/x", proxy.address().await);
    let curl = tokio::process::Command::new("curl")
        .args([
            "-sS",
            "--http2-prior-knowledge",
            "-H",
            "Host: demo.a",
            "-d",
            "body",
            "-w",
            "%{http_code} %{http_version}",
            &url,
        ])
        .output()
        .await
        .unwrap();
    let text = String::from_utf8_lossy(&curl.stdout);
    assert!(text.ends_with("200 2"), "{curl:?}");
    assert!(
        text.contains("POST /x HTTP/1.1\r\n") && text.contains("host: demo.a\r\n"),
        "{text}"
    );
}

#[tokio::test]
async fn a_dead_endpoint_costs_no_request() {
    let dead = nobody().await;
    let mut proxy = Proxy::serving(&table(&[("demo.a", "/", &[dead, echo_heads().await])])).await;
    for _ in 0..20 {
        assert_eq!(proxy.get("demo.a", "/").await.status, 200);
    }
    let metrics = proxy.admin("/metrics").await.body;
    assert!(
        metrics.contains("skep_proxy_upstream_connect_failures_total 1\n"),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_kept_connection_that_its_endpoint_closed_costs_no_request() {
    // The endpoint says it keeps the connection, then closes it after the first answer.
    let fickle = endpoint(|mut stream| async move {
        read_until(&mut stream, "\r\n\r\n").await;
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            .await;
    })
    .await;
    let mut proxy = Proxy::serving(&table(&[("demo.a", "/", &[fickle])])).await;
    for _ in 0..20 {
        assert_eq!(proxy.get("demo.a", "/").await.status, 200);
    }
}
