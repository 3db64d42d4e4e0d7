//! How the tasks of a service are reached, and which of them.

use super::{Group, Kind, label};

pub(super) const BALANCE: Group = Group {
    title: "Balancing",
    labels: &[
        label(
            "weight",
            Kind::Number {
                min: 0,
                max: 1_000_000,
            },
            "the number of its tasks",
            "20",
            "Share of the traffic where several services stand at the same place; 0: none.",
        ),
        label(
            "sticky_session_cookie",
            Kind::Cookie,
            "none",
            "session",
            "A client stays with its task: a cookie of the proxy's own, `skep-NAME`, names the task from the first answer on; a request without it goes where the value of the application's cookie `NAME` points to.",
        ),
        label(
            "ip_hash",
            Kind::Flag,
            "`false`",
            "true",
            "A client stays with its task by its address. It wants `publish.mode: host`, where proxies see the clients' own addresses.",
        ),
        label(
            "backend_mode",
            Kind::Choice(&[("task", "task"), ("default", "task"), ("vip", "vip")]),
            "`task`",
            "vip",
            "`task`: proxies balance over the tasks. `vip`: they use the service's virtual address and Swarm balances; a client cannot stay with a task then.",
        )
        .strict(),
    ],
};

pub(super) const CONNECTION: Group = Group {
    title: "Towards the tasks",
    labels: &[
        label(
            "backend_protocol",
            Kind::Choice(&[
                ("http", "http"),
                ("http1", "http"),
                ("h2", "h2"),
                ("h2c", "h2"),
                ("grpc", "h2"),
            ]),
            "`http`",
            "h2",
            "`http`: HTTP/1.1, and over TLS HTTP/2 where the task offers it. `h2` (or `h2c`, `grpc`): HTTP/2 at once, as gRPC wants it.",
        )
        .strict(),
        label(
            "ssl_backend",
            Kind::Flag,
            "`false`",
            "true",
            "TLS towards the tasks.",
        )
        .strict(),
        label(
            "ssl_backend_tls_verify",
            Kind::Choice(&[
                ("true", "true"),
                ("required", "true"),
                ("1", "true"),
                ("yes", "true"),
                ("false", "false"),
                ("none", "false"),
                ("optional", "false"),
                ("0", "false"),
                ("no", "false"),
            ]),
            "`true` with `backend_ca`, else `false`",
            "required",
            "Whether the tasks' certificates are checked: `true` or `required`; `false`, `none` or `optional`.",
        )
        .strict(),
        label(
            "backend_ca",
            Kind::Secret,
            "the public authorities",
            "internal-ca",
            "The Docker secret with the authorities (PEM) that are trusted; implies `ssl_backend=true`.",
        )
        .strict(),
        label(
            "backend_tls_name",
            Kind::Host,
            "the first of `hosts`",
            "backend.internal",
            "The name that is asked for by SNI, and checked.",
        )
        .strict(),
        label(
            "request_timeout",
            Kind::Time { zero: false },
            "`spec.traffic.timeouts.request`",
            "30s",
            "A task has so long to begin its answer.",
        ),
        label(
            "connect_timeout",
            Kind::Time { zero: false },
            "`spec.traffic.timeouts.connect`",
            "2s",
            "A task has so long to take the connection.",
        ),
        label(
            "retries",
            Kind::Number { min: 0, max: 10 },
            "only what is surely safe",
            "2",
            "So many more tries, each on another task where there is one, for requests that may be repeated; 0: none at all.",
        ),
        label(
            "retry_on",
            Kind::Statuses,
            "none",
            "502,503",
            "Answers that are tried again; without `retries`, once.",
        ),
    ],
};

pub(super) const HEALTH: Group = Group {
    title: "Health",
    labels: &[
        label(
            "max_fails",
            Kind::Number {
                min: 0,
                max: 1_000_000,
            },
            "`1` with `fail_timeout`; with neither, only refused connections count",
            "3",
            "A task that fails so many requests within `fail_timeout` is left out for as long; 0: never.",
        ),
        label(
            "fail_timeout",
            Kind::Time { zero: false },
            "`10s` with `max_fails`",
            "30s",
            "The window of `max_fails`, and for how long the task is left out.",
        ),
        label(
            "health_check.path",
            Kind::UrlPath,
            "none: no active checks",
            "/healthz",
            "Each proxy asks each task for this path; a task that does not answer well is left out.",
        ),
        label(
            "health_check.interval",
            Kind::Time { zero: false },
            "`10s`",
            "5s",
            "Between two checks.",
        ),
        label(
            "health_check.timeout",
            Kind::Time { zero: false },
            "`2s`",
            "1s",
            "For one check.",
        ),
        label(
            "health_check.healthy",
            Kind::Number { min: 1, max: 1000 },
            "`1`",
            "2",
            "So many good checks in a row bring a task back.",
        ),
        label(
            "health_check.unhealthy",
            Kind::Number { min: 1, max: 1000 },
            "`3`",
            "2",
            "So many bad checks in a row take it out.",
        ),
        label(
            "health_check.status",
            Kind::Status(&[]),
            "200 to 399",
            "204",
            "The status that is good.",
        ),
        label(
            "health_check.host",
            Kind::Host,
            "the first of `hosts`",
            "health.internal",
            "The Host header of the check.",
        ),
    ],
};
