//! The tables themselves: what is wrong in them is noticed.

use libtest_mimic::{Failed, Trial};

use crate::check::{self, Observed};
use crate::client::Answer;
use crate::table::{Row, Table, text};

pub fn trials() -> Vec<Trial> {
    let trial =
        |name: &str, test: fn() -> Result<(), Failed>| Trial::test(format!("itself: {name}"), test);
    vec![
        trial("what is misspelt is refused", misspelt),
        trial("a wrong claim is told", wrong_claim),
        trial("a claim that cannot fail is told", idle_claim),
        trial("texts are the bytes they stand for", texts),
        trial("a row that is known to fail must fail", known_faults),
    ]
}

fn row(yaml: &str) -> Result<Row, Failed> {
    serde_saphyr::from_str(yaml).map_err(|error| error.to_string().into())
}

fn holds(what: &str, truth: bool) -> Result<(), Failed> {
    if truth { Ok(()) } else { Err(what.into()) }
}

fn misspelt() -> Result<(), Failed> {
    let table = "clusters: {east: '{}'}\ngroups: [{name: x, servicse: []}]";
    let refused = serde_saphyr::from_str::<Table>(table).is_err();
    holds("a group with `servicse` is taken", refused)?;
    let row = row("{name: x, send: GET a /, expect: {stauts: 200}}");
    holds("a row that expects `stauts` is taken", row.is_err())
}

/// An answer of 200 by `app`, which saw `/x`.
fn observed() -> Observed {
    let saw = serde_json::json!({"service": "app", "path": "/x", "headers": {"x-a": ["1"]}});
    let answer = Answer {
        status: 200,
        saw: Some(saw),
        fields: vec![("x-b".to_owned(), "2".to_owned())],
        closed: Some(false),
        ..Answer::default()
    };
    Observed {
        rounds: vec![vec![answer]],
        lines: vec!["app GET /x HTTP/1.1".to_owned()],
    }
}

fn wrong_claim() -> Result<(), Failed> {
    for claim in [
        "status: 404",
        "service: other",
        "path: /y",
        "seen: {x-a: '2'}",
        "seen: {x-a: null}",
        "seen: {x-a: ['1', '1']}",
        "answer: {x-b: '!2'}",
        "answer: {x-c: '*'}",
        "closed: true",
        "never_seen: GET /x",
        "spread: {app: 2}",
        "endpoints: 1",
        "reason: NoRoute",
    ] {
        let row = row(&format!("{{name: x, send: GET a /, expect: {{{claim}}}}}"))?;
        let complaints = check::complaints(&row.expects(), &observed());
        holds(&format!("{claim} is believed"), !complaints.is_empty())?;
    }
    let right = row(
        "{name: x, send: GET a /, expect: {status: 200, service: app, path: /x, seen: {x-a: '1', x-c: null}, answer: {x-b: '~2'}, closed: false, never_seen: /y, spread: {app: 1}}}",
    )?;
    let complaints = check::complaints(&right.expects(), &observed());
    holds(&format!("{complaints:?}"), complaints.is_empty())
}

fn idle_claim() -> Result<(), Failed> {
    let idle = |yaml: &str| -> Result<bool, Failed> {
        let row = row(yaml)?;
        Ok(!check::idle_claims(&row.expects(), &observed()).is_empty())
    };
    holds("no claim at all", idle("{name: x, expect: {}}")?)?;
    // Nothing was seen, so nothing can be found there.
    let mut nothing = observed();
    nothing.lines.clear();
    let row = row("{name: x, expect: {never_seen: /y}}")?;
    let told = !check::idle_claims(&row.expects(), &nothing).is_empty();
    holds("what is never seen where nothing is", told)?;
    holds("a good claim", !idle("{name: x, expect: {status: 200}}")?)
}

fn texts() -> Result<(), Failed> {
    for (written, bytes) in [
        ("a\nb\n<end>\n", &b"a\r\nb\r\n\r\n"[..]),
        ("a<cut>\nb", b"ab"),
        ("<LF><CR><NUL><TAB><x80>", b"\n\r\0\t\x80"),
        ("<3*ab|>", b"ab\r\nab\r\nab\r\n"),
        ("<unknown> <", b"<unknown> <"),
    ] {
        holds(
            &format!("{written} is {:?}", text(written)),
            text(written) == bytes,
        )?;
    }
    Ok(())
}

fn known_faults() -> Result<(), Failed> {
    let fault = Some("x".to_owned());
    let wrong = || Err("y".to_owned());
    holds(
        "it passes",
        crate::settle("", fault.as_ref(), Ok(())).is_err(),
    )?;
    holds(
        "it fails",
        crate::settle("", fault.as_ref(), wrong()).is_ok(),
    )?;
    holds("no fault", crate::settle("", None, wrong()).is_err())
}
