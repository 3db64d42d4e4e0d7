use std::collections::BTreeMap;
use std::sync::Arc;

use prost::Message as _;

use super::*;
use crate::control::proto::{
    self, Any, DeltaDiscoveryRequest, DeltaDiscoveryResponse, Node, Status,
};
use crate::control::published::Published;
use crate::control::resource::{Resource, Snapshot};
use crate::names::content_hash;

/// The model's client refuses content that starts with this.
pub(super) const BAD: &str = "bad";

pub(super) fn node() -> Node {
    Node {
        id: "task".to_owned(),
        cluster: "east".to_owned(),
        ..Node::default()
    }
}

/// Backends and routes by name and content.
pub(super) fn snapshot<S: AsRef<str>>(backends: &[(S, S)], routes: &[(S, S)]) -> Snapshot {
    let resources = |items: &[(S, S)]| {
        items
            .iter()
            .map(|(name, body)| {
                let body = body.as_ref().as_bytes().to_vec();
                let version = content_hash(&body);
                let resource = Resource {
                    version,
                    body: body.into(),
                };
                (name.as_ref().to_owned(), resource)
            })
            .collect()
    };
    Snapshot {
        types: BTreeMap::from([(BACKEND, resources(backends)), (ROUTE, resources(routes))]),
    }
}

/// A server session whose client has subscribed and holds nothing.
fn subscribed() -> ServerSession {
    let mut session = ServerSession::new();
    let mut client = ClientSession::new(node(), &Snapshot::default());
    for request in client.hello() {
        assert_eq!(session.request(request), Ok(vec![]));
    }
    session
}

/// Why the client does not take what it does not take, each reason once.
pub(super) fn reasons(session: &ServerSession) -> Vec<String> {
    let named = session.refused().into_iter().map(|one| one.reason);
    let mut all: Vec<String> = named.chain(session.refused_whole()).collect();
    all.dedup();
    all
}

fn answer(response: &DeltaDiscoveryResponse, refusal: Option<&str>) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        type_url: response.type_url.clone(),
        response_nonce: response.nonce.clone(),
        error_detail: refusal.map(|message| Status {
            code: 3,
            message: message.to_owned(),
            details: Vec::new(),
        }),
        ..DeltaDiscoveryRequest::default()
    }
}

/// Answers everything until nothing more is said; gives back what was said, as text.
fn accept_all(session: &mut ServerSession, said: Vec<DeltaDiscoveryResponse>) -> Vec<String> {
    let mut queue = std::collections::VecDeque::from(said);
    let mut lines = Vec::new();
    while let Some(response) = queue.pop_front() {
        lines.extend(worth_a_line(&response));
        queue.extend(session.request(answer(&response, None)).unwrap());
    }
    lines
}

/// Types that a test has nothing of are concluded too; that goes without saying.
fn worth_a_line(response: &DeltaDiscoveryResponse) -> Option<String> {
    Some(line(response)).filter(|line| !matches!(line.as_str(), "certificate" | "passthrough"))
}

fn of_kind(said: &[DeltaDiscoveryResponse], kind: TypeUrl) -> &DeltaDiscoveryResponse {
    said.iter().find(|it| it.type_url == kind).unwrap()
}

/// `backend +b1 -b2`; the order of the lines is the order on the wire.
fn line(response: &DeltaDiscoveryResponse) -> String {
    let kind = response.type_url.split(['/', '.']).nth_back(1).unwrap();
    let mut line = kind.to_owned();
    for item in &response.resources {
        line.extend([" +", &item.name]);
    }
    for name in &response.removed_resources {
        line.extend([" -", name]);
    }
    line
}

fn lines(said: &[DeltaDiscoveryResponse]) -> Vec<String> {
    said.iter().filter_map(worth_a_line).collect()
}

#[test]
fn nothing_is_said_before_a_snapshot_is_published() {
    let mut session = ServerSession::new();
    let known = snapshot(&[("b1", "1")], &[("r1", "b1")]);
    let mut client = ClientSession::new(node(), &known);
    for request in client.hello() {
        assert_eq!(session.request(request), Ok(vec![]));
    }
    assert_eq!(session.acked(), None);
}

#[test]
fn backends_come_before_routes_and_go_after_them() {
    let mut session = subscribed();
    let first = Published::first(snapshot(&[("b1", "1")], &[("r1", "b1")]));
    let said = session.publish(Arc::clone(&first));
    assert_eq!(lines(&said), ["listener", "backend +b1"]);
    assert_eq!(
        accept_all(&mut session, said),
        ["listener", "backend +b1", "route +r1"]
    );
    assert_eq!(session.acked(), Some(first.version()));

    let second = first.next(snapshot(&[("b2", "1")], &[("r1", "b2")]));
    let said = session.publish(Arc::clone(&second));
    assert_eq!(session.acked(), Some(first.version()));
    assert_eq!(
        accept_all(&mut session, said),
        ["backend +b2", "route +r1", "backend -b1"]
    );
    assert_eq!(session.acked(), Some(second.version()));
}

