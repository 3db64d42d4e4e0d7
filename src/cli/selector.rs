//! Label selectors as kubectl writes them: `app=shop,tier!=test,env in (a,b),!old,keep`.

use std::fmt;
use std::str::FromStr;

use crate::api::StringMap;

/// Which resources are meant, by their labels. All requirements must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Exists,
    Missing,
    In(Vec<String>),
    NotIn(Vec<String>),
}

impl Selector {
    /// Whether labels fulfil it. As in Kubernetes a missing label fulfils `!=` and `notin`.
    #[must_use]
    pub fn matches(&self, labels: &StringMap) -> bool {
        self.0.iter().all(|Requirement { key, test }| {
            let value = labels.get(key);
            match test {
                Test::Exists => value.is_some(),
                Test::Missing => value.is_none(),
                Test::In(values) => value.is_some_and(|value| values.contains(value)),
                Test::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
            }
        })
    }
}

impl FromStr for Selector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = split(text);
        if parts.iter().all(|part| part.trim().is_empty()) {
            return Err("a selector names labels, such as `team=shop,tier!=test`".to_owned());
        }
        parts
            .into_iter()
            .map(requirement)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// At the commas outside of brackets.
fn split(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0_usize, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn requirement(part: &str) -> Result<Requirement, String> {
    let part = part.trim();
    let one = |value: &str| vec![value.trim().to_owned()];
    let (key, test) = if let Some((key, value)) = part.split_once("!=") {
        (key, Test::NotIn(one(value)))
    } else if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        (key, Test::In(one(value)))
    } else if let Some(key) = part.strip_prefix('!') {
        (key, Test::Missing)
    } else if let Some((head, list)) = part.split_once('(') {
        let list = list.trim_end().strip_suffix(')');
        let list = list.ok_or_else(|| format!("`{part}` lacks its closing bracket"))?;
        let values = list
            .split(',')
            .map(|value| value.trim().to_owned())
            .collect();
        match head.split_whitespace().collect::<Vec<_>>()[..] {
            [key, "in"] => (key, Test::In(values)),
            [key, "notin"] => (key, Test::NotIn(values)),
            _ => {
                return Err(format!(
                    "`{part}` should be `KEY in (A,B)` or `KEY notin (A,B)`"
                ));
            }
        }
    } else {
        (part, Test::Exists)
    };
    let key = key.trim();
    if key.is_empty() || key.contains(|c: char| c.is_whitespace() || "=!(),".contains(c)) {
        return Err(format!(
            "`{part}` is no requirement: write KEY=VALUE, KEY!=VALUE, KEY in (A,B), KEY or !KEY"
        ));
    }
    Ok(Requirement {
        key: key.to_owned(),
        test,
    })
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Requirement { key, test }) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            match test {
                Test::Exists => f.write_str(key)?,
                Test::Missing => write!(f, "!{key}")?,
                Test::In(values) => write!(f, "{key} in ({})", values.join(","))?,
                Test::NotIn(values) => write!(f, "{key} notin ({})", values.join(","))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(selector: &str, labels: &[(&str, &str)]) -> bool {
        let labels = labels
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        selector
            .parse::<Selector>()
            .unwrap()
            .matches(&labels.collect())
    }

    #[test]
    fn every_form_selects_as_kubectls_does() {
        let shop = [("team", "shop"), ("tier", "live")];
        for selector in [
            "team=shop",
            "team == shop,tier",
            "tier!=test",
            "team in (a, shop)",
            "!old",
            "old notin (x)",
            "old!=x",
        ] {
            assert!(matches(selector, &shop), "{selector}");
        }
        for selector in [
            "team=bar",
            "old",
            "!tier",
            "team notin (shop)",
            "team=shop,tier=test",
            "old in (x)",
        ] {
            assert!(!matches(selector, &shop), "{selector}");
        }
    }

    #[test]
    fn what_is_no_selector_is_told_with_the_forms() {
        for bad in ["", " , ", "a in (b", "a within (b)", "=b", "a b"] {
            assert!(bad.parse::<Selector>().is_err(), "{bad}");
        }
        assert!(
            "a b"
                .parse::<Selector>()
                .unwrap_err()
                .contains("KEY in (A,B)")
        );
    }
}
