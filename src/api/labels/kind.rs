//! The kinds of value that labels have, and how a text becomes one.

mod http;
mod redirect;

use std::collections::BTreeSet;

use ipnet::IpNet;

pub use http::{HeaderRule, header_name};
pub use redirect::RedirectRule;

use crate::api::grammar::{self, shortened};
use crate::api::limits::TIME_MAX_TEXT;
use crate::api::value::{ByteSize, HostPattern, Span};

/// A kind of value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Host names with a comma between.
    Hosts,
    /// One host name.
    Host,
    /// A port.
    Port,
    /// A network of the Swarm.
    Network,
    /// Service clusters with a comma between.
    Clusters,
    /// A path or an expression: which one, only `path_type` says.
    Path,
    /// The path (and query) of a request.
    UrlPath,
    /// True or false.
    Flag,
    /// True, false, or the status of a redirect.
    FlagOrStatus,
    /// A whole number.
    Number {
        /// The least.
        min: u32,
        /// The most.
        max: u32,
    },
    /// A length of time; a plain number is seconds.
    Time {
        /// May be nothing.
        zero: bool,
    },
    /// A number of bytes.
    Size,
    /// One of these words, and what each means.
    Choice(&'static [(&'static str, &'static str)]),
    /// Methods of HTTP with a comma between.
    Methods,
    /// What is asked of a header.
    HeaderTest,
    /// The value of a header.
    HeaderValue,
    /// Names of headers with a comma between.
    HeaderNames {
        /// `*` is one.
        star: bool,
    },
    /// A Docker secret.
    Secret,
    /// The name of a cookie.
    Cookie,
    /// The realm of a password.
    Realm,
    /// Networks in CIDR form, or addresses, with a comma between.
    Nets,
    /// Origins with a comma between.
    Origins,
    /// A status of HTTP: one of these, or any when there are none.
    Status(&'static [u16]),
    /// Statuses of HTTP with a comma between.
    Statuses,
    /// Requests of a time.
    Rate,
    /// Sources and targets.
    Redirects,
    /// Anything; it has no effect.
    Ignored,
}

/// A value that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// True or false.
    Flag(bool),
    /// A number, a port, a status.
    Number(u32),
    /// A length of time.
    Time(Span),
    /// A number of bytes.
    Size(ByteSize),
    /// One word in its normal form.
    Text(String),
    /// Words in their normal form, in the order given, each once.
    Texts(Vec<String>),
    /// Hosts in the order given, each once.
    Hosts(Vec<HostPattern>),
    /// Networks.
    Nets(Vec<IpNet>),
    /// Statuses.
    Statuses(BTreeSet<u16>),
    /// So many requests in so long.
    Rate(u32, Span),
    /// What is asked of a header.
    Test(HeaderRule),
    /// Redirects in the order given.
    Redirects(Vec<RedirectRule>),
    /// Nothing.
    None,
}

/// What is wrong with a text: a sentence, and what to do about it.
pub type Wrong = (String, String);

/// A text that was read: what is good of it, and what is wrong with the rest.
#[derive(Debug)]
pub struct Parsed {
    /// `None`: nothing of it can be used.
    pub value: Option<Value>,
    /// What is wrong.
    pub wrong: Vec<Wrong>,
}

impl From<Result<Value, Wrong>> for Parsed {
    fn from(result: Result<Value, Wrong>) -> Self {
        match result {
            Ok(value) => Self {
                value: Some(value),
                wrong: Vec::new(),
            },
            Err(wrong) => Self {
                value: None,
                wrong: vec![wrong],
            },
        }
    }
}

