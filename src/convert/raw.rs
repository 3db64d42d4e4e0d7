//! Raw lines for the configuration of nginx or HAProxy: what does the same here.

use super::draft::Left;
use super::given::Setting;
use super::tree::Pos;
use super::units::clean;

/// What lines begin with, and what to do instead.
const INSTEAD: [(&[&str], &str); 14] = [
    (
        &[
            "add_header",
            "more_set_headers",
            "http-response",
            "rspadd",
            "proxy_hide_header",
        ],
        "labels set and remove headers of answers, service by service",
    ),
    (
        &[
            "proxy_set_header",
            "http-request",
            "reqadd",
            "option forwardfor",
        ],
        "X-Forwarded-For, -Proto, -Host and -Port are set by themselves; labels set others",
    ),
    (
        &["real_ip_header", "set_real_ip_from", "real_ip_recursive"],
        "traffic.trustedHops says how many proxies in front are believed, traffic.proxyProtocol that they speak the PROXY protocol",
    ),
    (
        &[
            "limit_req_zone",
            "limit_req",
            "limit_conn",
            "limit_conn_zone",
            "stick-table",
        ],
        "labels limit the rate of requests, service by service",
    ),
    (
        &["allow", "deny", "geo", "acl"],
        "labels list the addresses that are let in, service by service",
    ),
    (
        &["auth_basic", "auth_basic_user_file", "userlist"],
        "labels ask for a password, service by service",
    ),
    (
        &[
            "proxy_read_timeout",
            "proxy_send_timeout",
            "send_timeout",
            "client_header_timeout",
            "timeout",
        ],
        "traffic.timeouts.request and traffic.timeouts.idle, or labels service by service",
    ),
    (&["proxy_connect_timeout"], "traffic.timeouts.connect"),
    (
        &["client_max_body_size"],
        "traffic.maxRequestBody, or a label service by service",
    ),
    (
        &[
            "ssl_protocols",
            "ssl_ciphers",
            "ssl_prefer_server_ciphers",
            "tune.ssl.default-dh-param",
            "ssl-default-bind-options",
            "ssl-default-bind-ciphers",
        ],
        "traffic.tls",
    ),
    (
        &["access_log", "log_format", "error_log", "log", "option"],
        "traffic.accessLog, and proxy.logging for where it goes",
    ),
    (
        &[
            "gzip",
            "gzip_types",
            "gzip_vary",
            "gzip_proxied",
            "gzip_min_length",
            "compression",
            "brotli",
        ],
        "answers are forwarded as they are: let the application compress",
    ),
    (
        &["server", "upstream", "listen", "frontend", "backend"],
        "a service of its own needs labels; a raw listener has no counterpart",
    ),
    (
        &[
            "proxy_buffering",
            "proxy_buffers",
            "proxy_buffer_size",
            "proxy_busy_buffers_size",
            "proxy_request_buffering",
            "proxy_http_version",
            "keepalive",
            "keepalive_requests",
            "sendfile",
            "tcp_nopush",
            "tcp_nodelay",
            "types_hash_max_size",
            "variables_hash_max_size",
            "map_hash_bucket_size",
            "server_tokens",
            "worker_connections",
            "worker_rlimit_nofile",
        ],
        "not needed: bodies are streamed, connections are kept, sizes are fixed",
    ),
];

const UNKNOWN: &str = "no counterpart; see whether a label (docs/labels.md) or a field (docs/reference.md) does what it was for";
/// More lines than anyone reads.
const MOST: usize = 50;

/// What is to be done about each line of a list.
pub(super) fn left(setting: &Setting<Vec<(Pos, &str)>>) -> Vec<Left> {
    let lines = setting.value.iter().take(MOST);
    lines
        .map(|(at, line)| {
            let begins = |word: &&str| {
                line.strip_prefix(word)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', ';']))
            };
            let known = INSTEAD.iter().find(|(words, _)| words.iter().any(begins));
            let why = known.map_or(UNKNOWN, |(_, why)| why);
            let line_of = Setting {
                at: *at,
                ..setting.with(())
            };
            Left::look(&line_of, format!("`{}`: {why}", clean(line)))
        })
        .collect()
}
