use tokio::sync::oneshot;

use super::*;
use crate::control::client::ClientStatus;
use crate::control::wire;
use crate::route::{Certificate, CertificateSource, Route, RouteTable};

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

/// A certificate for these names and its key, as files of secrets.
fn secrets(names: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = rcgen::CertificateParams::new(names).unwrap();
    params.not_after = rcgen::date_time_ymd(2049, 2, 3);
    let certificate = params.self_signed(&key).unwrap();
    std::fs::write(dir.path().join("crt"), certificate.pem()).unwrap();
    std::fs::write(dir.path().join("key"), key.serialize_pem()).unwrap();
    std::fs::write(dir.path().join("bad"), "garbage").unwrap();
    dir
}

/// Certificates by name, each with the files of its chain and key.
fn certificates(all: &[(&str, &[&str], &str)]) -> Change {
    let mut table = RouteTable::default();
    for (name, hosts, chain) in all {
        let certificate = Certificate {
            hosts: hosts.iter().map(ToString::to_string).collect(),
            source: CertificateSource::Files {
                chain: (*chain).to_owned(),
                key: "key".to_owned(),
            },
            stands_in: BTreeMap::new(),
            awaited: false,
        };
        table.certificates.insert((*name).to_owned(), certificate);
    }
    Change {
        type_url: CERTIFICATE.to_owned(),
        upserts: wire::snapshot(&table).types[CERTIFICATE].clone(),
        removed: Vec::new(),
    }
}

#[tokio::test]
async fn what_a_file_says_of_its_certificate_is_told() {
    let (shared, _status) = Shared::alone();
    let dir = secrets(&["demo.a", "*.demo.b"]);
    let mut source = Source::new(1, dir.path(), true, Arc::clone(&shared));
    let told = shared.certificates.subscribe();
    let hosts = ["demo.a", "*.demo.b", "other.a", "*.other.b"];
    source
        .apply(certificates(&[("service/web", &hosts, "crt")]))
        .unwrap();
    source.publish();
    let one = &told.borrow()[0];
    assert_eq!(
        (one.name.as_str(), one.not_after),
        ("service/web", 2_495_923_200)
    );
    assert_eq!(one.uncovered, ["other.a", "*.other.b"]);
}

#[tokio::test]
async fn a_change_is_refused_by_the_names_of_what_cannot_be_used() {
    let (shared, _status) = Shared::alone();
    let dir = secrets(&["demo.a"]);
    let mut source = Source::new(1, dir.path(), true, shared);
    let change = certificates(&[
        ("service/bad", &["demo.b"], "bad"),
        ("service/web", &["demo.a"], "crt"),
    ]);
    let refusal = source.apply(change).unwrap_err();
    let names: Vec<&String> = refusal.parts.keys().collect();
    assert_eq!(names, ["service/bad"]);
    assert!(!refusal.message.contains("garbage"), "{}", refusal.message);
    assert!(source.known().types[CERTIFICATE].contains_key("service/web"));
}