impl Kind {
    /// Reads a trimmed text.
    #[must_use]
    pub fn parse(self, text: &str) -> Parsed {
        match self {
            // Of these a good item is worth having though another is bad.
            Self::Hosts => some(text, ',', host, Value::Hosts),
            Self::Clusters => some(text, ',', cluster, Value::Texts),
            Self::Redirects => some(text, ';', redirect::parse, Value::Redirects),
            Self::Host => one_host(text).into(),
            Self::Port => port(text).into(),
            Self::Network | Self::Path => Ok(Value::Text(text.to_owned())).into(),
            Self::UrlPath => http::url_path(text).map(Value::Text).into(),
            Self::Flag => flag(text).map(Value::Flag).into(),
            Self::FlagOrStatus => flag_or_status(text).into(),
            Self::Number { min, max } => number(text, min, max).into(),
            Self::Time { zero } => time(text, zero).map(Value::Time).into(),
            Self::Size => size(text).into(),
            Self::Choice(words) => choice(text, words).into(),
            Self::Methods => every(text, http::method).map(Value::Texts).into(),
            Self::HeaderTest => http::header_test(text).map(Value::Test).into(),
            Self::HeaderValue => http::header_value(text).map(Value::Text).into(),
            Self::HeaderNames { star } => every(text, |item| match item {
                "*" if star => Ok("*".to_owned()),
                _ => http::header_name(item),
            })
            .map(Value::Texts)
            .into(),
            Self::Secret => secret(text).map(Value::Text).into(),
            Self::Cookie => http::token(text, "the name of a cookie")
                .map(Value::Text)
                .into(),
            Self::Realm => http::realm(text).map(Value::Text).into(),
            Self::Nets => every(text, net).map(Value::Nets).into(),
            Self::Origins => every(text, http::origin).map(Value::Texts).into(),
            Self::Status(allowed) => status(text, allowed)
                .map(|status| Value::Number(status.into()))
                .into(),
            Self::Statuses => every(text, |item| status(item, &[]))
                .map(|list| Value::Statuses(list.into_iter().collect()))
                .into(),
            Self::Rate => rate(text).into(),
            Self::Ignored => Ok(Value::None).into(),
        }
    }

    /// The reason of a fault in such a value.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Hosts | Self::Host => "InvalidHost",
            Self::Port => "InvalidPort",
            Self::Network => "InvalidNetwork",
            Self::Clusters => "InvalidServiceCluster",
            Self::Path | Self::UrlPath => "InvalidPath",
            Self::Flag => "InvalidBoolean",
            Self::Number { .. } => "InvalidNumber",
            Self::Time { .. } => "InvalidTime",
            Self::Size => "InvalidSize",
            Self::Choice(_) | Self::FlagOrStatus => "InvalidChoice",
            Self::Methods => "InvalidMethod",
            Self::HeaderTest | Self::HeaderValue | Self::HeaderNames { .. } => "InvalidHeader",
            Self::Secret => "InvalidSecret",
            Self::Cookie => "InvalidCookie",
            Self::Realm => "InvalidRealm",
            Self::Nets => "InvalidAddress",
            Self::Origins => "InvalidOrigin",
            Self::Status(_) | Self::Statuses => "InvalidStatus",
            Self::Rate => "InvalidRate",
            Self::Redirects => "InvalidRedirect",
            Self::Ignored => "",
        }
    }

    /// How the kind is called in the documentation.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Hosts => "hosts",
            Self::Host => "host",
            Self::Port => "port",
            Self::Network => "network",
            Self::Clusters => "names",
            Self::Path => "path",
            Self::UrlPath => "path and query",
            Self::Flag => "boolean",
            Self::FlagOrStatus => "boolean or status",
            Self::Number { .. } => "number",
            Self::Time { .. } => "time",
            Self::Size => "size",
            Self::Choice(_) => "word",
            Self::Methods => "methods",
            Self::HeaderTest => "header test",
            Self::HeaderValue | Self::Realm => "text",
            Self::HeaderNames { .. } => "header names",
            Self::Secret => "secret",
            Self::Cookie => "name",
            Self::Nets => "networks",
            Self::Origins => "origins",
            Self::Status(_) => "status",
            Self::Statuses => "statuses",
            Self::Rate => "rate",
            Self::Redirects => "redirects",
            Self::Ignored => "any",
        }
    }
}

fn wrong<T>(message: impl Into<String>, hint: impl Into<String>) -> Result<T, Wrong> {
    Err((message.into(), hint.into()))
}

/// Items of a list; a separator too many harms nobody.
fn items(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let items = text.split(separator).map(str::trim);
    items.filter(|item| !item.is_empty())
}

/// Items of one list that are read.
const MAX_ITEMS: usize = 1000;
/// Bad items of one list that are told.
const MAX_WRONG: usize = 20;

