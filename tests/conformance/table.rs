//! The tables as they are written: groups of services and the requests that they are asked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

/// One file of `tables/`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Why none of it runs yet.
    pub pending: Option<String>,
    /// Service clusters: name and spec in flow style. Each gets a proxy of its own.
    pub clusters: BTreeMap<String, String>,
    /// Docker secrets: name and content.
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
    /// Hosts (`any.` in front for `*.`) that have a certificate of the run's authority, in the
    /// secrets `HOST.cert` and `HOST.key`. The authority itself is in `authority`.
    #[serde(default)]
    pub certificates: Vec<String>,
    /// Resources that the proxies refuse, each named in what they say of it.
    #[serde(default)]
    pub refused: Vec<String>,
    pub groups: Vec<Group>,
}

/// Services, what is told of them, and requests.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    pub name: String,
    pub pending: Option<String>,
    /// The cluster whose proxy is asked; the file's first one by name unless told otherwise.
    pub cluster: Option<String>,
    /// In order of age.
    #[serde(default)]
    pub services: Vec<Service>,
    /// `SERVICE REASON` of every fault that must be reported of these services: no more, no less.
    pub told: Option<Vec<String>>,
    #[serde(default)]
    pub requests: Vec<Row>,
}

/// An application service.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    pub name: String,
    /// `name=value`, with Interlock's prefix unless it begins with `skep.`, `com.` or `team.`.
    #[serde(default)]
    pub labels: Vec<String>,
    #[serde(default = "one_network")]
    pub networks: Vec<String>,
    /// Published with mode=host.
    pub host_port: Option<u16>,
    #[serde(default)]
    pub tasks: Tasks,
    /// Its tasks speak HTTP/2 only, with prior knowledge.
    #[serde(default)]
    pub http2: bool,
    /// Its tasks speak TLS, with a certificate for this host.
    pub tls: Option<String>,
    /// What its tasks answer, byte by byte (see `text`), instead of telling what they saw.
    pub reply: Option<String>,
}

fn one_network() -> Vec<String> {
    vec!["net".to_owned()]
}

/// How many tasks run, or the state of each (see `stage::state`).
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Tasks {
    Count(usize),
    States(Vec<String>),
}

impl Default for Tasks {
    fn default() -> Self {
        Self::Count(1)
    }
}

impl Tasks {
    pub fn states(&self) -> Vec<String> {
        match self {
            Self::Count(count) => vec!["running".to_owned(); *count],
            Self::States(states) => states.clone(),
        }
    }
}

/// One request (or several on one connection) and what must come of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    pub name: String,
    pub pending: Option<String>,
    /// The proxy is known to be wrong here: the row must fail, and is an error once it passes.
    pub fault: Option<String>,
    /// `METHOD HOST TARGET`.
    pub send: Option<String>,
    /// `1.1`, `1.0` or `2`.
    #[serde(default = "http_11")]
    pub http: String,
    #[serde(default)]
    pub headers: Vec<String>,
    pub body: Option<String>,
    #[serde(default)]
    pub trailers: Vec<String>,
    /// The server name to open a TLS connection with; `-`: none.
    pub tls: Option<String>,
    /// The newest version of TLS that the client knows: `1.2`, or the newest there is.
    pub tls_max: Option<String>,
    /// Bytes to send (see `text`), instead of `send`.
    pub raw: Option<String>,
    /// The same in steps.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// So often, each on a connection of its own.
    #[serde(default = "once")]
    pub times: usize,
    /// Cookies are kept from one time to the next.
    #[serde(default)]
    pub cookies: bool,
    pub expect: Option<Expect>,
    /// Several answers on one connection.
    #[serde(default)]
    pub answers: Vec<Expect>,
}

fn http_11() -> String {
    "1.1".to_owned()
}

fn once() -> usize {
    1
}

/// A step of a conversation.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Bytes to send.
    Send(String),
    /// Text that must come before anything more is sent.
    Wait(String),
    /// The client says that it sends no more.
    Finish,
}

