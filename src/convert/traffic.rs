//! `[Extensions.NAME.Config]`, of nginx or HAProxy: the settings of the listeners.

use super::ciphers::{self, Ciphers};
use super::draft::{Draft, Left};
use super::given::{Faults, Given, Setting};
use super::units::{clean, nginx_size, nginx_time};
use super::{options, raw};
use crate::api::grammar::nearest;
use crate::api::service_cluster::{LogFormat, TlsVersion};
use crate::api::value::Span;

const IDLE: &str = "spec.traffic.timeouts.idle";
const REQUEST: &str = "spec.traffic.timeouts.request";
const SUITES: &str = "spec.traffic.tls.cipherSuites";
const MIN_VERSION: &str = "spec.traffic.tls.minVersion";
const ACCESS_LOG: &str = "spec.traffic.accessLog";

/// What nginx waits for an answer in Interlock, unless told otherwise.
const NGINX_READ: Span = Span::from_secs(600);

pub(super) fn fill(draft: &mut Draft, extension: &Given, config: &Given, faults: &mut Faults) {
    let is_haproxy = is_haproxy(extension, config);
    timeouts(draft, config, is_haproxy, faults);
    connections(draft, config, is_haproxy);
    body(draft, config, faults);
    protocols(draft, config, faults);
    suites(draft, config);
    verify(draft, config, is_haproxy);
    access_log(draft, config);
    if !is_haproxy {
        draft.left.push(draft.always(
            "retries after 500, 502, 503 and 504, which Interlock's nginx always makes",
            "the answer is passed on here; the label skep.retry_on=500,502,503,504 of a service has idempotent requests tried again on another task",
        ));
    }
    if let Some(setting) = config.flag("HideInfoHeaders") {
        let why = "answers never tell addresses, times or versions; x-request-id reaches client and application";
        draft.left.push(Left::needless(&setting, why));
    }
    for name in options::RAW_LISTS {
        if let Some(setting) = config.texts(name) {
            draft.left.extend(raw::left(&setting));
        }
    }
}

/// Whether the extension configures HAProxy; `Config` has the same names for both.
fn is_haproxy(extension: &Given, config: &Given) -> bool {
    let names = ["Image", "ProxyImage", "ProxyConfigPath"];
    names
        .iter()
        .filter_map(|name| extension.text(name))
        .any(|setting| setting.value.contains("haproxy"))
        || config.count("ClientTimeout").is_some()
        || config.count("ServerTimeout").is_some()
        || config.texts("DefaultOptions").is_some()
}

fn seconds(config: &Given, name: &str) -> Option<Setting<Span>> {
    let setting = config.count(name)?;
    Some(setting.with(Span::from_secs(setting.value)))
}

fn timeouts(draft: &mut Draft, config: &Given, is_haproxy: bool, faults: &mut Faults) {
    if let Some(setting) = seconds(config, "ConnectTimeout") {
        const FIELD: &str = "spec.traffic.timeouts.connect";
        draft.cluster.spec.traffic.timeouts.connect = setting.value;
        draft.from(FIELD, &setting);
        if setting.value >= NGINX_READ {
            draft.say(FIELD, "UCP writes 5 since 3.2.3, and 5s suits most");
        }
    }
    let answer = if is_haproxy {
        "ServerTimeout"
    } else {
        "ReadTimeout"
    };
    let answer = seconds(config, answer);
    let idle = if is_haproxy {
        seconds(config, "ClientTimeout")
    } else {
        keepalive(draft, config, faults)
    };
    if let Some(setting) = &answer {
        draft.cluster.spec.traffic.timeouts.request = setting.value;
        draft.from(REQUEST, setting);
    } else if !is_haproxy {
        draft.cluster.spec.traffic.timeouts.request = NGINX_READ;
        draft.say(
            REQUEST,
            "ReadTimeout is not given; this is Interlock's default",
        );
    }
    // In Interlock an upgraded connection may be silent for as long as an answer may take.
    let silent = match &answer {
        None if is_haproxy => None,
        None => Some(NGINX_READ),
        Some(setting) => Some(setting.value),
    };
    let Some(longest) = silent.max(idle.as_ref().map(|setting| setting.value)) else {
        return;
    };
    draft.cluster.spec.traffic.timeouts.idle = longest;
    for setting in [&idle, &answer].into_iter().flatten() {
        if setting.value == longest {
            draft.from(IDLE, setting);
        }
    }
    if let Some(setting) = idle.as_ref().filter(|setting| setting.value < longest) {
        let why = format!(
            "connections without a request are kept as long as upgraded ones may be silent, for {longest}: see traffic.timeouts.idle"
        );
        draft.left.push(Left::needless(setting, why));
    }
    if idle.as_ref().is_none_or(|setting| setting.value < longest) {
        draft.say(IDLE, "upgraded connections may be silent for so long");
    }
}

