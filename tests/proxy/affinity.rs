//! Clients that stay with an endpoint.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use skep::route::{Affinity, RouteTable};
use tokio::io::AsyncWriteExt as _;

use crate::harness::*;
use crate::servers::{Kind, teller};

fn sticky(affinity: &Affinity, endpoints: &[SocketAddr]) -> RouteTable {
    let mut routes = table(&[("demo.a", "/", endpoints)]);
    for route in routes.routes.values_mut() {
        route.policy.affinity = affinity.clone();
    }
    routes
}

fn by_cookie() -> Affinity {
    Affinity::Cookie("sid".to_owned())
}

async fn three() -> Vec<SocketAddr> {
    let mut all = Vec::new();
    for name in ["one", "two", "three"] {
        all.push(teller(Kind::default(), name).await.address);
    }
    all
}

/// Who answers, and the cookie that is set (name and value).
async fn who(proxy: &mut Proxy, headers: &str) -> (String, Option<String>) {
    let request = format!("GET / HTTP/1.1\r\nhost: demo.a\r\nconnection: close\r\n{headers}\r\n");
    let answer = ask(proxy.address().await, &request).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let set = answer
        .head
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: "));
    let name = answer
        .body
        .lines()
        .find_map(|line| line.split_once(" GET "));
    let pair = set.map(|set| set.split(';').next().unwrap().to_owned());
    if let Some(set) = set {
        assert!(set.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{set}");
    }
    (name.unwrap().0.to_owned(), pair)
}

#[tokio::test]
async fn the_first_answer_names_its_endpoint_and_the_client_stays_with_it() {
    let mut proxy = Proxy::serving(&sticky(&by_cookie(), &three().await)).await;
    for _ in 0..3 {
        let (first, cookie) = who(&mut proxy, "").await;
        let cookie = cookie.expect("no cookie is set");
        assert!(cookie.starts_with("skep-sid="), "{cookie}");
        for _ in 0..5 {
            let again = who(&mut proxy, &format!("cookie: x=1; {cookie}\r\n")).await;
            assert_eq!(again, (first.clone(), None));
        }
    }
}

#[tokio::test]
async fn clients_without_a_cookie_are_balanced() {
    let mut proxy = Proxy::serving(&sticky(&by_cookie(), &three().await)).await;
    let mut seen = BTreeSet::new();
    for _ in 0..6 {
        seen.insert(who(&mut proxy, "").await.0);
    }
    assert_eq!(seen.len(), 3, "{seen:?}");
}

#[tokio::test]
async fn a_client_whose_endpoint_is_gone_gets_another_and_a_new_cookie() {
    let mut endpoints = three().await;
    let mut proxy = Proxy::serving(&sticky(&by_cookie(), &endpoints)).await;
    let (name, cookie) = who(&mut proxy, "").await;
    let at = ["one", "two", "three"].iter().position(|it| *it == name);
    endpoints.remove(at.unwrap());
    proxy.apply(&sticky(&by_cookie(), &endpoints)).await;
    let old = format!("cookie: {}\r\n", cookie.unwrap());
    let (other, new) = who(&mut proxy, &old).await;
    assert_ne!(other, name);
    let new = format!("cookie: {}\r\n", new.expect("no new cookie is set"));
    assert_eq!(who(&mut proxy, &new).await, (other, None));
}

#[tokio::test]
async fn a_client_whose_endpoint_takes_no_connection_is_served_by_another() {
    let live = teller(Kind::default(), "live").await.address;
    let dying = endpoint(|mut stream| async move {
        read_until(&mut stream, "\r\n\r\n").await;
        let answer =
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 11\r\n\r\ndying GET /";
        let _ = stream.write_all(answer.as_bytes()).await;
    });
    let dying = dying.await;
    let routes = sticky(&by_cookie(), &[dying, live]);
    let mut proxy = Proxy::serving(&routes).await;
    let mut cookie = None;
    while cookie.is_none() {
        let (name, set) = who(&mut proxy, "").await;
        cookie = set.filter(|_| name == "dying");
    }
    let dead = nobody().await;
    let mut routes = sticky(&by_cookie(), &[dead, live]);
    for endpoint in routes
        .backends
        .values_mut()
        .flat_map(|it| &mut it.endpoints)
    {
        if endpoint.address == dead {
            endpoint.id = dying.to_string();
        }
    }
    proxy.apply(&routes).await;
    let header = format!("cookie: {}\r\n", cookie.unwrap());
    let (name, set) = who(&mut proxy, &header).await;
    assert_eq!(name, "live");
    assert!(set.is_some());
}

#[tokio::test]
async fn all_proxies_agree_on_the_applications_own_cookie() {
    let endpoints = three().await;
    let routes = sticky(&by_cookie(), &endpoints);
    let (mut one, mut two) = (Proxy::serving(&routes).await, Proxy::serving(&routes).await);
    let mut seen = BTreeSet::new();
    for client in 0..40 {
        let header = format!("cookie: sid=client-{client}\r\n");
        let (name, set) = who(&mut one, &header).await;
        assert!(set.is_some());
        assert_eq!(who(&mut one, &header).await.0, name);
        assert_eq!(who(&mut two, &header).await.0, name);
        seen.insert(name);
    }
    assert_eq!(seen.len(), 3, "{seen:?}");
}

#[tokio::test]
async fn clients_stay_by_their_address_as_trusted_hops_tell_it() {
    let endpoints = three().await;
    let mut routes = sticky(&Affinity::ClientIp, &endpoints);
    let mut proxy = Proxy::serving(&routes).await;
    let lies = |client: u8| format!("x-forwarded-for: 10.0.0.{client}\r\n");
    let (name, set) = who(&mut proxy, "").await;
    assert_eq!(set, None);
    for client in 0..12 {
        assert_eq!(
            who(&mut proxy, &lies(client)).await.0,
            name,
            "nobody is believed"
        );
    }
    routes.listener.traffic.trusted_hops = 1;
    proxy.apply(&routes).await;
    let mut seen = BTreeSet::new();
    for client in 0..40 {
        let name = who(&mut proxy, &lies(client)).await.0;
        assert_eq!(who(&mut proxy, &lies(client)).await.0, name);
        seen.insert(name);
    }
    assert_eq!(seen.len(), 3, "{seen:?}");
}

#[tokio::test]
async fn a_plain_route_sets_no_cookie() {
    let mut proxy = Proxy::serving(&table(&[("demo.a", "/", &three().await)])).await;
    assert_eq!(who(&mut proxy, "").await.1, None);
}
