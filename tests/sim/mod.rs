//! The engine API of one Swarm manager, simulated in process: HTTP over memory (so that it works
//! under a paused clock) or over a unix socket. Objects have versions, wrong calls get the texts
//! of real engines, tasks take their time, and faults can be put in.
//!
//! Its semantics are those measured on engines 20.10 to 28.5; `engine_suite.rs` holds it to them.
#![allow(
    clippy::similar_names,
    clippy::unused_self,
    clippy::match_same_arms,
    clippy::assigning_clones,
    dead_code
)]

mod api;
mod faults;
mod object;
mod orchestrate;
mod serve;
mod tasks;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};
use skep::swarm::Engine;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

pub use faults::Faults;
use object::{Object, Objects};
use tasks::Task;

/// How long things take.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// From a task's birth until it runs.
    pub start: Duration,
    /// From the wish to stop a task until it has stopped: 3.1 s of drain and the exit.
    pub stop: Duration,
    /// Before a task that failed is replaced.
    pub restart: Duration,
    /// How long a new task of an update is watched.
    pub monitor: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            start: Duration::from_millis(550),
            stop: Duration::from_millis(3500),
            restart: Duration::from_secs(5),
            monitor: Duration::from_secs(5),
        }
    }
}

/// A simulated Swarm. Clones are the same one.
#[derive(Clone)]
pub struct Sim(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    timers: Notify,
}

#[derive(Default)]
struct State {
    /// Oldest and newest minor of API 1 that it speaks.
    api: (u32, u32),
    objects: Objects,
    tasks: BTreeMap<String, Task>,
    by_service: BTreeMap<String, BTreeSet<String>>,
    pending: BTreeSet<String>,
    /// Services that wait before they replace a failed task.
    cooling: BTreeSet<String>,
    stale: Option<(Objects, BTreeMap<String, Task>)>,
    index: u64,
    ids: u64,
    timers: BTreeMap<(Instant, u64), Timer>,
    log: VecDeque<(Instant, Value)>,
    streams: Vec<mpsc::UnboundedSender<Value>>,
    faults: Faults,
    calls: BTreeMap<String, u64>,
    missing_images: BTreeSet<String>,
    pace: Option<Pace>,
    /// What the tasks of services wrote: service id and frame.
    written: Vec<(String, Vec<u8>)>,
}

/// What happens later.
#[derive(Clone, Debug)]
enum Timer {
    Progress(String),
    Stopped(String),
    Reconcile(String),
    Watched(String),
}

impl Sim {
    /// A Swarm of `nodes` nodes `node-1`, ...; the first is the manager. Needs a tokio runtime.
    pub fn new(nodes: usize) -> Self {
        let sim = Self(Arc::new(Shared {
            state: Mutex::default(),
            timers: Notify::new(),
        }));
        for number in 1..=nodes {
            let role = if number == 1 { "manager" } else { "worker" };
            sim.state().add_node(&format!("node-{number}"), role);
        }
        sim.api(12, 41);
        let weak = Arc::downgrade(&sim.0);
        tokio::spawn(async move {
            while let Some(shared) = weak.upgrade() {
                let next = shared.lock().timers.keys().next().map(|(at, _)| *at);
                let far = Instant::now() + Duration::from_secs(3600);
                tokio::select! {
                    () = shared.timers.notified() => {}
                    () = tokio::time::sleep_until(next.unwrap_or(far)) => shared.lock().due(),
                }
            }
        });
        sim
    }

    /// An engine connected over memory.
    pub fn engine(&self) -> Engine {
        Engine::over(Arc::new(serve::Memory(self.clone())), "sim")
    }

    /// Speaks the minors `oldest` to `newest` of API 1; at first those of engine 20.10.
    pub fn api(&self, oldest: u32, newest: u32) {
        self.state().api = (oldest, newest);
    }

    /// Sets how long things take.
    pub fn pace(&self, pace: Pace) {
        self.state().pace = Some(pace);
    }

    /// Tasks of this image are rejected.
    pub fn miss_image(&self, image: &str) {
        self.state().missing_images.insert(image.to_owned());
    }