/// `KeepaliveTimeout`; its second part is only a header's value.
fn keepalive(draft: &mut Draft, config: &Given, faults: &mut Faults) -> Option<Setting<Span>> {
    let setting = config.text("KeepaliveTimeout")?;
    let first = setting.value.split_whitespace().next()?;
    match nginx_time(first) {
        Ok(span) if span == Span::default() => {
            let why = "0 closes a connection after one request; here they are always kept";
            draft.left.push(Left::look(&setting, why));
            None
        }
        Ok(span) => Some(setting.with(span)),
        Err(message) => {
            faults.at(setting.at, setting.path.as_str(), message, "");
            None
        }
    }
}

fn connections(draft: &mut Draft, config: &Given, is_haproxy: bool) {
    const FIELD: &str = "spec.traffic.maxConnections";
    let workers = config.count("WorkerProcesses");
    let words = config.text("WorkerProcesses");
    if let Some(left) = workers
        .as_ref()
        .map(|s| s.with(()))
        .or(words.filter(|s| !s.value.is_empty()).map(|s| s.with(())))
    {
        let why = "a proxy uses every processor it may; proxy.resources.limits.cpus sets a limit";
        draft.left.push(Left::needless(&left, why));
    }
    let Some(setting) = config.count("MaxConnections") else {
        return;
    };
    let each = workers.filter(|workers| !is_haproxy && workers.value > 1);
    let factor = each.as_ref().map_or(1, |workers| workers.value);
    draft.cluster.spec.traffic.max_connections = setting.value.saturating_mul(factor);
    draft.from(FIELD, &setting);
    if let Some(workers) = each {
        draft.from(FIELD, &workers);
        draft.say(FIELD, "so many for each worker");
    }
    draft.say(FIELD, "only those of clients count here");
}

fn body(draft: &mut Draft, config: &Given, faults: &mut Faults) {
    let setting = config.text("ClientMaxBodySize");
    let Some(setting) = setting.filter(|setting| !setting.value.is_empty()) else {
        return;
    };
    match nginx_size(setting.value) {
        Ok(size) => {
            draft.cluster.spec.traffic.max_request_body = size;
            draft.from("spec.traffic.maxRequestBody", &setting);
        }
        Err(message) => faults.at(setting.at, setting.path.as_str(), message, ""),
    }
}