#[test]
fn a_backend_that_changes_all_the_time_does_not_hold_up_a_route() {
    let mut session = subscribed();
    let mut published = Published::first(snapshot(&[("b1", "0")], &[("r1", "b1")]));
    let mut said = session.publish(Arc::clone(&published));
    for content in 1..4 {
        let content = content.to_string();
        published = published.next(snapshot(&[("b1", content.as_str())], &[("r1", "b1")]));
        assert_eq!(session.publish(Arc::clone(&published)), []);
        let backend = answer(of_kind(&said, BACKEND), None);
        said = session.request(backend).unwrap();
        if content == "1" {
            // The first content is acknowledged, so the route may go while the second is sent.
            assert_eq!(lines(&said), ["backend +b1", "route +r1"]);
        }
    }
}

#[test]
fn snapshots_published_meanwhile_are_folded() {
    let mut session = subscribed();
    let mut published = Published::first(snapshot(&[("b1", "0")], &[]));
    let first = session.publish(Arc::clone(&published));
    for content in ["1", "2", "3"] {
        published = published.next(snapshot(&[("b1", content), ("b2", content)], &[]));
        assert_eq!(session.publish(Arc::clone(&published)), []);
    }
    let lines = accept_all(&mut session, first);
    assert_eq!(
        lines,
        ["listener", "backend +b1", "route", "backend +b1 +b2"]
    );
    assert_eq!(session.acked(), Some(published.version()));
}

#[test]
fn a_session_that_missed_snapshots_finds_the_difference_itself() {
    let mut session = subscribed();
    let first = Published::first(snapshot(&[("b1", "1"), ("b2", "1")], &[]));
    let said = session.publish(Arc::clone(&first));
    accept_all(&mut session, said);
    let missed = first.next(snapshot(&[("b1", "2"), ("b2", "1")], &[]));
    let third = missed.next(snapshot(&[("b1", "2"), ("b3", "1")], &[]));
    let said = session.publish(Arc::clone(&third));
    assert_eq!(accept_all(&mut session, said), ["backend +b1 +b3 -b2"]);
    assert_eq!(session.acked(), Some(third.version()));
}

#[test]
fn whoever_holds_the_newest_versions_is_only_told_that_all_is_well() {
    let known = snapshot(&[("b1", "1")], &[("r1", "b1")]);
    let mut session = ServerSession::new();
    let mut client = ClientSession::new(node(), &known);
    session.publish(Published::first(known));
    let mut said = Vec::new();
    for request in client.hello() {
        said.extend(session.request(request).unwrap());
    }
    assert_eq!(lines(&said), ["listener", "backend", "route"]);
    for response in said {
        let received = client.receive(response).unwrap();
        let request = client.settle(received, Ok(()));
        assert_eq!(session.request(request), Ok(vec![]));
    }
    assert!(client.is_synced());
    assert!(session.acked().is_some());
}

#[test]
fn names_that_the_server_no_longer_has_are_removed_on_reconnect() {
    let mut session = ServerSession::new();
    let known = snapshot(&[("b1", "1"), ("b2", "1")], &[("r1", "b1"), ("r2", "b2")]);
    let mut client = ClientSession::new(node(), &known);
    session.publish(Published::first(snapshot(&[("b1", "1")], &[("r1", "b1")])));
    let mut said = Vec::new();
    for request in client.hello() {
        said.extend(session.request(request).unwrap());
    }
    let lines = accept_all(&mut session, said);
    assert_eq!(lines, ["listener", "route -r2", "backend -b2"]);
}

