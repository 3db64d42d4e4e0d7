//! What is told of TLS in the metrics.

use std::sync::atomic::Ordering::Relaxed;

use crate::proxy::report::{escaped, family, line};
use crate::proxy::worker::Shared;

pub(in crate::proxy) fn metrics(out: &mut String, shared: &Shared) {
    let metrics = &shared.metrics;
    let name = "tls_handshakes";
    family(
        out,
        name,
        "counter",
        "TLS connections by what became of them.",
    );
    for (outcome, count) in metrics.handshakes.read() {
        let label = format!("outcome=\"{outcome}\"");
        line(out, "tls_handshakes_total", &label, count);
    }
    for (name, help, value) in [
        (
            "tls_connections",
            "TLS connections open that end here.",
            metrics.tls_connections.load(Relaxed),
        ),
        (
            "passthrough_connections",
            "TLS connections open that are passed on.",
            metrics.passed.load(Relaxed),
        ),
    ] {
        family(out, name, "gauge", help);
        line(out, name, "", value);
    }
    for (name, help, from, to) in [
        (
            "passthrough_bytes",
            "Bytes of TLS connections passed on.",
            &metrics.passed_up,
            &metrics.passed_down,
        ),
        (
            "tunnel_bytes",
            "Bytes of upgraded connections.",
            &metrics.tunnelled_up,
            &metrics.tunnelled_down,
        ),
    ] {
        family(out, name, "counter", help);
        let name = format!("{name}_total");
        line(out, &name, "direction=\"from_client\"", from.load(Relaxed));
        line(out, &name, "direction=\"to_client\"", to.load(Relaxed));
    }
    certificates(out, shared);
}

fn certificates(out: &mut String, shared: &Shared) {
    let name = "certificate_not_after_seconds";
    let help = "When a certificate ends, in seconds since 1970.";
    family(out, name, "gauge", help);
    for certificate in &shared.tables.load().secure.all {
        if let Some(end) = certificate.not_after {
            let label = format!("name=\"{}\"", escaped(&certificate.name));
            line(out, name, &label, end);
        }
    }
}
