//! JSONPath templates as kubectl has them: text with paths in braces, `{range PATH}` to `{end}`
//! around what is written for each, `{"\n"}` for what a shell cannot hold. The paths themselves
//! are RFC 9535's.

use std::str::FromStr;

use serde_json::Value;
use serde_json_path::JsonPath;

use super::text;
use super::translate::translate;

/// One path.
#[derive(Clone, Debug)]
pub struct Path {
    path: JsonPath,
    /// It begins at the document even within a range.
    absolute: bool,
}

impl Path {
    /// What it finds; nothing where a field is missing.
    #[must_use]
    pub fn all<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        self.path.query(value).all()
    }

    /// The first thing that it finds.
    #[must_use]
    pub fn first(&self, value: &Value) -> Option<Value> {
        self.all(value).first().map(|found| (*found).clone())
    }

    /// Reads a path that begins at this character of what was typed.
    fn parse(written: &str, from: usize) -> Result<Self, String> {
        let trimmed = written.trim_start();
        let from = from + written[..written.len() - trimmed.len()].chars().count();
        let trimmed = trimmed.trim_end();
        let translated = translate(trimmed);
        match JsonPath::parse(&translated.path) {
            Ok(path) => Ok(Self {
                path,
                absolute: trimmed.starts_with('$'),
            }),
            Err(error) => {
                let at = translated.origin(error.position());
                let before = trimmed.get(..at).unwrap_or(trimmed).chars().count();
                let rest = trimmed.get(at..).unwrap_or_default();
                let message = match error.message() {
                    _ if rest.is_empty() => "the path ends too early".to_owned(),
                    "parser error" => format!("a path cannot go on with `{rest}`"),
                    other => format!("{other}, at `{rest}`"),
                };
                Err(fault(from + before, &message))
            }
        }
    }
}

impl FromStr for Path {
    type Err = String;

    /// With or without braces around it.
    fn from_str(written: &str) -> Result<Self, String> {
        match written.strip_prefix('{') {
            Some(rest) => match rest.strip_suffix('}') {
                Some(inner) => Self::parse(inner, 1),
                None => Err(fault(written.chars().count(), "`}` is missing")),
            },
            None => Self::parse(written, 0),
        }
    }
}

/// A whole template.
#[derive(Clone, Debug)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Path(Path),
    Range(Path, Vec<Part>),
}

impl Template {
    /// What the template makes of a document.
    #[must_use]
    pub fn render(&self, document: &Value) -> String {
        let mut out = String::new();
        write(&self.0, document, document, &mut out);
        out
    }
}

fn write(parts: &[Part], root: &Value, current: &Value, out: &mut String) {
    let start = |path: &Path| if path.absolute { root } else { current };
    for part in parts {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Path(path) => {
                let found: Vec<String> = path.all(start(path)).into_iter().map(text).collect();
                out.push_str(&found.join(" "));
            }
            Part::Range(path, inner) => {
                for item in path.all(start(path)) {
                    write(inner, root, item, out);
                }
            }
        }
    }
}

impl FromStr for Template {
    type Err = String;

    fn from_str(written: &str) -> Result<Self, String> {
        if written.trim().is_empty() {
            return Err("a template is needed, such as jsonpath='{.metadata.name}'".to_owned());
        }
        if !written.contains('{') {
            // kubectl takes a bare path too.
            return Path::parse(written, 0).map(|path| Self(vec![Part::Path(path)]));
        }
        parse(written)
    }
}

/// The parts of a template, and of the ranges that are open: where each began, and its path.
fn parse(written: &str) -> Result<Template, String> {
    let mut open: Vec<(usize, Path, Vec<Part>)> = Vec::new();
    let mut parts = Vec::new();
    let chars: Vec<char> = written.chars().collect();
    let mut at = 0;
    while at < chars.len() {
        if chars[at] != '{' {
            let end = (at..chars.len())
                .find(|i| chars[*i] == '{')
                .unwrap_or(chars.len());
            parts.push(Part::Text(chars[at..end].iter().collect()));
            at = end;
            continue;
        }
        let end = closing(&chars, at)?;
        let inner: String = chars[at + 1..end].iter().collect();
        match word(&inner) {
            Word::Range(rest) => {
                let skipped = inner.chars().count() - rest.chars().count();
                let path = Path::parse(rest, at + 1 + skipped)?;
                open.push((at, path, std::mem::take(&mut parts)));
            }
            Word::End => {
                let Some((_, path, before)) = open.pop() else {
                    return Err(fault(at, "`{end}` closes no `{range ...}`"));
                };
                let body = std::mem::replace(&mut parts, before);
                parts.push(Part::Range(path, body));
            }
            Word::Text(text) => parts.push(Part::Text(text.map_err(|e| fault(at, &e))?)),
            Word::Path => parts.push(Part::Path(Path::parse(&inner, at + 1)?)),
            Word::Nothing => return Err(fault(at, "nothing stands between the braces")),
        }
        at = end + 1;
    }
    match open.pop() {
        Some((at, ..)) => Err(fault(at, "`{range ...}` has no `{end}`")),
        None => Ok(Template(parts)),
    }
}

