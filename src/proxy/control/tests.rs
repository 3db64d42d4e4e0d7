use tokio::sync::oneshot;

use super::*;
use crate::control::client::ClientStatus;
use crate::control::wire;
use crate::route::{Route, RouteTable};

fn snapshot(hosts: &[&str]) -> Snapshot {
    let mut table = RouteTable::default();
    for host in hosts {
        let host = (*host).to_owned();
        let route = Route {
            host,
            ..Route::default()
        };
        table.routes.insert(route.name(), route);
    }
    wire::snapshot(&table)
}

/// Follows changes, and tells when there is a table worth serving.
struct Follow {
    deliver: mpsc::Sender<Delivery>,
    whole: watch::Receiver<bool>,
    status: watch::Sender<ClientStatus>,
}

impl Follow {
    fn start(streamed: bool) -> Self {
        let (shared, status) = Shared::alone();
        let source = Source::new(1, Path::new("/nowhere"), streamed, shared);
        let (deliver, deliveries) = mpsc::channel(4);
        let (tell, whole) = watch::channel(false);
        tokio::spawn(follow(source, deliveries, tell, None));
        Self {
            deliver,
            whole,
            status,
        }
    }

    async fn tell(&self, kind: TypeUrl) {
        let change = Change {
            type_url: kind.to_owned(),
            upserts: snapshot(&["demo.a"]).types[kind].clone(),
            removed: Vec::new(),
        };
        let (reply, answer) = oneshot::channel();
        self.deliver.send(Delivery { change, reply }).await.unwrap();
        let _ = answer.await.unwrap();
    }

    async fn is_whole_within(&mut self, time: Duration) -> bool {
        let whole = self.whole.wait_for(|whole| *whole);
        tokio::time::timeout(time, whole).await.is_ok()
    }
}

#[tokio::test(start_paused = true)]
async fn with_a_control_stream_the_first_routes_are_not_all() {
    let mut follow = Follow::start(true);
    follow.tell(LISTENER).await;
    follow.tell(ROUTE).await;
    for _ in 0..5 {
        // As long as there is more, it is waited for.
        assert!(!follow.is_whole_within(NO_MORE / 2).await);
        follow.tell(ROUTE).await;
    }
    follow.status.send_modify(|status| status.synced = true);
    assert!(follow.is_whole_within(NO_MORE / 10).await);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_never_is_whole_is_waited_for_only_so_long() {
    let mut follow = Follow::start(true);
    follow.tell(LISTENER).await;
    assert!(follow.is_whole_within(NO_MORE * 2).await);
}

#[tokio::test]
async fn without_a_control_stream_listener_and_routes_or_passthroughs_are_enough() {
    for kind in [ROUTE, PASSTHROUGH] {
        let mut follow = Follow::start(false);
        follow.tell(kind).await;
        assert!(!*follow.whole.borrow());
        follow.tell(LISTENER).await;
        assert!(follow.is_whole_within(NO_MORE / 2).await);
    }
}

#[tokio::test]
async fn the_last_state_is_kept_though_its_source_is_gone_and_the_end_has_come() {
    // Which of two ready things is looked at first may be a matter of luck.
    for _ in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        let place = Place {
            dir: dir.path().to_owned(),
            cluster: "east".to_owned(),
            seal: None,
        };
        let (states, receiver) = watch::channel(Snapshot::default());
        states.send_replace(snapshot(&["demo.a"]));
        drop(states);
        let stop = CancellationToken::new();
        stop.cancel();
        keep(place, Shared::alone().0, receiver, stop).await;
        let kept = state::load(dir.path(), "east", None).unwrap();
        assert_eq!(kept.types[ROUTE].len(), 1);
    }
}