/// The good items, each once, and what is wrong with the bad ones.
fn some<T: PartialEq>(
    text: &str,
    separator: char,
    parse: impl Fn(&str) -> Result<T, Wrong>,
    list: impl Fn(Vec<T>) -> Value,
) -> Parsed {
    let mut good = Vec::new();
    let mut wrong = Vec::new();
    let mut all = items(text, separator);
    for item in all.by_ref().take(MAX_ITEMS) {
        match parse(item) {
            Ok(value) if good.contains(&value) => {}
            Ok(value) => good.push(value),
            Err(fault) => wrong.push(fault),
        }
    }
    let more = wrong.len().saturating_sub(MAX_WRONG);
    wrong.truncate(MAX_WRONG);
    if more > 0 {
        wrong.push((format!("{more} more items are wrong"), String::new()));
    }
    if all.next().is_some() {
        let message = format!("the list has more than {MAX_ITEMS} items; the others are left out");
        let hint = "give the others to a route of their own, such as skep.routes.more.hosts, or to another service";
        wrong.push((message, hint.to_owned()));
    }
    Parsed {
        value: (!good.is_empty() || wrong.is_empty()).then(|| list(good)),
        wrong,
    }
}

/// All items, each once; one that is bad spoils the list.
fn every<T: PartialEq>(
    text: &str,
    parse: impl Fn(&str) -> Result<T, Wrong>,
) -> Result<Vec<T>, Wrong> {
    let mut list = Vec::new();
    for (n, item) in items(text, ',').enumerate() {
        if n == MAX_ITEMS {
            return wrong(format!("the list has more than {MAX_ITEMS} items"), "");
        }
        let value = parse(item)?;
        if !list.contains(&value) {
            list.push(value);
        }
    }
    if list.is_empty() {
        return wrong(format!("`{}` is an empty list", shortened(text)), "");
    }
    Ok(list)
}

fn host(text: &str) -> Result<HostPattern, Wrong> {
    text.parse()
        .map_err(|message| (message, host_hint(text).to_owned()))
}

fn one_host(text: &str) -> Result<Value, Wrong> {
    let host = host(text)?;
    if host.as_str().starts_with('*') {
        return wrong(
            format!("`{}` stands for many hosts", shortened(text)),
            "write one host name",
        );
    }
    Ok(Value::Text(host.as_str().to_owned()))
}

fn host_hint(item: &str) -> &'static str {
    if item.contains("://") {
        "leave the scheme out"
    } else if item.contains('/') {
        "a path goes into context_root"
    } else if item.contains(':') {
        "leave the port out: a host is matched whatever port the client used"
    } else if item.contains(';') || item.contains(char::is_whitespace) {
        "write a comma between hosts"
    } else if !item.is_ascii() {
        "write the name in its ASCII form (xn--...)"
    } else if item == "*" {
        "default_backend=true takes all hosts that no route names"
    } else {
        ""
    }
}

fn cluster(text: &str) -> Result<String, Wrong> {
    match grammar::cluster_name(text) {
        Ok(()) => Ok(text.to_owned()),
        Err(message) => wrong(message, ""),
    }
}

fn port(text: &str) -> Result<Value, Wrong> {
    match text.parse::<u16>() {
        Ok(port) if port > 0 => Ok(Value::Number(port.into())),
        _ => wrong(
            format!("`{}` is not a port", shortened(text)),
            "write one number from 1 to 65535, the port inside the container",
        ),
    }
}

fn flag(text: &str) -> Result<bool, Wrong> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" => Ok(true),
        "false" | "0" | "no" => Ok(false),
        _ => wrong(
            format!("`{}` is neither true nor false", shortened(text)),
            "write true or false",
        ),
    }
}

fn flag_or_status(text: &str) -> Result<Value, Wrong> {
    if let Ok(status) = status(text, &[301, 302, 307, 308]) {
        return Ok(Value::Number(status.into()));
    }
    match flag(text) {
        Ok(on) => Ok(Value::Number(if on { 308 } else { 0 })),
        Err((message, _)) => wrong(message, "write true, false, or one of 301, 302, 307, 308"),
    }
}

