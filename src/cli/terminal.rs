//! Where output goes: data to standard output, everything else to standard error.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write};

use super::error::Result;

/// So many things are done before anybody wonders how long they take.
const FEW: usize = 20;

/// Standard output and standard error, and how they may be used.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    quiet: bool,
    /// Colour on standard error.
    colour: bool,
    /// Nothing in the environment speaks against colour.
    allowed: bool,
    progress: bool,
    /// A line of standard error can be written over.
    rewrites: bool,
    /// `TERM=dumb`: no escape at all.
    dumb: bool,
}

/// A text that cannot move the cursor or colour anything: what others wrote comes into almost every
/// line. Line ends and tabs stay; other control characters are written as in JSON, so that JSON
/// and quoted YAML mean the same as before.
#[must_use]
pub fn plain(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c.is_control() && c != '\n' && c != '\t')
}

/// A value inside of a line: it cannot end the line either.
#[must_use]
pub fn inline(text: &str) -> Cow<'_, str> {
    escaped(text, char::is_control)
}

fn escaped(text: &str, bad: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&bad) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' if bad(c) => safe.push_str("\\n"),
            '\t' if bad(c) => safe.push_str("\\t"),
            c if bad(c) => {
                let _ = write!(safe, "\\u{:04x}", u32::from(c));
            }
            c => safe.push(c),
        }
    }
    Cow::Owned(safe)
}

impl Terminal {
    /// The process's own. Colour and progress only when standard error is a terminal; `NO_COLOR`
    /// and `TERM=dumb` are honoured.
    #[must_use]
    pub fn new(quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let dumb = std::env::var_os("TERM").is_some_and(|v| v == "dumb");
        let plain = dumb || std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        Self {
            quiet,
            colour: terminal && !plain,
            allowed: !plain,
            progress: terminal && !quiet,
            rewrites: terminal && !quiet && !dumb,
            dumb,
        }
    }

    /// What was asked for: to standard output, whole and at once; [`plain`].
    pub fn data(self, text: &str) -> Result {
        self.raw(&plain(text))
    }

    /// The same as it is: for programs, or with colours of our own.
    pub fn raw(self, text: &str) -> Result {
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes())?;
        Ok(out.flush()?)
    }

    /// A page that takes the place of the one before it on a terminal, and follows it elsewhere.
    pub fn page(self, text: &str, is_for_people: bool) -> Result {
        if is_for_people && std::io::stdout().is_terminal() {
            let clear = if self.dumb { "" } else { "\u{1b}[H\u{1b}[2J" };
            return self.raw(&format!("{clear}{}", plain(text)));
        }
        self.data(text)
    }

    /// What was done, such as `servicecluster/east created`: to standard output unless quiet.
    pub fn done(self, text: &str) -> Result {
        if self.quiet {
            return Ok(());
        }
        self.data(&format!("{text}\n"))
    }

    /// What goes on, for someone who watches.
    pub fn progress(self, text: &str) {
        if self.progress {
            self.line("", "", text);
        }
    }

    /// How far a long run is, in one line that is written over. Short runs need none.
    pub fn meter(self, what: &str, done: usize, all: usize) {
        if self.rewrites && all > FEW {
            let end = if done < all { "" } else { "\r\u{1b}[K" };
            let mut err = std::io::stderr().lock();
            let what = inline(what);
            let _ = write!(err, "\r\u{1b}[K{what} {done} of {all}{end}");
            let _ = err.flush();
        }
    }

    /// Takes the line of [`Self::meter`] away, so that others can be written.
    pub fn clear(self) {
        if self.rewrites {
            let mut err = std::io::stderr().lock();
            let _ = write!(err, "\r\u{1b}[K");
            let _ = err.flush();
        }
    }

    /// Whether data goes to a terminal that shows colours.
    #[must_use]
    pub fn colours_data(self) -> bool {
        self.allowed && std::io::stdout().is_terminal()
    }

    /// A remark that is no data; not shown when quiet.
    pub fn note(self, text: &str) {
        if !self.quiet {
            self.line("", "", text);
        }
    }

    /// What may surprise later; not shown when quiet.
    pub fn warning(self, text: &str) {
        if !self.quiet {
            self.line("warning: ", "\u{1b}[33m", text);
        }
    }

    /// What went wrong, each line marked.
    pub fn error(self, text: &str) {
        for line in text.lines() {
            self.line("error: ", "\u{1b}[31m", line);
        }
    }

    fn line(self, mark: &str, colour: &str, text: &str) {
        let mut err = std::io::stderr().lock();
        let text = plain(text);
        // Nowhere is left to tell that standard error is closed.
        let _ = if self.colour && !mark.is_empty() {
            writeln!(err, "{colour}{mark}\u{1b}[0m{text}")
        } else {
            writeln!(err, "{mark}{text}")
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_cannot_move_the_cursor() {
        let evil = "a\u{1b}[31mred\rb\u{9b}2J\u{7f}\tc\nd";
        assert_eq!(plain(evil), "a\\u001b[31mred\\u000db\\u009b2J\\u007f\tc\nd");
        assert_eq!(inline("a\nb\tc\u{1b}"), "a\\nb\\tc\\u001b");
        assert!(matches!(plain("pl\u{e4}in\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn json_means_the_same_when_it_is_made_plain() {
        let value = serde_json::json!({"a": "\u{9b}\u{7f}\u{1b}\n\t"});
        let text = serde_json::to_string_pretty(&value).unwrap();
        let read: serde_json::Value = serde_json::from_str(&plain(&text)).unwrap();
        assert_eq!(read, value);
    }
}
