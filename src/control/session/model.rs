//! Any order of publications, deliveries, refusals, lost connections and restarts ends with the
//! client at the newest snapshot, and never on the way has a route without its backend.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use proptest::prelude::*;

use super::tests::{BAD, node, reasons, snapshot};
use super::*;
use crate::control::proto::{DeltaDiscoveryRequest, DeltaDiscoveryResponse};
use crate::control::published::Published;
use crate::control::resource::{Change, Refusal, Snapshot};

/// Backends with a content each, routes with the backend they go to.
#[derive(Clone, Debug, Default)]
struct Cluster {
    backends: BTreeMap<u8, u8>,
    routes: BTreeMap<u8, u8>,
    bad: BTreeSet<u8>,
}

#[derive(Clone, Debug)]
enum Step {
    Publish(Cluster),
    ToServer,
    ToClient,
    /// The connection breaks; whatever was on its way is lost.
    Reconnect,
    /// Another operator, that has seen nothing yet.
    Restart,
}

impl Cluster {
    fn snapshot(&self) -> Snapshot {
        let backend = |(name, content): (&u8, &u8)| {
            let bad = if self.bad.contains(name) { BAD } else { "" };
            (format!("b{name}"), format!("{bad}{content}"))
        };
        // A route goes to a backend that exists, as the operator sees to it.
        let route = |(name, target): (&u8, &u8)| {
            let backend = self.backends.range(target..).chain(&self.backends).next()?;
            Some((format!("r{name}"), format!("b{}", backend.0)))
        };
        let backends: Vec<_> = self.backends.iter().map(backend).collect();
        let routes: Vec<_> = self.routes.iter().filter_map(route).collect();
        snapshot(&backends, &routes)
    }
}

struct Model {
    published: Option<Arc<Published>>,
    server: ServerSession,
    client: ClientSession,
    requests: VecDeque<DeltaDiscoveryRequest>,
    responses: VecDeque<DeltaDiscoveryResponse>,
    backends: BTreeMap<String, String>,
    routes: BTreeMap<String, String>,
    any_bad: bool,
    /// The client names what it refuses and takes the rest, as proxies do; else it takes all of a
    /// response or nothing, as older ones did.
    names_parts: bool,
}

impl Model {
    fn new(names_parts: bool) -> Self {
        let mut client = ClientSession::new(node(), &Snapshot::default());
        Self {
            published: None,
            server: ServerSession::new(),
            requests: client.hello().into(),
            client,
            responses: VecDeque::new(),
            backends: BTreeMap::new(),
            routes: BTreeMap::new(),
            any_bad: false,
            names_parts,
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Publish(cluster) => self.publish(&cluster),
            Step::ToServer => self.feed_server(),
            Step::ToClient => self.feed_client(),
            Step::Reconnect => self.connect(true),
            Step::Restart => self.connect(false),
        }
        let waiting: Vec<_> = self.responses.iter().map(|r| &r.type_url).collect();
        let types: BTreeSet<_> = waiting.iter().collect();
        assert_eq!(waiting.len(), types.len(), "one response per type at most");
    }

    fn publish(&mut self, cluster: &Cluster) {
        self.any_bad |= !cluster.bad.is_empty();
        let next = match &self.published {
            Some(last) => last.next(cluster.snapshot()),
            None => Published::first(cluster.snapshot()),
        };
        self.published = Some(Arc::clone(&next));
        self.responses.extend(self.server.publish(next));
    }

    fn connect(&mut self, with_snapshot: bool) {
        self.responses.clear();
        self.server = ServerSession::new();
        self.requests = self.client.hello().into();
        match &self.published {
            Some(published) if with_snapshot => {
                let said = self.server.publish(Arc::clone(published));
                assert!(said.is_empty(), "nobody has asked yet");
            }
            _ => self.published = None,
        }
    }

    fn feed_server(&mut self) {
        if let Some(request) = self.requests.pop_front() {
            let said = self.server.request(request).unwrap();
            assert!(self.published.is_some() || said.is_empty());
            self.responses.extend(said);
        }
    }

    fn feed_client(&mut self) {
        if let Some(response) = self.responses.pop_front() {
            let received = self.client.receive(response).unwrap();
            assert_eq!(received.fault, None);
            let outcome = self.apply(&received.change);
            self.requests
                .push_back(self.client.settle(received, outcome));
        }
    }

    fn apply(&mut self, change: &Change) -> Result<(), Refusal> {
        if self.names_parts {
            self.apply_parts(change)
        } else {
            self.apply_whole(change).map_err(Refusal::from)
        }
    }

    /// What a proxy does: it takes what is good. Routes wait for backends that are not there.
    fn apply_parts(&mut self, change: &Change) -> Result<(), Refusal> {
        let text = |body: &[u8]| String::from_utf8(body.to_vec()).unwrap();
        let held = match change.type_url.as_str() {
            ROUTE => &mut self.routes,
            BACKEND => &mut self.backends,
            _ => return Ok(()),
        };
        let mut parts = BTreeMap::new();
        for (name, resource) in &change.upserts {
            let body = text(&resource.body);
            if body.starts_with(BAD) {
                parts.insert(name.clone(), "bad".to_owned());
            } else {
                held.insert(name.clone(), body);
            }
        }
        held.retain(|name, _| !change.removed.contains(name));
        if parts.is_empty() {
            return Ok(());
        }
        Err(Refusal {
            message: "bad".to_owned(),
            parts,
        })
    }

