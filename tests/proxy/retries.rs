//! When a request is sent again, and when not.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use http::{Response, StatusCode};
use skep::api::value::Span;
use skep::route::{Retries, RouteTable};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::harness::*;
use crate::servers::*;

fn retrying(attempts: u32, statuses: &[u16], endpoints: &[SocketAddr]) -> RouteTable {
    let mut routes = table(&[("demo.a", "/", endpoints)]);
    for route in routes.routes.values_mut() {
        route.policy.retries = Some(Retries {
            attempts,
            statuses: statuses.iter().copied().collect(),
        });
    }
    routes
}

/// A server that answers 503 so many times, then 200, and how often it was asked.
async fn failing(times: usize) -> (Server, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let server = serve(Kind::default(), move |_| {
        let at = count.fetch_add(1, Relaxed);
        Box::pin(async move {
            let mut answer = Response::new(text_body(format!("answer {at}")));
            if at < times {
                *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            }
            answer
        })
    })
    .await;
    (server, asked)
}

#[tokio::test]
async fn an_answer_of_a_listed_status_is_tried_again_elsewhere() {
    let ((bad, _), good) = (failing(1_000).await, teller(Kind::default(), "good").await);
    let routes = retrying(1, &[503], &[bad.address, good.address]);
    let mut proxy = Proxy::serving(&routes).await;
    for _ in 0..6 {
        let answer = proxy.get("demo.a", "/").await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let mut client = h2_client(proxy.address().await, 65_535).await;
    for _ in 0..4 {
        let request = http::Request::get("http://demo.a/").body(empty_body());
        let answer = client.send_request(request.unwrap()).await.unwrap();
        assert_eq!(answer.status(), 200);
    }
}

#[tokio::test]
async fn one_endpoint_is_asked_again_when_there_is_no_other_and_the_last_answer_is_passed_on() {
    let (server, asked) = failing(2).await;
    let mut proxy = Proxy::serving(&retrying(2, &[503], &[server.address])).await;
    let answer = proxy.get("demo.a", "/").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "answer 2"));
    assert_eq!(asked.load(Relaxed), 3);
    let (server, asked) = failing(1_000).await;
    proxy.apply(&retrying(2, &[503], &[server.address])).await;
    let answer = proxy.get("demo.a", "/").await;
    assert_eq!((answer.status, answer.body.as_str()), (503, "answer 2"));
    assert_eq!(asked.load(Relaxed), 3);
}

#[tokio::test]
async fn what_may_have_been_acted_on_is_not_sent_again() {
    let (server, asked) = failing(1_000).await;
    let mut proxy = Proxy::serving(&retrying(3, &[503], &[server.address])).await;
    let address = proxy.address().await;
    for request in [
        "POST / HTTP/1.1\r\nhost: demo.a\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
        "PUT / HTTP/1.1\r\nhost: demo.a\r\nconnection: close\r\ncontent-length: 1\r\n\r\nx",
    ] {
        let before = asked.load(Relaxed);
        assert_eq!(ask(address, request).await.status, 503);
        assert_eq!(asked.load(Relaxed), before + 1, "{request}");
    }
    // Another status is not listed.
    proxy.apply(&retrying(3, &[500], &[server.address])).await;
    let before = asked.load(Relaxed);
    assert_eq!(proxy.get("demo.a", "/").await.status, 503);
    assert_eq!(asked.load(Relaxed), before + 1);
}

/// An endpoint that ends its connections when it has heard a request, and how many it has heard.
async fn rude() -> (SocketAddr, Arc<AtomicUsize>) {
    let heard = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&heard);
    let address = endpoint(move |mut stream| {
        let count = Arc::clone(&count);
        async move {
            read_until(&mut stream, "\r\n\r\n").await;
            count.fetch_add(1, Relaxed);
        }
    });
    (address.await, heard)
}

#[tokio::test]
async fn a_broken_exchange_is_sent_once_more_unless_a_policy_says_otherwise() {
    let good = teller(Kind::default(), "good").await.address;
    let (one, two, three) = (rude().await, rude().await, rude().await);
    let mut proxy = Proxy::serving(&table(&[("demo.a", "/", &[one.0, good])])).await;
    for _ in 0..4 {
        assert_eq!(proxy.get("demo.a", "/").await.status, 200);
    }
    assert!(one.1.load(Relaxed) > 0);
    proxy
        .apply(&table(&[("demo.a", "/", &[one.0, two.0, three.0])]))
        .await;
    let before = [&one, &two, &three].map(|it| it.1.load(Relaxed));
    assert_eq!(proxy.get("demo.a", "/").await.status, 502);
    let after = [&one, &two, &three].map(|it| it.1.load(Relaxed));
    let heard = after.iter().sum::<usize>() - before.iter().sum::<usize>();
    assert_eq!(heard, 2, "a request brings down one endpoint after another");
    for (attempts, want) in [(1, 200), (0, 502)] {
        let rude = rude().await.0;
        proxy.apply(&retrying(attempts, &[], &[rude, good])).await;
        let mut statuses = Vec::new();
        for _ in 0..4 {
            statuses.push(proxy.get("demo.a", "/").await.status);
        }
        assert!(statuses.contains(&want), "{attempts}: {statuses:?}");
        assert_eq!(statuses.contains(&502), attempts == 0, "{statuses:?}");
    }
}