/// What is claimed of an answer, and of what the endpoint saw. What is left out is not claimed.
/// In maps `null` means absent, `*` anything, `~text` contains, `!text` anything else, a list all values in order.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// The method of the request it answers, where that cannot be seen: `HEAD` has no body.
    pub to: Option<String>,
    /// One of these; `0`: the connection ends without an answer.
    pub status: Option<Status>,
    pub service: Option<String>,
    /// What the endpoint saw.
    pub method: Option<String>,
    pub path: Option<String>,
    pub port: Option<u16>,
    pub network: Option<String>,
    pub seen_http: Option<String>,
    #[serde(default)]
    pub seen: BTreeMap<String, Value>,
    #[serde(default)]
    pub seen_trailers: BTreeMap<String, Value>,
    pub seen_body: Option<String>,
    /// `none`, `length N` or `chunked`.
    pub seen_framing: Option<String>,
    /// What the client gets.
    #[serde(default)]
    pub answer: BTreeMap<String, Value>,
    #[serde(default)]
    pub trailers: BTreeMap<String, Value>,
    pub reason: Option<String>,
    pub body: Option<String>,
    /// The certificate shown is good for this host.
    pub certificate: Option<String>,
    /// What was agreed on: `TLSv1_3 h2`.
    pub agreed: Option<String>,
    /// What a refused handshake says, in part.
    pub handshake: Option<String>,
    pub framing: Option<String>,
    pub http: Option<String>,
    /// The 1xx answers before it.
    pub interim: Option<Vec<u16>>,
    /// The connection ends before the answer does, or before it begins.
    pub cut: Option<bool>,
    /// The connection ends after it; otherwise it can be used again.
    pub closed: Option<bool>,
    /// No endpoint ever saw a request line with this text.
    pub never_seen: Option<String>,
    /// Of all answers: how many came from each service, give or take `within`.
    pub spread: Option<BTreeMap<String, usize>>,
    #[serde(default)]
    pub within: usize,
    /// Of all answers: how many endpoints gave them.
    pub endpoints: Option<usize>,
    /// Of all answers: how many had each status, give or take `within`.
    pub statuses: Option<BTreeMap<u16, usize>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Status {
    One(u16),
    Any(Vec<u16>),
}

impl Status {
    pub fn allows(&self, status: u16) -> bool {
        match self {
            Self::One(one) => *one == status,
            Self::Any(all) => all.contains(&status),
        }
    }
}

impl Row {
    pub fn expects(&self) -> Vec<Expect> {
        self.expect.iter().chain(&self.answers).cloned().collect()
    }
}

/// All tables of a folder beside this file, by file name.
pub fn load<T: serde::de::DeserializeOwned>(folder: &str) -> Result<Vec<(String, T)>, String> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let files = std::fs::read_dir(tests.join(folder)).map_err(|error| error.to_string())?;
    let mut paths: Vec<_> = files.filter_map(|file| Some(file.ok()?.path())).collect();
    paths.sort();
    let read = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let table = serde_saphyr::from_str(&text);
        let table = table.map_err(|error| format!("{}: {error}", path.display()))?;
        Ok((name.into_owned(), table))
    };
    paths.iter().map(read).collect()
}

/// The bytes that a text stands for. A line ends in CRLF; `<end>` on a line of its own is the
/// empty line that ends a head or chunked body; `<cut>` at an end of line sends no line end there;
/// `<LF>`, `<CR>`, `<NUL>`, `<TAB>`, `<x80>` are these bytes, `<5*ab>` is `ababababab`.
pub fn text(text: &str) -> Vec<u8> {
    let text = text.replace("<cut>\n", "").replace("<end>\n", "\n");
    let mut bytes = Vec::new();
    let mut rest = text.as_str();
    while let Some(character) = rest.chars().next() {
        let token = rest.strip_prefix('<').and_then(|rest| rest.split_once('>'));
        if let Some((known, after)) =
            token.and_then(|(name, after)| Some((token_bytes(name)?, after)))
        {
            bytes.extend(known);
            rest = after;
            continue;
        }
        match character {
            '\n' => bytes.extend(b"\r\n"),
            other => bytes.extend(other.to_string().bytes()),
        }
        rest = &rest[character.len_utf8()..];
    }
    bytes
}

fn token_bytes(name: &str) -> Option<Vec<u8>> {
    Some(match name {
        "LF" => vec![b'\n'],
        "CR" => vec![b'\r'],
        "NUL" => vec![0],
        "TAB" => vec![b'\t'],
        _ => {
            if let Some(hex) = name.strip_prefix('x') {
                return u8::from_str_radix(hex, 16).ok().map(|byte| vec![byte]);
            }
            let (count, what) = name.split_once('*')?;
            what.replace('|', "\r\n").repeat(count.parse().ok()?).into()
        }
    })
}