#[test]
fn what_was_refused_is_remembered_and_not_sent_again_until_it_changes() {
    let mut session = subscribed();
    let first = Published::first(snapshot(&[("b1", "bad")], &[]));
    let said = session.publish(Arc::clone(&first));
    for kind in [LISTENER, CERTIFICATE, ROUTE, PASSTHROUGH] {
        let more = session.request(answer(of_kind(&said, kind), None)).unwrap();
        assert_eq!(more, []);
    }
    let backend = answer(of_kind(&said, BACKEND), Some("no good"));
    let said = session.request(backend).unwrap();
    assert_eq!(lines(&said), ["backend"]);
    accept_all(&mut session, said);
    assert_eq!(
        (reasons(&session), session.acked()),
        (vec!["no good".to_owned()], None)
    );

    let other = first.next(snapshot(&[("b1", "bad"), ("b2", "1")], &[]));
    let said = session.publish(Arc::clone(&other));
    assert_eq!(accept_all(&mut session, said), ["backend +b2"]);
    assert_eq!(
        (reasons(&session), session.acked()),
        (vec!["no good".to_owned()], None)
    );

    let mended = other.next(snapshot(&[("b1", "good"), ("b2", "1")], &[]));
    let said = session.publish(Arc::clone(&mended));
    assert_eq!(reasons(&session), [""; 0]);
    assert_eq!(accept_all(&mut session, said), ["backend +b1"]);
    assert_eq!(session.acked(), Some(mended.version()));
}

#[test]
fn one_bad_resource_among_many_is_found_and_the_others_arrive() {
    let names: Vec<_> = (0..100).map(|n| format!("b{n:02}")).collect();
    let items: Vec<_> = names
        .iter()
        .map(|name| (name.as_str(), if name == "b37" { BAD } else { "fine" }))
        .collect();
    let mut session = subscribed();
    let mut queue = session.publish(Published::first(snapshot(&items, &[])));
    let (mut arrived, mut responses) = (0, 0);
    while let Some(response) = queue.pop() {
        responses += 1;
        let bad = response.resources.iter().any(|item| item.name == "b37");
        if !bad {
            arrived += response.resources.len();
        }
        queue.extend(
            session
                .request(answer(&response, bad.then_some("b37")))
                .unwrap(),
        );
    }
    assert_eq!((arrived, reasons(&session)), (99, vec!["b37".to_owned()]));
    assert!(responses < 30, "{responses} responses");
}

#[test]
fn a_client_that_refuses_everything_is_soon_left_alone() {
    let names: Vec<_> = (0..5000).map(|n| format!("b{n:04}")).collect();
    let items: Vec<_> = names.iter().map(|name| (name.as_str(), BAD)).collect();
    let mut session = subscribed();
    let mut queue = session.publish(Published::first(snapshot(&items, &[])));
    let mut responses = 0;
    while let Some(response) = queue.pop() {
        responses += 1;
        queue.extend(session.request(answer(&response, Some("never"))).unwrap());
    }
    assert!(responses < 50, "{responses} responses");
    assert_eq!(reasons(&session), ["never"]);
}

#[test]
fn who_refuses_whole_responses_blames_no_name_and_has_nothing_settled() {
    let names: Vec<_> = (0..200).map(|n| format!("b{n:03}")).collect();
    let items: Vec<_> = names.iter().map(|name| (name.as_str(), BAD)).collect();
    let mut session = subscribed();
    let first = Published::first(snapshot(&items, &[]));
    let refuse_all = |mut queue: Vec<DeltaDiscoveryResponse>, session: &mut ServerSession| {
        while let Some(response) = queue.pop() {
            let refused = (response.type_url == BACKEND).then_some("no memory");
            queue.extend(session.request(answer(&response, refused)).unwrap());
        }
    };
    let said = session.publish(Arc::clone(&first));
    refuse_all(said, &mut session);
    assert_eq!((session.refused(), session.settled()), (vec![], None));
    assert_eq!(reasons(&session), ["no memory"]);

    let mended = first.next(snapshot::<&str>(&[], &[]));
    let said = session.publish(Arc::clone(&mended));
    accept_all(&mut session, said);
    assert_eq!(reasons(&session), [""; 0]);
    assert_eq!(session.settled(), Some(mended.version()));
}

#[test]
fn what_is_refused_by_name_does_not_hide_what_is_refused_as_a_whole() {
    let names: Vec<_> = (0..200).map(|n| format!("b{n:03}")).collect();
    let backends: Vec<_> = names.iter().map(|name| (name.as_str(), BAD)).collect();
    let mut session = subscribed();
    let published = Published::first(snapshot(&backends, &[("r1", "none"), ("r2", "none")]));
    let mut queue = session.publish(published);
    while let Some(response) = queue.pop() {
        let mut said = answer(
            &response,
            (response.type_url == BACKEND).then_some("no memory"),
        );
        if response.resources.iter().any(|item| item.name == "r1") {
            let fault = proto::Fault {
                name: "r1".to_owned(),
                reason: "too long".to_owned(),
            };
            said.error_detail = Some(Status {
                message: "r1: too long".to_owned(),
                details: vec![Any {
                    type_url: proto::FAULT.to_owned(),
                    value: fault.encode_to_vec().into(),
                }],
                ..Status::default()
            });
        }
        queue.extend(session.request(said).unwrap());
    }
    let refused: Vec<_> = session.refused().into_iter().map(|one| one.name).collect();
    assert_eq!(refused, ["r1"]);
    assert_eq!(session.refused_whole().as_deref(), Some("no memory"));
}

