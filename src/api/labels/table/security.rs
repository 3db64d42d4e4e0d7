//! TLS towards clients, and who may come in.

use super::{Group, Kind, label};

pub(super) const TLS: Group = Group {
    title: "TLS",
    labels: &[
        label(
            "ssl_cert",
            Kind::Secret,
            "none",
            "shop.example.com.cert",
            "The Docker secret with the certificate chain (PEM) of the hosts, by its name or its name inside the stack.",
        ),
        label(
            "ssl_key",
            Kind::Secret,
            "none",
            "shop.example.com.key",
            "The Docker secret with its key (PEM). A secret that holds both is named in both labels.",
        ),
        label(
            "ssl_passthrough",
            Kind::Flag,
            "`false`",
            "true",
            "TLS connections for the hosts go to the tasks unopened, by SNI; any protocol over TLS will do. Paths, conditions and the settings of requests have no effect then. Several services share a host by task count or `weight`. By plain HTTP only redirects are served.",
        )
        .strict(),
    ],
};

pub(super) const ACCESS: Group = Group {
    title: "Who may come in",
    labels: &[
        label(
            "ip_allow",
            Kind::Nets,
            "all",
            "10.0.0.0/8,192.0.2.7",
            "Only clients of these networks; others get 403.",
        )
        .strict(),
        label(
            "basic_auth",
            Kind::Secret,
            "none",
            "shop-users",
            "The Docker secret with lines `user:hash` as `htpasswd -B` writes them; clients without a right password get 401.",
        )
        .strict(),
        label(
            "basic_auth_realm",
            Kind::Realm,
            "`restricted`",
            "Shop",
            "What browsers show when they ask for the password.",
        ),
        label(
            "rate_limit",
            Kind::Rate,
            "none",
            "100/s",
            "Most requests of a second (`/s`), a minute (`/m`) or an hour (`/h`), in each proxy for itself; more get 429.",
        )
        .strict(),
        label(
            "rate_limit.burst",
            Kind::Number {
                min: 0,
                max: 1_000_000,
            },
            "the number in `rate_limit`",
            "50",
            "So many more at once, saved up while there were fewer.",
        ),
        label(
            "rate_limit.key",
            Kind::Choice(&[("client", "client"), ("route", "route")]),
            "`client`",
            "route",
            "Who shares the rate: each client address has its own, or all clients of the route have one.",
        ),
        label(
            "max_request_body",
            Kind::Size,
            "`spec.traffic.maxRequestBody`",
            "64Mi",
            "Largest body of a request; larger ones get 413. `0`: no limit.",
        ),
        label(
            "cors.origins",
            Kind::Origins,
            "none: no CORS",
            "https://app.example.com,https://*.example.org",
            "Origins whose scripts may read answers; `*` for any.",
        )
        .strict(),
        label(
            "cors.methods",
            Kind::Methods,
            "`GET,HEAD,POST`",
            "GET,PUT",
            "Methods that they may use.",
        ),
        label(
            "cors.headers",
            Kind::HeaderNames { star: true },
            "none",
            "content-type,x-token",
            "Request headers that they may send; `*` for any.",
        ),
        label(
            "cors.expose",
            Kind::HeaderNames { star: false },
            "none",
            "x-total",
            "Answer headers that they may read.",
        ),
        label(
            "cors.credentials",
            Kind::Flag,
            "`false`",
            "true",
            "They may send cookies. Not together with `cors.origins=*`.",
        ),
        label(
            "cors.max_age",
            Kind::Time { zero: true },
            "the browser's own",
            "10m",
            "A preflight's answer is good for so long.",
        ),
    ],
};
