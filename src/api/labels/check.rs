//! What only several labels of a route together show.

use super::kind::Value;
use super::read::Reader;
use super::{PathLabel, RouteLabels};
use crate::api::expression::Expression;
use crate::api::grammar::{self, shortened};
use crate::api::value::HostPattern;

/// Checks a route. A fatal fault says why it cannot be served; `None`: nor where it would stand.
pub(super) fn route(reader: &mut Reader) -> Option<RouteLabels> {
    let hosts = match reader.get("hosts") {
        Some(Value::Hosts(hosts)) => hosts.clone(),
        _ => Vec::new(),
    };
    let port = match reader.get("port") {
        Some(Value::Number(port)) => u16::try_from(*port).ok(),
        _ => None,
    };
    missing(reader, &hosts, port);
    let path = path(reader);
    certificate(reader);
    redirects(reader, &hosts);
    backend(reader, &hosts);
    header_edits(reader);
    companions(reader);
    if reader.flag("ssl_passthrough") {
        passthrough(reader);
    }
    Some(RouteLabels {
        hosts,
        // Without one there is a fatal fault.
        port: port.unwrap_or_default(),
        path: path?,
        ..RouteLabels::default()
    })
}

/// Headers of the connection, or of a message's end: no edit can reach them.
const OF_CONNECTION: [&str; 10] = [
    "connection",
    "content-length",
    "expect",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Leaves out what no proxy would do to headers.
fn header_edits(reader: &mut Reader) {
    let mut told = Vec::new();
    for (key, value) in &mut reader.values {
        let Some(edit) = Edit::of(key.0) else {
            continue;
        };
        let bad = |name: &str, told: &mut Vec<_>| {
            let refused = edit.refuses(name);
            if refused {
                told.push((key.clone(), name.to_owned()));
            }
            refused
        };
        if let Value::Texts(names) = value {
            names.retain(|name| !bad(name, &mut told));
        } else {
            bad(&key.1, &mut told);
        }
    }
    for (key, name) in told {
        reader
            .values
            .retain(|other, _| *other != key || !key.0.ends_with('*'));
        let message = format!("header `{name}` cannot be edited here, it is left as it is");
        let hint = if name == "host" {
            "the host of a request can be set, and nothing else"
        } else {
            "it belongs to the connection or says where a message ends"
        };
        reader.tell_of(&key, "InvalidHeader", message, hint);
    }
}

/// A change of headers.
#[derive(Clone, Copy)]
struct Edit {
    of_request: bool,
    sets: bool,
}

impl Edit {
    fn of(label: &str) -> Option<Self> {
        let (of_request, rest) = match label.split_once('.')? {
            ("request_headers", rest) => (true, rest),
            ("response_headers", rest) => (false, rest),
            _ => return None,
        };
        let sets = rest.starts_with("set");
        Some(Self { of_request, sets })
    }

    fn refuses(self, name: &str) -> bool {
        OF_CONNECTION.contains(&name) || (name == "host" && self.of_request && !self.sets)
    }
}

/// What a route cannot do without.
fn missing(reader: &mut Reader, hosts: &[HostPattern], port: Option<u16>) {
    let wanted = !hosts.is_empty() || reader.flag("default_backend");
    if wanted && port.is_none() && !reader.unreadable("port") {
        let message = "the service asks for a route and names no port";
        let hint = "add the label with the port inside the container";
        reader.refuse("port", "MissingPort", message, hint);
    } else if !wanted && !reader.unreadable("hosts") {
        let message = "the service carries routing labels and names no host";
        let hint = "add the label, or default_backend=true to take all other hosts";
        reader.refuse("hosts", "MissingHosts", message, hint);
    }
}

/// Whether an expression begins with something else than a path does. It is said only where there
/// is no doubt.
fn matches_no_path(pattern: &str) -> bool {
    let mut chars = pattern.trim_start_matches('^').chars();
    let is_plain = chars.next().is_some_and(|c| c.is_ascii_alphanumeric());
    let may_lack = matches!(chars.next(), Some('?' | '*' | '{'));
    is_plain && !may_lack && !pattern.contains('|')
}

/// The path as its kind means it. Never falls back to `/`: that would claim more than was asked.
fn path(reader: &mut Reader) -> Option<PathLabel> {
    let kind = reader.text("path_type").unwrap_or("prefix").to_owned();
    let Some(text) = reader.text("context_root").map(str::to_owned) else {
        if kind != "prefix" {
            let message = format!("path_type={kind} needs a path");
            reader.refuse("context_root", "MissingPath", message, "add the label");
            return None;
        }
        return Some(PathLabel::default());
    };
    let (path, hint) = match kind.as_str() {
        "exact" => (exact_path(&text), "write for example /login"),
        "regex" if matches_no_path(&text) => (
            Err(format!(
                "`{}` matches no path, because every path begins with /",
                grammar::shortened(&text)
            )),
            "begin the expression with /, for example /item/[0-9]+",
        ),
        "regex" => (
            Expression::new(&text).map(|_| PathLabel::Regex(text.clone())),
            "write for example /item/[0-9]+",
        ),
        _ => (
            grammar::path_prefix(&text).map(PathLabel::Prefix),
            "write for example /app, or add path_type=exact or path_type=regex",
        ),
    };
    if kind != "prefix" && reader.flag("context_root_rewrite") {
        if reader.is_own("context_root_rewrite") {
            let message = format!("context_root_rewrite has no effect with path_type={kind}");
            reader.tell("context_root_rewrite", "NoEffect", message, "remove it");
        }
        let key = ("context_root_rewrite", String::new());
        reader.values.insert(key, Value::Flag(false));
    }
    match path {
        Ok(path) => Some(path),
        Err(message) => {
            reader.refuse("context_root", "InvalidPath", message, hint);
            None
        }
    }
}

fn exact_path(text: &str) -> Result<PathLabel, String> {
    let good = text.starts_with('/')
        && text.len() <= 2048
        && text.bytes().all(|b| b.is_ascii_graphic())
        && !text.contains(['?', '#', '\\']);
    if good {
        return Ok(PathLabel::Exact(text.to_owned()));
    }
    Err(format!(
        "`{}` is not a path: it starts with / and has no space, ?, # or backslash",
        shortened(text)
    ))
}

fn certificate(reader: &mut Reader) {
    let given = |reader: &Reader, name| reader.text(name).is_some();
    let (cert, key) = (given(reader, "ssl_cert"), given(reader, "ssl_key"));
    let (have, lack) = match (cert, key) {
        (true, false) => ("ssl_cert", "ssl_key"),
        (false, true) => ("ssl_key", "ssl_cert"),
        _ => return,
    };
    if reader.faults.iter().any(|it| it.reason == "InvalidSecret") {
        return;
    }
    let message = format!("{have} is given and {lack} is not: the hosts have no certificate");
    let hint = "add the label; a secret that holds both is named in both";
    reader.tell(lack, "MissingSecret", message, hint);
}

/// A redirect stands at hosts of its own route only.
fn redirects(reader: &mut Reader, hosts: &[HostPattern]) {
    let Some(Value::Redirects(rules)) = reader.get("redirects").cloned() else {
        return;
    };
    // Redirects of the service that stand at other hosts are not this route's business.
    let taken_over = !reader.is_own("redirects");
    let mut good = Vec::new();
    for rule in rules {
        let is_ours = |host: &HostPattern| host.as_str() == rule.host || host.matches(&rule.host);
        let before =
            |other: &&super::RedirectRule| other.host == rule.host && other.path == rule.path;
        if !hosts.iter().any(is_ours) {
            if taken_over {
                continue;
            }
            let message = format!("the redirect's source {} is not among hosts", rule.host);
            let hint = format!("add {} to hosts", rule.host);
            reader.tell("redirects", "InvalidRedirect", message, hint);
        } else if let Some(first) = good.iter().find(before) {
            let message = format!(
                "{}{} is sent to {} already, so not to {}",
                rule.host, rule.path, first.target, rule.target
            );
            reader.tell(
                "redirects",
                "InvalidRedirect",
                message,
                "remove one of them",
            );
        } else {
            good.push(rule);
        }
    }
    let key = ("redirects", String::new());
    reader.values.insert(key, Value::Redirects(good));
}

/// Verification needs a name.
fn backend(reader: &mut Reader, hosts: &[HostPattern]) {
    let tls = reader.flag("ssl_backend") || reader.text("backend_ca").is_some();
    let verify = match reader.text("ssl_backend_tls_verify") {
        Some(verify) => verify == "true",
        None => reader.text("backend_ca").is_some(),
    };
    if !tls {
        for name in ["ssl_backend_tls_verify", "backend_tls_name"] {
            if reader.text(name).is_some_and(|text| text != "false") {
                alone(reader, name, "ssl_backend");
            }
        }
        return;
    }
    let plain = hosts.iter().any(|host| !host.as_str().starts_with('*'));
    if verify && !plain && reader.text("backend_tls_name").is_none() {
        let message = "the tasks' certificates shall be checked, and no name is known for them";
        let hint = "add the label with the name in the certificates";
        reader.refuse("backend_tls_name", "MissingTlsName", message, hint);
    }
}

/// Labels that say nothing without another one.
fn companions(reader: &mut Reader) {
    for (name, other) in [
        ("basic_auth_realm", "basic_auth"),
        ("rate_limit.burst", "rate_limit"),
        ("rate_limit.key", "rate_limit"),
        ("health_check.interval", "health_check.path"),
        ("health_check.timeout", "health_check.path"),
        ("health_check.healthy", "health_check.path"),
        ("health_check.unhealthy", "health_check.path"),
        ("health_check.status", "health_check.path"),
        ("health_check.host", "health_check.path"),
        ("cors.methods", "cors.origins"),
        ("cors.headers", "cors.origins"),
        ("cors.expose", "cors.origins"),
        ("cors.credentials", "cors.origins"),
        ("cors.max_age", "cors.origins"),
        ("redirect_status", "redirects"),
    ] {
        if reader.get(name).is_some() && reader.get(other).is_none() {
            alone(reader, name, other);
        }
    }
    if reader.flag("cors.credentials") && any_origin(reader) {
        let message = "cookies may not be sent from any origin: browsers refuse it";
        let hint = "name the origins; until then no cookies";
        reader.tell("cors.credentials", "NoEffect", message, hint);
        let key = ("cors.credentials", String::new());
        reader.values.insert(key, Value::Flag(false));
    }
    if reader.flag("ip_hash") && reader.text("sticky_session_cookie").is_some() {
        let message = "ip_hash has no effect beside sticky_session_cookie";
        reader.tell("ip_hash", "NoEffect", message, "remove one of them");
    }
}

fn any_origin(reader: &Reader) -> bool {
    match reader.get("cors.origins") {
        Some(Value::Texts(origins)) => origins.iter().any(|origin| origin == "*"),
        _ => false,
    }
}

fn alone(reader: &mut Reader, name: &'static str, other: &'static str) {
    // A fault of the other one has been told already.
    if !reader.unreadable(other) {
        let message = format!("{name} has no effect without {other}");
        let hint = format!("add {other} or remove it");
        reader.tell(name, "NoEffect", message, hint);
    }
}

/// What is inside TLS that is not opened cannot be seen.
fn passthrough(reader: &mut Reader) {
    for name in [
        "context_root",
        "context_root_rewrite",
        "methods",
        "ssl_cert",
        "basic_auth",
        "ip_allow",
        "rate_limit",
        "sticky_session_cookie",
        "ip_hash",
    ] {
        let given = reader.get(name);
        if given.is_some_and(|value| *value != Value::Flag(false)) {
            let message = format!("{name} has no effect with ssl_passthrough");
            // Who asks for protection must not be served without it.
            if matches!(name, "basic_auth" | "ip_allow" | "rate_limit") {
                let hint = "the application must do it itself: remove one of them";
                reader.refuse(name, "NotPossible", message, hint);
            } else if reader.is_own(name) {
                reader.tell(name, "NoEffect", message, "remove one of them");
            }
        }
    }
}