#[test]
fn a_large_snapshot_travels_in_parts() {
    let content = "x".repeat(100_000);
    let names: Vec<_> = (0..40).map(|n| format!("b{n:02}")).collect();
    let items: Vec<_> = names
        .iter()
        .map(|n| (n.as_str(), content.as_str()))
        .collect();
    let mut session = subscribed();
    let published = Published::first(snapshot(&items, &[("r1", "b01")]));
    let mut queue = session.publish(Arc::clone(&published));
    let mut parts = Vec::new();
    while let Some(response) = queue.pop() {
        if worth_a_line(&response).is_none() {
            queue.extend(session.request(answer(&response, None)).unwrap());
            continue;
        }
        let size: usize = response
            .resources
            .iter()
            .filter_map(|i| i.resource.as_ref())
            .map(|a| a.value.len())
            .sum();
        assert!(size <= MAX_RESPONSE);
        parts.push((
            line(&response).len() > 7,
            response.system_version_info.is_empty(),
        ));
        queue.extend(session.request(answer(&response, None)).unwrap());
    }
    let backends = parts.len() - 2;
    assert_eq!(backends, 4);
    // Only the last part says that the type is complete; the listener and the route say so too.
    assert_eq!(parts.iter().filter(|(_, partial)| *partial).count(), 3);
    assert_eq!(session.acked(), Some(published.version()));
}

#[test]
fn an_answer_to_a_response_of_the_past_means_nothing() {
    let mut session = subscribed();
    let said = session.publish(Published::first(snapshot(&[("b1", "1")], &[])));
    let mut stale = answer(of_kind(&said, BACKEND), None);
    stale.response_nonce = "77".to_owned();
    assert_eq!(session.request(stale), Ok(vec![]));
    let backend = answer(of_kind(&said, BACKEND), None);
    session.request(backend.clone()).unwrap();
    assert_eq!(session.request(backend), Ok(vec![]));
    assert_eq!(session.acked(), None);
}

#[test]
fn a_client_must_say_who_it_is_and_take_all() {
    let request = DeltaDiscoveryRequest {
        type_url: ROUTE.to_owned(),
        ..DeltaDiscoveryRequest::default()
    };
    assert_eq!(
        ServerSession::new().request(request.clone()),
        Err(Error::NoNode)
    );
    let some = DeltaDiscoveryRequest {
        node: Some(node()),
        resource_names_subscribe: vec!["r1".to_owned()],
        ..request
    };
    let error = ServerSession::new().request(some).unwrap_err();
    assert_eq!(error.category(), "NotAll");
}

#[test]
fn types_that_are_not_ours_are_passed_over() {
    let request = DeltaDiscoveryRequest {
        node: Some(node()),
        type_url: "type.googleapis.com/envoy.config.cluster.v3.Cluster".to_owned(),
        ..DeltaDiscoveryRequest::default()
    };
    assert_eq!(ServerSession::new().request(request), Ok(vec![]));
}

#[test]
fn a_response_that_contradicts_itself_is_refused_and_changes_nothing() {
    let mut client = ClientSession::new(node(), &snapshot(&[("b1", "1")], &[]));
    let mut session = subscribed();
    let said = session.publish(Published::first(snapshot(&[("b1", "2")], &[])));
    let mut response = of_kind(&said, BACKEND).clone();
    response.removed_resources.push("b1".to_owned());
    let received = client.receive(response).unwrap();
    let request = client.settle(received, Ok(()));
    assert!(
        request
            .error_detail
            .unwrap()
            .message
            .contains("both came and went")
    );
    let hello = client.hello();
    let asked = hello.iter().find(|request| request.type_url == BACKEND);
    let held = &asked.unwrap().initial_resource_versions["b1"];
    assert_eq!(*held, content_hash(b"1"));
}

#[test]
fn a_response_that_cannot_be_answered_ends_the_stream() {
    let mut client = ClientSession::new(node(), &Snapshot::default());
    let unknown = DeltaDiscoveryResponse {
        type_url: "x".to_owned(),
        nonce: "1".to_owned(),
        ..DeltaDiscoveryResponse::default()
    };
    assert!(client.receive(unknown).is_err());
    let no_nonce = DeltaDiscoveryResponse {
        type_url: ROUTE.to_owned(),
        ..DeltaDiscoveryResponse::default()
    };
    assert!(client.receive(no_nonce).is_err());
}
