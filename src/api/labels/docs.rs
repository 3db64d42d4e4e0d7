//! `docs/labels.md`, written from the table of labels.

use std::fmt::Write as _;

use super::kind::Kind;
use super::lenient::{self, Lenient};
use super::table::{self, LabelSpec};

/// What comes before the tables. Written by hand, but checked by the same test.
const HEAD: &str = include_str!("docs/head.md");
/// What comes behind them.
const TAIL: &str = include_str!("docs/tail.md");

/// The page.
#[must_use]
pub fn markdown() -> String {
    let mut page = HEAD.to_owned();
    for group in table::GROUPS {
        let _ = write!(
            page,
            "\n## {}\n\n| label | type | default | example | meaning |\n|---|---|---|---|---|\n",
            group.title
        );
        for label in group.labels {
            row(&mut page, label);
        }
    }
    page.push('\n');
    page.push_str(&TAIL.replace("{lenient}\n", &lenient()));
    page
}

/// What is taken besides the usual way of writing a value.
fn lenient() -> String {
    let mut rows = "| type | also taken | the same as |\n|---|---|---|\n".to_owned();
    for Lenient {
        kind,
        written,
        means,
    } in lenient::ALL
    {
        let _ = writeln!(rows, "| {} | `{written}` | `{means}` |", kind.word());
    }
    rows
}

fn row(page: &mut String, label: &LabelSpec) {
    let name = label.name.replace('*', "NAME");
    let strict = if label.strict { " **!**" } else { "" };
    let alias = match label.alias {
        "" => String::new(),
        alias => format!(", `{alias}`"),
    };
    let _ = writeln!(
        page,
        "| `{name}`{alias}{strict} | {} | {} | `{}` | {} |",
        kind(label.kind),
        label.default,
        label.example.replace('|', "\\|"),
        label.meaning
    );
}

fn kind(kind: Kind) -> String {
    match kind {
        Kind::Number { min, max } => format!("number {min} to {max}"),
        Kind::Choice(words) => {
            let words: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
            words.join(" ")
        }
        Kind::Status(allowed) if !allowed.is_empty() => {
            let all: Vec<String> = allowed.iter().map(ToString::to_string).collect();
            all.join(" ")
        }
        other => other.word().to_owned(),
    }
}
