//! Where a service stands: clusters, hosts, paths, conditions, redirects.

use super::{Group, Kind, label};

pub(super) const SERVICE: Group = Group {
    title: "The service",
    labels: &[
        label(
            "service_cluster",
            Kind::Clusters,
            "the cluster that has `spec.default: true`",
            "east,west",
            "The service clusters that serve it, by name.",
        )
        .strict()
        .of_service(),
        label(
            "port",
            Kind::Port,
            "none, it must be given",
            "8080",
            "The port inside the containers. It needs no publishing.",
        )
        .strict(),
        label(
            "network",
            Kind::Network,
            "one that the proxies have, first in order of name, one they are attached to already before others",
            "shop_front",
            "The network on which the service is reached: its name, its id, or its name inside the stack. A service on no network of the proxies is reached by the ports it publishes with mode=host.",
        )
        .strict(),
    ],
};

pub(super) const WHERE: Group = Group {
    title: "Hosts and paths",
    labels: &[
        label(
            "hosts",
            Kind::Hosts,
            "none, it must be given, or `default_backend=true`",
            "demo.example.com,*.demo.example.com",
            "The host names, in any letter case; `*.` in front stands for all below.",
        )
        .strict(),
        label(
            "context_root",
            Kind::Path,
            "`/`",
            "/app",
            "The path: a prefix on segment borders, `/app` takes `/app` and `/app/x`, not `/apple`. Several services may stand at several paths of a host; the longest one wins.",
        )
        .or("path")
        .strict(),
        label(
            "context_root_rewrite",
            Kind::Flag,
            "`false`",
            "true",
            "Cut the prefix off before the request is forwarded: `/app/x` arrives as `/x`.",
        ),
        label(
            "path_type",
            Kind::Choice(&[("prefix", "prefix"), ("exact", "exact"), ("regex", "regex")]),
            "`prefix`",
            "exact",
            "How the path is meant: `prefix`, `exact` (this path alone) or `regex` (an expression for the whole path). Exact ones come first, then expressions, then prefixes.",
        )
        .strict(),
        label(
            "default_backend",
            Kind::Flag,
            "`false`",
            "true",
            "Takes all hosts that no route names. It needs no `hosts`.",
        )
        .own(),
    ],
};

pub(super) const WHICH: Group = Group {
    title: "Conditions",
    labels: &[
        label(
            "methods",
            Kind::Methods,
            "any",
            "GET,HEAD",
            "Only requests with one of these methods. A route with methods comes before one without.",
        )
        .strict(),
        label(
            "header.*",
            Kind::HeaderTest,
            "none",
            "beta",
            "Only requests with this header: a value for just this value, `~` and an expression for the whole value, `*` (or nothing) for any value. With several, all must hold; a route with more of them comes first.",
        )
        .strict(),
    ],
};

pub(super) const REDIRECTS: Group = Group {
    title: "Redirects",
    labels: &[
        label(
            "redirects",
            Kind::Redirects,
            "none",
            "http://old.example.com,https://new.example.com,301",
            "`source,target` or `source,target,status`, several with `;` between. The source's host must be among `hosts`. Path and query of the request are appended to the target. Requests by HTTP and by HTTPS are sent on; one that is at the target's scheme and host already is served.",
        ),
        label(
            "redirect_status",
            Kind::Status(&[301, 302, 307, 308]),
            "`302`",
            "308",
            "The status of redirects that name none: 301, 302, 307 or 308.",
        ),
        label(
            "https_redirect",
            Kind::FlagOrStatus,
            "`false`",
            "true",
            "Requests by plain HTTP are sent to the same URL by HTTPS: `true` (with status 308), or 301, 302, 307, 308.",
        )
        .strict(),
        label(
            "ssl_only",
            Kind::Flag,
            "`false`",
            "true",
            "Interlock's word for `https_redirect=true`.",
        )
        .strict(),
    ],
};