fn number(text: &str, min: u32, max: u32) -> Result<Value, Wrong> {
    match text.parse::<u32>() {
        Ok(number) if (min..=max).contains(&number) => Ok(Value::Number(number)),
        _ => wrong(
            format!("`{}` is not such a number", shortened(text)),
            format!("write a whole number from {min} to {max}"),
        ),
    }
}

/// As nginx has it: a number is seconds, and spaces may stand between the parts of a sum.
fn time(text: &str, zero: bool) -> Result<Span, Wrong> {
    let packed: String = text.split_whitespace().collect();
    let is_number = packed.bytes().all(|byte| byte.is_ascii_digit()) && !packed.is_empty();
    let unit = if is_number { "s" } else { "" };
    match format!("{packed}{unit}").parse::<Span>() {
        Ok(span) if span.get().is_zero() && !zero => wrong(
            format!("`{}` is no time at all", shortened(text)),
            "write for example 10s",
        ),
        Ok(span) => Ok(span),
        Err(why) if why.contains("too long") => wrong(
            format!("`{}` is too long", shortened(text)),
            format!("write at most {TIME_MAX_TEXT}"),
        ),
        Err(_) => wrong(
            format!("`{}` is not a length of time", shortened(text)),
            "write seconds, or numbers with ms, s, m, h, for example 10, 10s, 1m30s",
        ),
    }
}

fn size(text: &str) -> Result<Value, Wrong> {
    text.parse::<ByteSize>().map(Value::Size).map_err(|why| {
        // The parser's own words: what is wrong, and what to write.
        let (why, what) = why.rsplit_once(": ").unwrap_or((&why, ""));
        (why.to_owned(), what.to_owned())
    })
}

fn choice(text: &str, words: &[(&str, &str)]) -> Result<Value, Wrong> {
    let lower = text.to_ascii_lowercase();
    if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == lower) {
        return Ok(Value::Text((*meaning).to_owned()));
    }
    let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let hint = match grammar::nearest(&lower, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`? allowed are {}", known.join(", ")),
        None => format!("allowed are {}", known.join(", ")),
    };
    wrong(format!("`{}` is not known here", shortened(text)), hint)
}

/// A secret is a file below one directory in the proxy, so its name is held to the engine's rule.
fn secret(text: &str) -> Result<String, Wrong> {
    let good = text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
        && (text.bytes()).all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if good {
        return Ok(text.to_owned());
    }
    wrong(
        format!("`{}` is not the name of a secret", shortened(text)),
        "write the name that `docker secret ls` shows",
    )
}

fn net(text: &str) -> Result<IpNet, Wrong> {
    let net = text.parse::<IpNet>().map(|net| net.trunc());
    let address = || text.parse::<std::net::IpAddr>().map(IpNet::from);
    net.or_else(|_| address()).map_err(|_| {
        (
            format!("`{}` is not a network", shortened(text)),
            "write a network such as 10.0.0.0/8 or fd00::/8, or an address".to_owned(),
        )
    })
}

fn status(text: &str, allowed: &[u16]) -> Result<u16, Wrong> {
    let status = text.parse::<u16>().ok();
    let good = status.filter(|status| (100..=599).contains(status));
    if let Some(status) = good.filter(|it| allowed.is_empty() || allowed.contains(it)) {
        return Ok(status);
    }
    let all: Vec<String> = allowed.iter().map(ToString::to_string).collect();
    let hint = if all.is_empty() {
        "write a number from 100 to 599".to_owned()
    } else {
        format!("write one of {}", all.join(", "))
    };
    wrong(format!("`{}` is not such a status", shortened(text)), hint)
}

fn rate(text: &str) -> Result<Value, Wrong> {
    let (number, unit) = text.split_once('/').unwrap_or((text, "s"));
    let seconds = match unit.trim() {
        "s" | "sec" | "second" => Some(1),
        "m" | "min" | "minute" => Some(60),
        "h" | "hour" => Some(3600),
        _ => None,
    };
    let number = number.trim().parse::<u32>().ok();
    match (number.filter(|n| (1..=1_000_000).contains(n)), seconds) {
        (Some(number), Some(seconds)) => Ok(Value::Rate(number, Span::from_secs(seconds))),
        _ => wrong(
            format!("`{}` is not a rate", shortened(text)),
            "write a number from 1 to 1000000 and a unit, for example 100/s, 600/m, 1000/h",
        ),
    }
}
