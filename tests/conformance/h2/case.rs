//! A row: what is sent, and what must come of it.

use serde::Deserialize;

/// One file of `http2/`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cases {
    pub cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Number and section.
    pub rfc: String,
    pub name: String,
    /// The proxy is known to be wrong here (as in `table::Row`).
    pub fault: Option<String>,
    /// Instead of the right one.
    pub preface: Option<String>,
    /// Pieces of the first SETTINGS (see `frame::bytes`); `null`: none is sent.
    #[serde(default = "no_settings")]
    pub settings: Option<String>,
    /// Frames (see `frame::bytes`), or `wait TYPE STREAM`, `settle` (until all sent is taken in), `raw TEXT`; with
    /// `odd A-B:` in front for each odd number, put for `%`; with `N times:` so often.
    #[serde(default)]
    pub send: Vec<String>,
    /// All of these must come (see `play::holds`); ` or ` separates what is as good.
    pub want: Vec<String>,
}

#[allow(clippy::unnecessary_wraps)] // As serde wants it.
fn no_settings() -> Option<String> {
    Some(String::new())
}

impl Case {
    /// The lines, each as often as it is to be sent.
    pub fn lines(&self) -> Result<Vec<String>, String> {
        let mut lines = Vec::new();
        for line in &self.send {
            let bad = || format!("`{line}` cannot be read");
            if let Some((range, rest)) =
                line.strip_prefix("odd ").and_then(|it| it.split_once(": "))
            {
                let (from, to) = range.split_once('-').ok_or_else(bad)?;
                let (from, to): (u32, u32) = (
                    from.parse().map_err(|_| bad())?,
                    to.parse().map_err(|_| bad())?,
                );
                let numbers = (from..=to).filter(|number| number % 2 == 1);
                // Several frames for each number.
                for number in numbers {
                    let frames = rest.split(" + ");
                    lines.extend(frames.map(|it| it.replace('%', &number.to_string())));
                }
            } else if let Some((count, rest)) = line.split_once(" times: ") {
                let count = count.parse().map_err(|_| bad())?;
                lines.extend(std::iter::repeat_n(rest.to_owned(), count));
            } else {
                lines.push(line.clone());
            }
        }
        Ok(lines)
    }
}