    /// Changes the faults.
    pub fn fault(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.state().faults);
    }

    /// Ends all event streams.
    pub fn cut_streams(&self) {
        self.state().streams.clear();
    }

    /// From now on reads see the Swarm as it is now; writes go on. `false` ends it.
    pub fn stale_reads(&self, stale: bool) {
        let mut state = self.state();
        state.stale = stale.then(|| (state.objects.clone(), state.tasks.clone()));
    }

    /// Calls so far by `METHOD /collection`.
    pub fn calls(&self) -> BTreeMap<String, u64> {
        self.state().calls.clone()
    }

    /// Calls that change something.
    pub fn writes(&self) -> u64 {
        let calls = self.calls();
        let writes = calls.iter().filter(|(name, _)| !name.starts_with("GET"));
        writes.map(|(_, count)| count).sum()
    }

    /// Kills the container of a task.
    pub fn kill_task(&self, id: &str) {
        self.state()
            .task_failed(id, "failed", "task: non-zero exit (137)");
        self.0.timers.notify_one();
    }

    /// The running tasks of a service write a line: to standard output (1) or error (2). Stream 3
    /// is the engine's own.
    pub fn write(&self, service: &str, stream: u8, text: &str) {
        let mut state = self.state();
        let Some(id) = state.find("services", service).map(|s| s.id.clone()) else {
            return;
        };
        let tasks = state.tasks.values().filter(|task| task.service == id);
        let tasks: Vec<Value> = tasks.map(Task::shown).collect();
        for task in tasks.iter().filter(|t| t["Status"]["State"] == "running") {
            let mut payload = text.to_owned();
            if stream < 3 {
                payload = format!(
                    "2026-01-10T12:00:00.000000001Z com.docker.swarm.node.id={},com.docker.swarm.service.id={id},com.docker.swarm.task.id={} {text}\n",
                    task["NodeID"].as_str().unwrap_or_default(),
                    task["ID"].as_str().unwrap_or_default(),
                );
            }
            let mut frame = vec![stream, 0, 0, 0];
            frame.extend(
                u32::try_from(payload.len())
                    .unwrap_or_default()
                    .to_be_bytes(),
            );
            frame.extend(payload.into_bytes());
            state.written.push((id.clone(), frame));
        }
    }

    /// A node goes away, or comes back.
    pub fn node_ready(&self, hostname: &str, ready: bool) {
        let mut state = self.state();
        let word = if ready { "ready" } else { "down" };
        state.set_node_state(hostname, word);
        drop(state);
        self.0.timers.notify_one();
    }

    /// Fills the Swarm with running services at once, `tasks` each: for measurements.
    pub fn populate(&self, services: usize, tasks: u64) {
        let mut state = self.state();
        for number in 0..services {
            let spec = json!({
                "Name": format!("app-{number}"),
                "Labels": {"com.docker.lb.hosts": format!("h{number}.example")},
                "TaskTemplate": {"ContainerSpec": {"Image": "app:1"}},
                "Mode": {"Replicated": {"Replicas": tasks}},
            });
            state.populate_service(spec);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl State {
    fn pace(&self) -> Pace {
        self.pace.unwrap_or_default()
    }

    fn next_index(&mut self) -> u64 {
        self.index += 1;
        self.index
    }

    fn next_id(&mut self) -> String {
        self.ids += 1;
        format!("x{:024x}", self.ids)
    }

    fn later(&mut self, after: Duration, timer: Timer) {
        let serial = self.next_index();
        self.timers.insert((Instant::now() + after, serial), timer);
    }

    /// Runs what is due.
    fn due(&mut self) {
        let now = Instant::now();
        while let Some(entry) = self.timers.first_entry() {
            if entry.key().0 > now {
                return;
            }
            match entry.remove() {
                Timer::Progress(task) => self.progress(&task),
                Timer::Stopped(task) => self.stopped(&task),
                Timer::Reconcile(service) => {
                    self.cooling.remove(&service);
                    self.reconcile(&service);
                }
                Timer::Watched(service) => self.watched(&service),
            }
        }
    }

    /// Tells all open streams, and remembers the last 256 events as the engine does.
    fn event(&mut self, kind: &str, action: &str, id: &str, name: &str) {
        if self.faults.lose_events {
            return;
        }
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |d| d.as_secs());
        let event = json!({
            "Type": kind, "Action": action, "scope": "swarm", "time": now,
            "Actor": {"ID": id, "Attributes": {"name": name}},
        });
        self.log.push_back((Instant::now(), event.clone()));
        if self.log.len() > 256 {
            self.log.pop_front();
        }
        self.streams.retain(|s| s.send(event.clone()).is_ok());
    }
}

/// Settings of an operator that has no ports and files of its own but for its sealing key.
#[allow(dead_code)]
pub fn settings(sealing: std::path::PathBuf) -> skep::operator::OperatorSettings {
    use std::time::Duration;
    skep::operator::OperatorSettings {
        endpoint: skep::swarm::Endpoint::from_host("unix:///unused", None).unwrap(),
        image: Some("skep:1".to_owned()),
        control_listen: "127.0.0.1:0".parse().unwrap(),
        admin_listen: "127.0.0.1:0".parse().unwrap(),
        ca: "unused".into(),
        identity: "unused".into(),
        sealing,
        replica: 1,
        peers: None,
        beat: Duration::from_secs(2),
        quiet: Duration::from_secs(1),
        resync: Duration::from_secs(30),
    }
}