enum Word<'a> {
    Range(&'a str),
    End,
    Text(Result<String, String>),
    Path,
    Nothing,
}

fn word(inner: &str) -> Word<'_> {
    let trimmed = inner.trim();
    if trimmed.is_empty() {
        Word::Nothing
    } else if trimmed == "end" {
        Word::End
    } else if let Some(rest) = inner.trim_start().strip_prefix("range ") {
        Word::Range(rest)
    } else if trimmed.starts_with(['"', '\'']) {
        Word::Text(unquoted(trimmed))
    } else {
        Word::Path
    }
}

/// The brace that closes the one at `from`; quoted ones do not.
fn closing(chars: &[char], from: usize) -> Result<usize, String> {
    let mut quote = None;
    let mut at = from + 1;
    while at < chars.len() {
        match (quote, chars[at]) {
            (Some(_), '\\') => at += 1,
            (Some(open), c) if c == open => quote = None,
            (None, c @ ('"' | '\'')) => quote = Some(c),
            (None, '}') => return Ok(at),
            _ => {}
        }
        at += 1;
    }
    Err(fault(from, "this brace is not closed"))
}

/// The text between quotes, with `\n`, `\t` and the like.
fn unquoted(quoted: &str) -> Result<String, String> {
    let quote = quoted.chars().next().unwrap_or_default();
    let inner = quoted
        .strip_prefix(quote)
        .and_then(|rest| rest.strip_suffix(quote));
    let Some(inner) = inner else {
        return Err(format!("`{quoted}` is no quoted text"));
    };
    let mut text = String::new();
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            text.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => text.push('\n'),
            Some('t') => text.push('\t'),
            Some('r') => text.push('\r'),
            Some(c) => text.push(c),
            None => return Err("a backslash stands alone at the end".to_owned()),
        }
    }
    Ok(text)
}

/// Places are counted from 1, as people do.
fn fault(at: usize, message: &str) -> String {
    format!("character {}: {message}", at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document() -> Value {
        json!({"items": [
            {"metadata": {"name": "east", "labels": {"a.b/c": "x"}}, "spec": {"replicas": 2},
             "status": {"conditions": [
                {"type": "Accepted", "status": "True"}, {"type": "Ready", "status": "False"}]}},
            {"metadata": {"name": "west"}, "status": {"conditions": [
                {"type": "Ready", "status": "True"}]}},
        ]})
    }

    fn rendered(template: &str) -> String {
        let template: Template = template.parse().unwrap();
        template.render(&document())
    }

    #[test]
    fn paths_ranges_and_texts_are_what_kubectl_makes_of_them() {
        let ready = r#"{range .items[*]}{.metadata.name}{"\t"}{.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}"#;
        assert_eq!(rendered(ready), "east\tFalse\nwest\tTrue\n");
        assert_eq!(rendered("{.items[*].metadata.name}"), "east west");
        assert_eq!(rendered(".items[0].metadata.name"), "east");
        assert_eq!(rendered("{.items[-1:].metadata.name}!"), "west!");
        assert_eq!(rendered("{.items[0].spec}"), r#"{"replicas":2}"#);
        assert_eq!(rendered("{.items[0].spec.replicas}"), "2");
        assert_eq!(rendered(r"{.items[0].metadata.labels.a\.b/c}"), "x");
        assert_eq!(
            rendered("{range .items[*]}{$.items[0].metadata.name} {end}"),
            "east east "
        );
    }

    #[test]
    fn a_field_that_is_missing_is_nothing() {
        assert_eq!(rendered("[{.items[1].spec.replicas}]"), "[]");
    }

    #[test]
    fn a_brace_in_quotes_closes_nothing() {
        assert_eq!(
            rendered(r#"{"a}b"}{.items[?(@.metadata.name=="}")]}"#),
            "a}b"
        );
    }

    #[test]
    fn a_bad_template_says_where() {
        for (template, place, word) in [
            ("{.items[}", "character 8:", "`[`"),
            ("x{.a", "character 2:", "not closed"),
            ("{range .items[*]}x", "character 1:", "{end}"),
            ("ab{end}", "character 3:", "{range"),
            ("{}", "character 1:", "between"),
            ("{range .items[?]}{end}", "character 16:", "`]`"),
        ] {
            let error = template.parse::<Template>().unwrap_err();
            assert!(error.starts_with(place), "{template}: {error}");
            assert!(error.contains(word), "{template}: {error}");
        }
    }

    #[test]
    fn a_path_may_stand_in_braces() {
        let path: Path = "{.items[0].metadata.name}".parse().unwrap();
        assert_eq!(path.first(&document()), Some(json!("east")));
        assert!("{.a".parse::<Path>().is_err());
    }
}
