//! Compares what a row claims with what came, and makes sure that each claim could have failed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::client::Answer;
use crate::table::{Expect, Status};
use crate::wire::{Fields, values};

/// All that a row's claims are compared with.
pub struct Observed {
    /// For each time the row was asked: its answers.
    pub rounds: Vec<Vec<Answer>>,
    /// Request lines that endpoints saw.
    pub lines: Vec<String>,
}

/// What is not as claimed. Claims about one answer must hold for it in every round.
pub fn complaints(expects: &[Expect], observed: &Observed) -> Vec<String> {
    let mut complaints = Vec::new();
    for (at, expect) in expects.iter().enumerate() {
        let mut found = BTreeSet::new();
        for round in &observed.rounds {
            found.extend(of_one(expect, &round[at]));
        }
        found.extend(of_all(expect, at, observed));
        let number = if expects.len() > 1 {
            format!("answer {}: ", at + 1)
        } else {
            String::new()
        };
        complaints.extend(found.into_iter().map(|text| format!("{number}{text}")));
    }
    complaints
}

/// A claim of one text: what it is about, what is wanted, what is there.
type Claim<'a> = (&'a str, Option<String>, Option<String>);

fn of_one(expect: &Expect, answer: &Answer) -> Vec<String> {
    let mut all = Vec::new();
    for (what, want, got) in seen_claims(expect, answer)
        .into_iter()
        .chain(answer_claims(expect, answer))
    {
        if want.is_some() && want != got {
            let shown = got.as_deref().unwrap_or("nothing");
            let want = want.unwrap_or_default();
            all.push(format!("{what} is {shown}, not {want}"));
        }
    }
    if let Some(status) = &expect.status
        && !status.allows(answer.status)
    {
        all.push(format!("the status is {}, not {status:?}", answer.status));
    }
    tls_claims(expect, answer, &mut all);
    let part = |name: &str| {
        let saw = answer.saw.as_ref().map(|saw| told_fields(&saw[name]));
        saw.unwrap_or_default()
    };
    let (headers, trailers) = (part("headers"), part("trailers"));
    fields("the endpoint saw", &expect.seen, &headers, &mut all);
    fields(
        "the endpoint saw trailer",
        &expect.seen_trailers,
        &trailers,
        &mut all,
    );
    fields("the client got", &expect.answer, &answer.fields, &mut all);
    fields(
        "the client got trailer",
        &expect.trailers,
        &answer.body.trailers,
        &mut all,
    );
    let asks_endpoint = !expect.seen.is_empty() || !expect.seen_trailers.is_empty();
    if asks_endpoint && answer.saw.is_none() {
        all.push("no endpoint tells what it saw".to_owned());
    }
    all
}

/// What the endpoint saw.
fn seen_claims(expect: &Expect, answer: &Answer) -> [Claim<'static>; 8] {
    let saw = |key: &str| {
        let saw = answer.saw.as_ref().and_then(|saw| saw.get(key))?;
        Some(saw.as_str().map_or_else(|| saw.to_string(), str::to_owned))
    };
    let port = expect.port.map(|it| it.to_string());
    [
        ("the service", expect.service.clone(), saw("service")),
        ("the method seen", expect.method.clone(), saw("method")),
        ("the path seen", expect.path.clone(), saw("path")),
        ("the port seen", port, saw("port")),
        ("the network", expect.network.clone(), saw("network")),
        ("the version seen", expect.seen_http.clone(), saw("http")),
        ("the body seen", expect.seen_body.clone(), saw("body")),
        (
            "the framing seen",
            expect.seen_framing.clone(),
            saw("framing"),
        ),
    ]
}

/// What the client got.
fn answer_claims(expect: &Expect, answer: &Answer) -> [Claim<'static>; 7] {
    let reason = values(&answer.fields, "x-skep-reason");
    let reason = reason.first().map(|it| (*it).to_owned());
    let body = String::from_utf8_lossy(&answer.body.bytes).into_owned();
    let framing = answer.body.framing.clone();
    let text = |it: &Vec<u16>| format!("{it:?}");
    let interim = expect.interim.as_ref().map(text);
    let flag = |it: Option<bool>| it.map(|it| it.to_string());
    let cut = Some(answer.body.cut || answer.status == 0);
    [
        ("the reason", expect.reason.clone(), reason),
        ("the body", expect.body.clone(), Some(body)),
        ("the framing", expect.framing.clone(), Some(framing)),
        (
            "the version",
            expect.http.clone(),
            Some(answer.http.clone()),
        ),
        ("interim", interim, Some(text(&answer.interim))),
        ("cut", flag(expect.cut), flag(cut)),
        ("closed", flag(expect.closed), flag(answer.closed)),
    ]
}

fn tls_claims(expect: &Expect, answer: &Answer, all: &mut Vec<String>) {
    let agreed = answer.tls.as_ref().map(|it| &it.agreed);
    if expect.agreed.is_some() && expect.agreed.as_ref() != agreed {
        all.push(format!("TLS agreed on {agreed:?}, not {:?}", expect.agreed));
    }
    if let Some(host) = &expect.certificate
        && !answer.tls.as_ref().is_some_and(|it| it.is_for(host))
    {
        all.push(format!("the certificate is not one for {host}"));
    }
    if let Some(part) = &expect.handshake
        && !answer
            .handshake
            .as_ref()
            .is_some_and(|it| it.contains(part))
    {
        all.push(format!(
            "the handshake says {:?}, not {part}",
            answer.handshake
        ));
    }
}

/// The fields that an endpoint told.
fn told_fields(told: &Value) -> Fields {
    let mut fields = Fields::new();
    for (name, values) in told.as_object().into_iter().flatten() {
        for value in values.as_array().into_iter().flatten() {
            fields.push((name.clone(), value.as_str().unwrap_or_default().to_owned()));
        }
    }
    fields
}

