//! A client that still sends learns why it was refused.

use std::time::{Duration, Instant};

use skep::api::value::ByteSize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::harness::*;

/// Sends a head, lets the answer come, and sends on before it looks at it, as browsers do.
async fn upload(proxy: &mut Proxy, host: &str, pieces: usize) -> String {
    let mut client = proxy.connect().await;
    let head = format!("POST / HTTP/1.1\r\nhost: {host}\r\ncontent-length: 100000000\r\n\r\n");
    client.write_all(head.as_bytes()).await.unwrap();
    tokio::time::timeout(LONG, client.readable())
        .await
        .expect("no answer")
        .unwrap();
    for _ in 0..pieces {
        let sent = client.write_all(&[0; 8 << 10]).await;
        sent.expect("reset before the answer was read");
        // A reset takes its time to come back.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let mut answer = Vec::new();
    let read = client.read_to_end(&mut answer);
    let read = tokio::time::timeout(LONG, read).await.unwrap();
    read.expect("reset before the answer was read");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_refused_upload_ends_with_its_answer_and_not_with_a_reset() {
    let mut routes = table(&[("demo.a", "/", &[nobody().await])]);
    routes.listener.traffic.max_request_body = ByteSize(1000);
    let mut proxy = Proxy::serving(&routes).await;
    for (host, want) in [("demo.a", "413"), ("other.a", "404")] {
        let answer = upload(&mut proxy, host, 50).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {want}")), "{answer}");
    }
}

#[tokio::test]
async fn an_upload_without_end_is_cut() {
    let mut routes = table(&[("demo.a", "/", &[nobody().await])]);
    routes.listener.traffic.max_request_body = ByteSize(1000);
    let mut proxy = Proxy::serving(&routes).await;
    let mut client = proxy.connect().await;
    let head = "POST / HTTP/1.1\r\nhost: demo.a\r\ncontent-length: 1000000000\r\n\r\n";
    client.write_all(head.as_bytes()).await.unwrap();
    let piece = vec![0; 64 << 10];
    let endless = async { while client.write_all(&piece).await.is_ok() {} };
    tokio::time::timeout(LONG, endless).await.unwrap();
}

#[tokio::test]
async fn a_client_that_sends_nothing_more_is_let_go() {
    let mut routes = table(&[("demo.a", "/", &[nobody().await])]);
    routes.listener.traffic.max_request_body = ByteSize(1000);
    let mut proxy = Proxy::serving(&routes).await;
    let began = Instant::now();
    let answer = upload(&mut proxy, "demo.a", 0).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "the end is sent at once"
    );
}

#[tokio::test]
async fn curl_learns_why_its_upload_is_refused() {
    let mut routes = table(&[("demo.a", "/", &[nobody().await])]);
    routes.listener.traffic.max_request_body = ByteSize(1000);
    let mut proxy = Proxy::serving(&routes).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), vec![0; 3 << 20]).unwrap();
    let url = format!("http://{}/x", proxy.address().await);
    let data = format!("@{}", file.path().display());
    // Without `Expect` it sends at once, as browsers do.
    let curl = tokio::process::Command::new("curl")
        .args([
            "-s",
            "-H",
            "Host: demo.a",
            "-H",
            "Expect:",
            "--data-binary",
            &data,
        ])
        .args(["-w", "%{http_code}", &url])
        .output()
        .await
        .unwrap();
    let text = String::from_utf8_lossy(&curl.stdout);
    assert!(text.ends_with("413"), "{text}");
}