    /// What an older proxy does: all or nothing, and no route without its backend.
    fn apply_whole(&mut self, change: &Change) -> Result<(), String> {
        let text = |body: &[u8]| String::from_utf8(body.to_vec()).unwrap();
        for (name, resource) in &change.upserts {
            let body = text(&resource.body);
            if body.starts_with(BAD) {
                return Err(format!("{name} is bad"));
            }
            if change.type_url == ROUTE && !self.backends.contains_key(&body) {
                assert!(self.any_bad, "{name} came before its backend {body}");
                return Err(format!("{name} has no backend {body}"));
            }
        }
        let held = match change.type_url.as_str() {
            ROUTE => &mut self.routes,
            BACKEND => &mut self.backends,
            _ => return Ok(()),
        };
        for (name, resource) in &change.upserts {
            held.insert(name.clone(), text(&resource.body));
        }
        held.retain(|name, _| !change.removed.contains(name));
        for (route, backend) in &self.routes {
            assert!(
                self.backends.contains_key(backend),
                "{route} lost {backend}"
            );
        }
        Ok(())
    }

    fn settle(&mut self) {
        for _ in 0..1000 {
            if self.requests.is_empty() && self.responses.is_empty() {
                return;
            }
            self.feed_server();
            self.feed_client();
        }
        panic!("the two ends never come to rest");
    }
}

fn clusters(with_bad: bool) -> impl Strategy<Value = Cluster> {
    let few = prop::collection::btree_set(0u8..5, 0..if with_bad { 3 } else { 1 });
    (
        prop::collection::btree_map(0u8..5, 0u8..3, 1..5),
        prop::collection::btree_map(0u8..5, 0u8..5, 0..5),
        few,
    )
        .prop_map(|(backends, routes, bad)| Cluster {
            backends,
            routes,
            bad,
        })
}

fn steps(with_bad: bool) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => clusters(with_bad).prop_map(Step::Publish),
        8 => Just(Step::ToServer),
        8 => Just(Step::ToClient),
        1 => Just(Step::Reconnect),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 0..60)
}

fn run(steps: Vec<Step>, last: &Cluster, names_parts: bool) {
    let mut model = Model::new(names_parts);
    for step in steps {
        model.step(step);
    }
    model.publish(last);
    model.settle();
    let newest = last.snapshot();
    let versions = |kind: TypeUrl, held: &BTreeMap<String, String>| {
        let wanted: Vec<_> = newest.types[kind].keys().collect();
        assert_eq!(held.keys().collect::<Vec<_>>(), wanted);
        for (name, body) in held {
            assert_eq!(newest.types[kind][name].body, body.as_bytes());
        }
    };
    versions(BACKEND, &model.backends);
    versions(ROUTE, &model.routes);
    assert_eq!(model.server.acked(), Some(newest.version().as_str()));
    assert_eq!(reasons(&model.server), [""; 0]);
    assert!(model.client.is_synced());
    // Whoever reconnects now is told nothing but that all is well.
    model.connect(true);
    while let Some(request) = model.requests.pop_front() {
        for response in model.server.request(request).unwrap() {
            assert!(response.resources.is_empty() && response.removed_resources.is_empty());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_client_ends_at_the_newest_snapshot(
        steps in steps(false), last in clusters(false),
    ) {
        run(steps, &Cluster { bad: BTreeSet::new(), ..last }, false);
    }

    #[test]
    fn a_client_that_names_what_it_refuses_ends_there_too(
        steps in steps(true), last in clusters(false),
    ) {
        run(steps, &Cluster { bad: BTreeSet::new(), ..last }, true);
    }

    #[test]
    fn what_a_client_refuses_keeps_nothing_else_from_being_settled(
        steps in steps(true), last in clusters(true),
    ) {
        let mut model = Model::new(true);
        for step in steps {
            model.step(step);
        }
        model.publish(&last);
        model.settle();
        let newest = last.snapshot();
        let version = newest.version();
        prop_assert_eq!(model.server.settled(), Some(version.as_str()));
        let refused: BTreeSet<String> =
            model.server.refused().into_iter().map(|one| one.name).collect();
        let bad = newest.types[BACKEND].iter().filter(|(_, it)| it.body.starts_with(BAD.as_bytes()));
        let bad: BTreeSet<String> = bad.map(|(name, _)| name.clone()).collect();
        prop_assert_eq!(&refused, &bad);
        for (name, resource) in &newest.types[BACKEND] {
            if !bad.contains(name) {
                prop_assert_eq!(model.backends[name].as_bytes(), &resource.body);
            }
        }
    }

    #[test]
    fn bad_backends_on_the_way_do_no_lasting_harm(
        steps in steps(true), last in clusters(false),
    ) {
        run(steps, &Cluster { bad: BTreeSet::new(), ..last }, false);
    }
}