/// `TLSv1.2 TLSv1.3` of nginx, and HAProxy's `no-sslv3` and `force-tlsv12`.
fn protocols(draft: &mut Draft, config: &Given, faults: &mut Faults) {
    const NAMES: [&str; 6] = ["SSLv2", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"];
    let setting = config.text("SSLProtocols");
    let Some(setting) = setting.filter(|setting| !setting.value.is_empty()) else {
        return;
    };
    let (mut wanted, mut old) = (Vec::new(), Vec::new());
    let mut without_1_2 = false;
    for word in setting
        .value
        .split([' ', ',', ':', '\t'])
        .filter(|w| !w.is_empty())
    {
        match word.to_ascii_lowercase().as_str() {
            "tlsv1.2" | "force-tlsv12" => wanted.push(TlsVersion::V1_2),
            "tlsv1.3" | "force-tlsv13" => wanted.push(TlsVersion::V1_3),
            "sslv2" | "sslv3" | "tlsv1" | "tlsv1.0" | "tlsv1.1" | "force-sslv3"
            | "force-tlsv10" | "force-tlsv11" => old.push(clean(word)),
            "no-tlsv12" => without_1_2 = true,
            "no-sslv3" | "no-tlsv10" | "no-tlsv11" | "no-tlsv13" | "no-tls-tickets" => {}
            _ => {
                let dotless = word.to_ascii_lowercase().replace('.', "");
                let same = NAMES
                    .iter()
                    .find(|name| name.to_ascii_lowercase().replace('.', "") == dotless);
                let hint = match same.copied().or_else(|| nearest(word, NAMES)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "write \"TLSv1.2 TLSv1.3\"".to_owned(),
                };
                let message = format!("`{}` is no version of TLS", clean(word));
                faults.at(setting.at, setting.path.as_str(), message, hint);
                return;
            }
        }
    }
    if !old.is_empty() {
        let why = format!(
            "{} are not spoken: clients that know no TLS 1.2 cannot connect",
            old.join(", ")
        );
        draft.left.push(Left::look(&setting, why));
    }
    let only_1_3 = wanted.iter().all(|version| *version == TlsVersion::V1_3);
    let least = if (only_1_3 && !wanted.is_empty() && old.is_empty()) || without_1_2 {
        TlsVersion::V1_3
    } else {
        TlsVersion::V1_2
    };
    draft.cluster.spec.traffic.tls.min_version = least;
    draft.from(MIN_VERSION, &setting);
    if least == TlsVersion::V1_2 && !wanted.contains(&TlsVersion::V1_3) {
        draft.say(MIN_VERSION, "TLS 1.3 is offered too");
    }
}

fn suites(draft: &mut Draft, config: &Given) {
    let setting = config.text("SSLCiphers");
    let Some(setting) = setting.filter(|setting| !setting.value.is_empty()) else {
        return;
    };
    let Ciphers { equal, without } = ciphers::read(setting.value);
    let known_only = draft.cluster.spec.traffic.tls.min_version == TlsVersion::V1_3;
    if equal.is_empty() && without.is_empty() {
        let why = "it names groups, and the usual suites are such: AES-GCM and ChaCha20 with forward secrecy";
        draft.left.push(Left::needless(&setting, why));
        return;
    }
    if !without.is_empty() {
        draft.left.push(Left::look(
            &setting,
            format!(
                "not offered, because they lack forward secrecy or authenticated encryption, or are unknown: {}. Clients that know none but these cannot connect",
                without.join(", ")
            ),
        ));
    }
    if equal.is_empty() || known_only {
        return;
    }
    // The list of nginx is about TLS 1.2 alone.
    let mut all: Vec<String> = ciphers::TLS_1_3.iter().map(ToString::to_string).collect();
    all.extend(equal.iter().map(ToString::to_string));
    draft.cluster.spec.traffic.tls.cipher_suites = all;
    draft.from(SUITES, &setting);
    draft.say(SUITES, "and those of TLS 1.3, which it is not about");
}

/// `SSLVerify`, which the template of nginx does not use.
fn verify(draft: &mut Draft, config: &Given, is_haproxy: bool) {
    let Some(setting) = config.text("SSLVerify").filter(|s| !s.value.is_empty()) else {
        return;
    };
    let left = if is_haproxy && setting.value != "none" {
        Left::look(&setting, "clients are asked for no certificate")
    } else {
        let why = "clients are asked for no certificate, nor are they by Interlock's nginx";
        Left::needless(&setting, why)
    };
    draft.left.push(left);
}

fn access_log(draft: &mut Draft, config: &Given) {
    if let Some(setting) = config.text("AccessLogPath").filter(|s| !s.value.is_empty()) {
        match setting.value {
            "off" | "/dev/null" => {
                let field = format!("{ACCESS_LOG}.enabled");
                draft.cluster.spec.traffic.access_log.enabled = false;
                draft.from(&field, &setting);
            }
            "/dev/stdout" => {
                let why = "the access log goes to standard output";
                draft.left.push(Left::needless(&setting, why));
            }
            _ => {
                let why =
                    "the access log goes to standard output; proxy.logging sends it elsewhere";
                draft.left.push(Left::look(&setting, why));
            }
        }
    }
    let format = config.text("MainLogFormat");
    let Some(setting) = format.filter(|setting| !setting.value.is_empty()) else {
        return;
    };
    let field = format!("{ACCESS_LOG}.format");
    let is_json = setting.value.contains('{') && setting.value.contains(':');
    if !is_json {
        draft.cluster.spec.traffic.access_log.format = LogFormat::Text;
    }
    draft.from(&field, &setting);
    draft.say(&field, "the fields themselves are Skep's");
}