#[tokio::test]
async fn a_post_that_broke_is_not_sent_again() {
    let (good, rude) = (teller(Kind::default(), "good").await.address, rude().await);
    let mut proxy = Proxy::serving(&table(&[("demo.a", "/", &[rude.0, good])])).await;
    let address = proxy.address().await;
    let post = "POST / HTTP/1.1\r\nhost: demo.a\r\nconnection: close\r\ncontent-length: 1\r\n\r\nx";
    let statuses = [
        ask(address, post).await.status,
        ask(address, post).await.status,
    ];
    assert!(statuses.contains(&502), "{statuses:?}");
    // Then it is known, and the other is asked first.
    for _ in 0..4 {
        assert_eq!(ask(address, post).await.status, 200);
    }
    assert_eq!(rude.1.load(Relaxed), 1);
}

#[tokio::test]
async fn a_late_answer_counts_as_504() {
    let silent = endpoint(|mut stream| async move {
        let _ = stream.read_to_end(&mut Vec::new()).await;
    });
    let (silent, good) = (silent.await, teller(Kind::default(), "good").await.address);
    let mut routes = retrying(1, &[504], &[silent, good]);
    for route in routes.routes.values_mut() {
        route.policy.request_timeout = Some(Span::from_millis(100));
    }
    let mut proxy = Proxy::serving(&routes).await;
    for _ in 0..4 {
        assert_eq!(proxy.get("demo.a", "/").await.status, 200);
    }
}

#[tokio::test]
async fn a_route_has_timeouts_of_its_own() {
    let slow = endpoint(|mut stream| async move {
        loop {
            if read_until(&mut stream, "\r\n\r\n").await.is_empty() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(600)).await;
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
            if stream.write_all(answer).await.is_err() {
                return;
            }
        }
    });
    let slow = slow.await;
    let mut routes = table(&[("quick.a", "/", &[slow]), ("slow.a", "/", &[slow])]);
    routes.listener.traffic.timeouts.request = Span::from_millis(300);
    for route in routes.routes.values_mut() {
        let own = if route.host == "slow.a" { 5_000 } else { 100 };
        route.policy.request_timeout = Some(Span::from_millis(own));
    }
    let mut proxy = Proxy::serving(&routes).await;
    let quick = proxy.get("quick.a", "/").await;
    assert_eq!(quick.status, 504);
    assert!(quick.body.contains("within 100ms"), "{}", quick.body);
    assert_eq!(proxy.get("slow.a", "/").await.status, 200);
}

#[tokio::test]
async fn an_endpoint_that_closes_at_once_is_a_502_and_others_are_asked() {
    let closing = endpoint(|stream| async move { drop(stream) });
    let (closing, good) = (closing.await, teller(Kind::default(), "good").await.address);
    let routes = table(&[
        ("alone.a", "/", &[closing]),
        ("demo.a", "/", &[closing, good]),
    ]);
    let mut proxy = Proxy::serving(&routes).await;
    let alone = proxy.get("alone.a", "/").await;
    assert_eq!(alone.status, 502, "{alone:?}");
    for _ in 0..4 {
        assert_eq!(proxy.get("demo.a", "/").await.status, 200);
    }
}

#[tokio::test]
async fn answers_before_the_answer_do_no_harm() {
    let early = endpoint(|mut stream| async move {
        loop {
            if read_until(&mut stream, "\r\n\r\n").await.is_empty() {
                return;
            }
            let answer = "HTTP/1.1 103 Early Hints\r\nlink: </x.css>\r\n\r\n\
                          HTTP/1.1 102 Processing\r\n\r\n\
                          HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let mut proxy = Proxy::serving(&table(&[("demo.a", "/", &[early.await])])).await;
    for _ in 0..3 {
        let answer = proxy.get("demo.a", "/").await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "ok"));
    }
}

#[tokio::test]
async fn an_upgrade_is_asked_for_on_a_connection_of_its_own() {
    // The endpoint ends each connection a moment after its answer, as idle ones end.
    let ending = endpoint(|mut stream| async move {
        let head = read_until(&mut stream, "\r\n\r\n").await;
        let answer = if head.contains("upgrade: echo") {
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nhello"
        } else {
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
        };
        stream.write_all(answer.as_bytes()).await.unwrap();
        // Not closed yet, but it takes no further request.
        read_until(&mut stream, "\r\n\r\n").await;
    });
    let mut proxy = Proxy::serving(&table(&[("demo.a", "/", &[ending.await])])).await;
    for _ in 0..5 {
        assert_eq!(proxy.get("demo.a", "/").await.status, 200);
        let mut client = proxy.connect().await;
        let ask = b"GET / HTTP/1.1\r\nhost: demo.a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
        client.write_all(ask).await.unwrap();
        let heard = read_until(&mut client, "hello").await;
        assert!(heard.starts_with("HTTP/1.1 101"), "{heard}");
    }
}
