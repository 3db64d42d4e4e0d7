//! Changes to requests and answers.

use super::{Group, Kind, label};

pub(super) const REQUESTS: Group = Group {
    title: "Headers",
    labels: &[
        label(
            "request_headers.set.*",
            Kind::HeaderValue,
            "none",
            "shop",
            "This header of requests, instead of what is there.",
        ),
        label(
            "request_headers.add.*",
            Kind::HeaderValue,
            "none",
            "shop",
            "This header of requests, beside what is there.",
        ),
        label(
            "request_headers.remove",
            Kind::HeaderNames { star: false },
            "none",
            "x-debug",
            "Headers taken away from requests.",
        )
        .strict(),
        label(
            "response_headers.set.*",
            Kind::HeaderValue,
            "none",
            "DENY",
            "This header of answers, instead of what is there.",
        ),
        label(
            "response_headers.add.*",
            Kind::HeaderValue,
            "none",
            "no-store",
            "This header of answers, beside what is there.",
        ),
        label(
            "response_headers.remove",
            Kind::HeaderNames { star: false },
            "none",
            "server,x-powered-by",
            "Headers taken away from answers.",
        )
        .strict(),
        label(
            "websocket_endpoints",
            Kind::Ignored,
            "none",
            "/ws",
            "Has no effect: upgrades work on every path.",
        ),
    ],
};
