//! `-o custom-columns=NAME:.metadata.name,READY:.status...`: a table of one's own.

use std::str::FromStr;

use serde_json::Value;

use super::jsonpath::Path;
use super::text;
use crate::cli::table::Table;

/// Shown where a path finds nothing, as kubectl does.
const NONE: &str = "<none>";

/// Heads of columns, and what stands below each.
#[derive(Clone, Debug)]
pub struct Columns(Vec<(String, Path)>);

impl FromStr for Columns {
    type Err = String;

    fn from_str(written: &str) -> Result<Self, String> {
        let columns: Vec<(String, Path)> = split(written)
            .into_iter()
            .map(|column| {
                let (head, path) = column
                    .split_once(':')
                    .ok_or_else(|| format!("`{column}` is no column: write HEAD:.path.to.field"))?;
                if head.is_empty() || path.is_empty() {
                    return Err(format!(
                        "`{column}` is no column: write HEAD:.path.to.field"
                    ));
                }
                let path = path.parse().map_err(|e| format!("column {head}: {e}"))?;
                Ok((head.to_owned(), path))
            })
            .collect::<Result<_, String>>()?;
        Ok(Self(columns))
    }
}

impl Columns {
    /// The table of these items.
    #[must_use]
    pub fn table<'a>(&self, items: impl IntoIterator<Item = &'a Value>, headers: bool) -> String {
        let mut table = Table::named(self.0.iter().map(|(head, _)| head.clone()));
        for item in items {
            table.row(self.0.iter().map(|(_, path)| cell(path, item)));
        }
        table.render(headers, 0)
    }
}

fn cell(path: &Path, item: &Value) -> String {
    let found: Vec<String> = path.all(item).into_iter().map(text).collect();
    if found.is_empty() {
        NONE.to_owned()
    } else {
        found.join(",")
    }
}

/// At commas that stand in no bracket and in no quotes.
fn split(written: &str) -> Vec<&str> {
    let (mut depth, mut quote, mut from) = (0_usize, None, 0);
    let mut parts = Vec::new();
    for (at, c) in written.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, '[' | '(') => depth += 1,
            (None, ']' | ')') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                parts.push(&written[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&written[from..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_show_what_their_paths_find() {
        let columns: Columns = r#"NAME:.metadata.name,READY:.c[?(@.t=="R,x")].s,N:{.n}"#
            .parse()
            .unwrap();
        let item = json!({"metadata": {"name": "east"}, "c": [{"t": "R,x", "s": "True"}]});
        assert_eq!(
            columns.table([&item], true),
            "NAME  READY  N\neast  True   <none>\n"
        );
        assert_eq!(columns.table([&item], false), "east  True  <none>\n");
    }

    #[test]
    fn a_comma_in_brackets_ends_no_column() {
        let columns: Columns = "A:.n[0,1],B:.m".parse().unwrap();
        let item = json!({"n": [1, 2], "m": 3});
        assert_eq!(columns.table([&item], false), "1,2  3\n");
    }

    #[test]
    fn a_bad_column_is_named() {
        for (written, word) in [
            ("NAME", "HEAD:"),
            ("NAME:.a,:.b", "`:.b`"),
            ("NAME:.a[", "column NAME: character"),
        ] {
            let error = written.parse::<Columns>().unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }
}
