//! Active health checks: one checker for each endpoint in a process, whatever the routes to it.
//!
//! *Guarantees*: a checker ends when its endpoint or its settings go; an endpoint that is not
//! known yet counts as healthy, for Swarm says that it runs.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::{Arc, Weak};
use std::time::Duration;

use http::header::{CONNECTION, HOST, USER_AGENT};
use http::{HeaderValue, Request, Uri};
use tokio::time::sleep;

use super::body::RequestBody;
use super::table::{Endpoint, LiveBackend};
use super::upstream::{Failure, Lease};
use crate::route::HealthCheck;

/// The checkers of a process.
#[derive(Debug, Default)]
pub(super) struct Checks {
    backends: HashMap<Box<str>, Running>,
}

#[derive(Debug)]
struct Running {
    check: HealthCheck,
    checkers: Vec<Checker>,
}

/// Ends its task when dropped.
#[derive(Debug)]
struct Checker {
    endpoint: Weak<Endpoint>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Checker {
    fn drop(&mut self) {
        self.task.abort();
        // Routes may name it still; what was last seen of it says ever less.
        if let Some(endpoint) = self.endpoint.upgrade() {
            endpoint.set_healthy(true);
        }
    }
}

impl Checks {
    /// Checks the endpoints of a backend as it is now. Those that stay keep their checkers.
    pub(super) fn follow(&mut self, backend: &LiveBackend) {
        let Some(check) = &backend.health else {
            self.backends.remove(&backend.name);
            return;
        };
        let last = self.backends.remove(&backend.name);
        let mut last = last
            .filter(|last| last.check == *check)
            .map_or_else(Vec::new, |last| last.checkers);
        let checkers = backend.endpoints.iter().map(|endpoint| {
            let kept = last
                .iter()
                .position(|it| std::ptr::eq(it.endpoint.as_ptr(), Arc::as_ptr(endpoint)));
            match kept {
                Some(at) => last.swap_remove(at),
                None => start(&backend.service, endpoint, check),
            }
        });
        let running = Running {
            check: check.clone(),
            checkers: checkers.collect(),
        };
        self.backends.insert(backend.name.clone(), running);
    }

    /// Checks a backend no longer.
    pub(super) fn stop(&mut self, backend: &str) {
        self.backends.remove(backend);
    }
}

fn start(service: &str, endpoint: &Arc<Endpoint>, check: &HealthCheck) -> Checker {
    let weak = Arc::downgrade(endpoint);
    let checker = run(service.into(), Weak::clone(&weak), check.clone());
    Checker {
        endpoint: weak,
        task: tokio::spawn(checker),
    }
}

async fn run(service: Box<str>, endpoint: Weak<Endpoint>, check: HealthCheck) {
    let interval = check.interval.get().max(Duration::from_millis(10));
    // Proxies and endpoints that began together do not check together.
    sleep(interval.mul_f64(chance())).await;
    let (mut good, mut bad, mut is_healthy) = (0, 0, true);
    loop {
        let Some(endpoint) = endpoint.upgrade() else {
            return;
        };
        let outcome = ask(&endpoint, &check).await;
        if outcome.is_ok() {
            (good, bad) = (good + 1, 0);
        } else {
            (good, bad) = (0, bad + 1);
        }
        let was_healthy = is_healthy;
        is_healthy = match outcome {
            Ok(()) => is_healthy || good >= check.healthy,
            Err(_) => is_healthy && bad < check.unhealthy.max(1),
        };
        if is_healthy != was_healthy {
            endpoint.set_healthy(is_healthy);
            let why = outcome.err().unwrap_or_default();
            tracing::info!(service, address = %endpoint.address, task = &*endpoint.id, is_healthy, why, "health check");
        }
        drop(endpoint);
        sleep(interval.mul_f64(0.9 + 0.2 * chance())).await;
    }
}

/// Asks once. `Err` says what is not well.
async fn ask(endpoint: &Arc<Endpoint>, check: &HealthCheck) -> Result<(), String> {
    let within = check.timeout.get();
    let asked = async {
        let mut lease = Lease::alone(endpoint, within)
            .await
            .map_err(|failed| failed.to_string())?;
        let request = request(check).map_err(|error| error.to_string())?;
        let answer = lease.exchange(request, None, within).await;
        let answer = answer.map_err(|failure| match failure {
            Failure::Broken { .. } => "the connection closed without an answer".to_owned(),
            Failure::TimedOut | Failure::Stalled => "no answer in time".to_owned(),
        })?;
        let status = answer.status().as_u16();
        let is_good = match check.status {
            Some(good) => status == good,
            None => (200..400).contains(&status),
        };
        is_good.then_some(()).ok_or(format!("status {status}"))
    };
    let asked = tokio::time::timeout(within, asked).await;
    asked.unwrap_or_else(|_| Err("no answer in time".to_owned()))
}

fn request(check: &HealthCheck) -> http::Result<Request<RequestBody>> {
    let host = if check.host.is_empty() {
        HeaderValue::from_static("localhost")
    } else {
        HeaderValue::try_from(&check.host)?
    };
    let mut request = Request::new(RequestBody::Empty);
    *request.uri_mut() = Uri::try_from(&check.path)?;
    let headers = request.headers_mut();
    headers.insert(HOST, host);
    headers.insert(USER_AGENT, HeaderValue::from_static("skep-health"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    Ok(request)
}

/// A number from 0 to 1; it need not be a good one.
fn chance() -> f64 {
    let random = RandomState::new().build_hasher().finish();
    (random >> 11) as f64 / (1u64 << 53) as f64
}
