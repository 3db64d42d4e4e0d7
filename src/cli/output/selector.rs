//! Label selectors: `a=b,c!=d,e in (f,g),h notin (i),j,!k`. All of them must hold.

use std::str::FromStr;

use crate::api::value::StringMap;

/// What labels must be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    In(Vec<String>),
    /// Also where the label is missing, as in kubectl.
    NotIn(Vec<String>),
    Exists,
    Missing,
}

impl Selector {
    /// Whether nothing is asked, so that everything matches.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether labels are as asked.
    #[must_use]
    pub fn matches(&self, labels: &StringMap) -> bool {
        self.0.iter().all(|requirement| {
            let value = labels.get(&requirement.key);
            match &requirement.test {
                Test::In(values) => value.is_some_and(|value| values.contains(value)),
                Test::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
                Test::Exists => value.is_some(),
                Test::Missing => value.is_none(),
            }
        })
    }
}

impl FromStr for Selector {
    type Err = String;

    fn from_str(written: &str) -> Result<Self, String> {
        // As in kubectl: asking for nothing means everything.
        if written.trim().is_empty() {
            return Ok(Self::default());
        }
        let mut from = 0;
        let mut requirements = Vec::new();
        for part in split(written) {
            let skipped = part.len() - part.trim_start().len();
            let place = written[..from + skipped].chars().count() + 1;
            requirements
                .push(requirement(part.trim()).map_err(|e| format!("character {place}: {e}"))?);
            from += part.len() + 1;
        }
        Ok(Self(requirements))
    }
}

/// At commas that stand in no parentheses.
fn split(written: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    written
        .split(|c| {
            match c {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            c == ',' && depth == 0
        })
        .collect()
}

fn requirement(part: &str) -> Result<Requirement, String> {
    if let Some(key) = part.strip_prefix('!').filter(|rest| !rest.contains('=')) {
        return found(key, Test::Missing);
    }
    for (operator, is_in) in [("!=", false), ("==", true), ("=", true)] {
        if let Some((key, value)) = part.split_once(operator) {
            let values = vec![self::value(value)?];
            let test = if is_in {
                Test::In(values)
            } else {
                Test::NotIn(values)
            };
            return found(key, test);
        }
    }
    let mut words = part.splitn(3, char::is_whitespace);
    match (words.next(), words.next(), words.next()) {
        (Some(key), Some("in"), Some(values)) => found(key, Test::In(list(values)?)),
        (Some(key), Some("notin"), Some(values)) => found(key, Test::NotIn(list(values)?)),
        (Some(key), None, None) => found(key, Test::Exists),
        _ => Err(unclear(part)),
    }
}

fn found(key: &str, test: Test) -> Result<Requirement, String> {
    let key = key.trim();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if key.is_empty() || !key.chars().all(plain) {
        return Err(unclear(key));
    }
    Ok(Requirement {
        key: key.to_owned(),
        test,
    })
}

fn value(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.contains(['=', '!', '(', ')']) || text.contains(char::is_whitespace) {
        return Err(format!("`{text}` is no value of a label"));
    }
    Ok(text.to_owned())
}

fn list(text: &str) -> Result<Vec<String>, String> {
    let inner = text
        .trim()
        .strip_prefix('(')
        .and_then(|t| t.strip_suffix(')'));
    let Some(inner) = inner else {
        return Err(format!("`{text}` is no list: write (one,two)"));
    };
    inner.split(',').map(value).collect()
}

fn unclear(part: &str) -> String {
    format!(
        "`{part}` is no requirement: write KEY=VALUE, KEY!=VALUE, KEY in (A,B), KEY notin (A,B), KEY or !KEY"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(selector: &str) -> bool {
        let labels = [("team", "web"), ("dev.skep/tier", "1")];
        let labels = labels.map(|(k, v)| (k.to_owned(), v.to_owned()));
        let selector: Selector = selector.parse().unwrap();
        selector.matches(&labels.into_iter().collect())
    }

    #[test]
    fn requirements_are_kubectls() {
        for holds in [
            "team=web",
            "team==web",
            "team",
            "!other",
            "other!=x",
            "team in (a, web)",
            "team notin (a,b),dev.skep/tier=1",
            "other notin (x)",
        ] {
            assert!(matches(holds), "{holds}");
        }
        for fails in [
            "team=x",
            "other",
            "!team",
            "team!=web",
            "team in (a),team",
            "team=web,other",
        ] {
            assert!(!matches(fails), "{fails}");
        }
    }

    #[test]
    fn asking_for_nothing_means_everything() {
        for nothing in ["", "  "] {
            let selector: Selector = nothing.parse().unwrap();
            assert!(selector.is_empty() && selector.matches(&StringMap::new()));
        }
    }

    #[test]
    fn a_bad_requirement_is_told_with_its_place() {
        for (selector, place) in [
            ("team=web,,x", "character 10:"),
            ("team=web, a b", "character 11:"),
            ("team in a", "character 1:"),
            ("=x", "character 1:"),
            ("a=b=c", "character 1:"),
            (",", "character 1:"),
        ] {
            let error = selector.parse::<Selector>().unwrap_err();
            assert!(error.starts_with(place), "{selector}: {error}");
        }
    }
}