fn fields(what: &str, wants: &BTreeMap<String, Value>, fields: &Fields, all: &mut Vec<String>) {
    for (name, want) in wants {
        let got = values(fields, &name.to_ascii_lowercase());
        if !matches(want, &got) {
            all.push(format!("{what} {name}: {got:?}, not {want}"));
        }
    }
}

fn matches(want: &Value, got: &[&str]) -> bool {
    match want {
        Value::Null => got.is_empty(),
        Value::Array(list) => {
            let list: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
            list == got
        }
        Value::String(text) if text == "*" => !got.is_empty(),
        Value::String(text) => match text.strip_prefix('~') {
            Some(part) => got.iter().any(|it| it.contains(part)),
            None => match text.strip_prefix('!') {
                Some(other) => !got.is_empty() && !got.contains(&other),
                None => got == [text.as_str()],
            },
        },
        other => got == [other.to_string()],
    }
}

/// Claims about all rounds together, and about all that endpoints saw.
fn of_all(expect: &Expect, at: usize, observed: &Observed) -> Vec<String> {
    let mut all = Vec::new();
    let answers = || observed.rounds.iter().map(|round| &round[at]);
    let saw = |key: &str| {
        let told = answers().filter_map(|it| it.saw.as_ref()?.get(key)?.as_str());
        counts(told.map(str::to_owned))
    };
    if let Some(spread) = &expect.spread {
        near("services", spread, &saw("service"), expect.within, &mut all);
    }
    if let Some(statuses) = &expect.statuses {
        let got = counts(answers().map(|answer| answer.status));
        near("statuses", statuses, &got, expect.within, &mut all);
    }
    if let Some(endpoints) = expect.endpoints {
        let got = saw("task");
        if got.len() != endpoints {
            all.push(format!(
                "{} endpoints answered, not {endpoints}: {got:?}",
                got.len()
            ));
        }
    }
    if let Some(text) = &expect.never_seen
        && let Some(line) = observed.lines.iter().find(|line| line.contains(text))
    {
        all.push(format!("an endpoint saw `{line}`"));
    }
    all
}

fn counts<T: Ord>(items: impl Iterator<Item = T>) -> BTreeMap<T, usize> {
    let mut counts = BTreeMap::new();
    for item in items {
        *counts.entry(item).or_default() += 1;
    }
    counts
}

fn near<T: Ord + std::fmt::Debug>(
    what: &str,
    want: &BTreeMap<T, usize>,
    got: &BTreeMap<T, usize>,
    within: usize,
    all: &mut Vec<String>,
) {
    let of = |counts: &BTreeMap<T, usize>, key: &T| counts.get(key).copied().unwrap_or(0);
    let keys: BTreeSet<&T> = want.keys().chain(got.keys()).collect();
    let off = |key: &&T| of(want, key).abs_diff(of(got, key)) > within;
    if keys.into_iter().any(|key| off(&key)) {
        all.push(format!(
            "{what} are {got:?}, not {want:?} give or take {within}"
        ));
    }
}

/// The claims of an expectation, each alone and turned into one that is wrong.
pub fn spoiled(expect: &Expect) -> Vec<(&'static str, Expect)> {
    let mut all = Vec::new();
    macro_rules! spoil {
        ($($field:ident: $wrong:expr;)*) => {$(
            if let Some(_right) = &expect.$field {
                let $field = Some($wrong(_right));
                let to = expect.to.clone();
                all.push((stringify!($field), Expect { $field, to, ..Expect::default() }));
            }
        )*};
    }
    let other = |it: &String| format!("not {it}");
    spoil! {
        status: |_| Status::One(599);
        service: other; method: other; path: other; network: other; seen_http: other;
        certificate: other; agreed: other; handshake: other; seen_body: other; seen_framing: other; reason: other; body: other; framing: other; http: other;
        port: |it: &u16| it ^ 1;
        interim: |it: &Vec<u16>| it.iter().copied().chain([199]).collect();
        cut: |it: &bool| !it;
        closed: |it: &bool| !it;
        endpoints: |it: &usize| it + 1;
        never_seen: |_| String::new();
        spread: |it: &BTreeMap<String, usize>| it.keys().map(|key| (other(key), 1)).collect();
        statuses: |it: &BTreeMap<u16, usize>| it.keys().map(|key| (key + 500, 1)).collect();
    }
    macro_rules! spoil_fields {
        ($($field:ident)*) => {$(
            for (name, want) in &expect.$field {
                let $field = BTreeMap::from([(name.clone(), wrong(want))]);
                all.push((stringify!($field), Expect { $field, ..Expect::default() }));
            }
        )*};
    }
    spoil_fields! { seen seen_trailers answer trailers }
    all
}

fn wrong(want: &Value) -> Value {
    match want {
        Value::Null => Value::String("*".to_owned()),
        Value::String(text) if text == "*" || text.starts_with('!') => Value::Null,
        _ => Value::String("no such value".to_owned()),
    }
}

/// The claims of a row that hold whatever came: those that nothing could contradict.
pub fn idle_claims(expects: &[Expect], observed: &Observed) -> Vec<String> {
    let mut idle = Vec::new();
    for (at, expect) in expects.iter().enumerate() {
        let spoiled = spoiled(expect);
        if spoiled.is_empty() {
            idle.push(format!("answer {} claims nothing", at + 1));
        }
        for (claim, wrong) in spoiled {
            let mut all: Vec<Expect> = vec![Expect::default(); expects.len()];
            all[at] = wrong;
            if complaints(&all, observed).is_empty() {
                idle.push(format!("the claim `{claim}` cannot fail"));
            }
        }
    }
    idle
}
