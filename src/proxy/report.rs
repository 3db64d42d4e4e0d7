//! The metrics in the OpenMetrics text form.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;

use super::drain::Stage;
use super::metrics::Counters;
use super::table::Standing;
use super::worker::Shared;
use super::{clock, limits};

/// All metrics of this proxy.
pub(super) fn metrics(shared: &Shared) -> String {
    let mut out = String::with_capacity(4096);
    let metrics = &shared.metrics;
    let counters = [
        (
            "connections_accepted",
            "Client connections taken.",
            &metrics.accepted,
        ),
        (
            "connections_refused",
            "Client connections over maxConnections.",
            &metrics.refused,
        ),
        (
            "upstream_connects",
            "Connections opened to endpoints.",
            &metrics.connects,
        ),
        (
            "upstream_connect_failures",
            "Connections to endpoints that failed.",
            &metrics.connect_failures,
        ),
        (
            "upstream_retries",
            "Requests sent again, mostly to another endpoint.",
            &metrics.retries,
        ),
        (
            "upstream_timeouts",
            "Requests that an endpoint did not answer in time.",
            &metrics.timeouts,
        ),
        (
            "access_log_lines_dropped",
            "Lines of the access log that found no room.",
            &metrics.log_dropped,
        ),
        (
            "changes_refused",
            "Resources from the operator that could not be used.",
            &metrics.changes_refused,
        ),
        (
            "state_write_failures",
            "Times that the last good state could not be kept.",
            &metrics.state_failures,
        ),
    ];
    for (name, help, counter) in counters {
        family(&mut out, name, "counter", help);
        line(
            &mut out,
            &format!("{name}_total"),
            "",
            counter.load(Relaxed),
        );
    }
    gauges(&mut out, shared);
    durations(&mut out, shared);
    super::tls::report(&mut out, shared);
    requests(&mut out, shared);
    refusals(&mut out, shared);
    endpoints(&mut out, shared);
    out.push_str("# EOF\n");
    out
}

fn gauges(out: &mut String, shared: &Shared) {
    let metrics = &shared.metrics;
    let table = shared.tables.load();
    let control = shared.control.borrow();
    let gauges = [
        (
            "connections",
            "Client connections open.",
            metrics.connections.load(Relaxed),
        ),
        (
            "requests_in_flight",
            "Requests not yet wholly answered.",
            metrics.in_flight.load(Relaxed),
        ),
        (
            "tunnels",
            "Upgraded connections open.",
            metrics.tunnels.load(Relaxed),
        ),
        (
            "table_number",
            "Tables that this process has made.",
            table.number.cast_signed(),
        ),
        ("routes", "Routes that are live.", as_gauge(table.routes)),
        (
            "backends",
            "Backends that are known.",
            as_gauge(table.backends),
        ),
        (
            "control_connected",
            "Whether a stream to an operator is open.",
            i64::from(control.connected),
        ),
        (
            "control_synced",
            "Whether all that the operator published is applied.",
            i64::from(control.synced),
        ),
        (
            "draining",
            "Whether the proxy is on its way out.",
            i64::from(shared.drain.stage() != Stage::Serving),
        ),
    ];
    for (name, help, value) in gauges {
        family(out, name, "gauge", help);
        line(out, name, "", value);
    }
}

fn as_gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn durations(out: &mut String, shared: &Shared) {
    let name = "request_duration_seconds";
    family(
        out,
        name,
        "histogram",
        "From the head of a request to the end of its answer.",
    );
    let (buckets, total, sum) = shared.metrics.durations();
    for (bound, count) in buckets {
        line(
            out,
            "request_duration_seconds_bucket",
            &format!("le=\"{bound:?}\""),
            count,
        );
    }
    line(out, "request_duration_seconds_bucket", "le=\"+Inf\"", total);
    line(out, "request_duration_seconds_count", "", total);
    line(out, "request_duration_seconds_sum", "", sum);
}

/// Requests by backend and class. Backends that were never asked are left out: at 10,000 of them
/// the zeros would be most of the text.
fn requests(out: &mut String, shared: &Shared) {
    family(
        out,
        "requests",
        "counter",
        "Requests by backend and class of status; an empty backend is the proxy's own answers.",
    );
    counts(out, "", &shared.metrics.own, true);
    let table = shared.tables.load();
    let backends: BTreeMap<&str, _> = table
        .all()
        .flat_map(|route| route.backends())
        .map(|backend| (&*backend.name, &backend.shared.counters))
        .collect();
    for (name, counters) in backends {
        counts(out, name, counters, false);
    }
}

/// Requests that the proxy answered itself.
fn refusals(out: &mut String, shared: &Shared) {
    let help = "Requests that the proxy answered itself, by reason.";
    family(out, "refusals", "counter", help);
    for (reason, count) in shared.metrics.reasons.read() {
        line(
            out,
            "refusals_total",
            &format!("reason=\"{reason}\""),
            count,
        );
    }
}

/// Endpoints that may be left out, of backends where somebody looks; so many at most.
fn endpoints(out: &mut String, shared: &Shared) {
    let name = "endpoint_up";
    let help =
        "Whether an endpoint with health checks or outlier detection is asked as others are.";
    family(out, name, "gauge", help);
    let (table, now) = (shared.tables.load(), clock::now());
    let watched: BTreeMap<(&str, SocketAddr), _> = table
        .all()
        .flat_map(|route| route.backends())
        .filter(|backend| backend.health.is_some() || backend.outlier.is_some())
        .flat_map(|backend| {
            let endpoints = backend.endpoints.iter();
            endpoints.map(|endpoint| ((&*backend.name, endpoint.address), endpoint))
        })
        .collect();
    for ((backend, address), endpoint) in watched.into_iter().take(limits::ENDPOINTS_TOLD) {
        let labels = format!("backend=\"{}\",endpoint=\"{address}\"", escaped(backend));
        let is_up = endpoint.standing(now) == Standing::Good;
        line(out, name, &labels, u8::from(is_up));
    }
}

fn counts(out: &mut String, backend: &str, counters: &Counters, even_zero: bool) {
    if !even_zero && counters.read().all(|(_, count)| count == 0) {
        return;
    }
    let backend = escaped(backend);
    for (class, count) in counters.read() {
        line(
            out,
            "requests_total",
            &format!("backend=\"{backend}\",class=\"{class}\""),
            count,
        );
    }
}

/// A text as the value of a label.
pub(super) fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

pub(super) fn family(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(
        out,
        "# HELP skep_proxy_{name} {help}\n# TYPE skep_proxy_{name} {kind}"
    );
}

pub(super) fn line(out: &mut String, name: &str, labels: &str, value: impl std::fmt::Display) {
    let _ = if labels.is_empty() {
        writeln!(out, "skep_proxy_{name} {value}")
    } else {
        writeln!(out, "skep_proxy_{name}{{{labels}}} {value}")
    };
}
