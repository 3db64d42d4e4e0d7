//! Where output goes: data to standard output, everything else to standard error.

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
}

impl Terminal {
    /// The process's own. Colour and progress only when standard error is a terminal; `NO_COLOR`
    /// and `TERM=dumb` are honoured.
    #[must_use]
    pub fn new(quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let plain = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty())
            || std::env::var_os("TERM").is_some_and(|v| v == "dumb");
        Self {
            quiet,
            colour: terminal && !plain,
            allowed: !plain,
            progress: terminal && !quiet,
        }
    }

    /// What was asked for: to standard output, whole and at once.
    pub fn data(self, text: &str) -> Result {
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes())?;
        Ok(out.flush()?)
    }

    /// A page that takes the place of the one before it on a terminal, and follows it elsewhere.
    pub fn page(self, text: &str, is_for_people: bool) -> Result {
        if is_for_people && std::io::stdout().is_terminal() {
            return self.data(&format!("\u{1b}[H\u{1b}[2J{text}"));
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
        if self.progress && all > FEW {
            let end = if done < all { "" } else { "\r\u{1b}[K" };
            let mut err = std::io::stderr().lock();
            let _ = write!(err, "\r\u{1b}[K{what} {done} of {all}{end}");
            let _ = err.flush();
        }
    }

    /// Takes the line of [`Self::meter`] away, so that others can be written.
    pub fn clear(self) {
        if self.progress {
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
        // Nowhere is left to tell that standard error is closed.
        let _ = if self.colour && !mark.is_empty() {
            writeln!(err, "{colour}{mark}\u{1b}[0m{text}")
        } else {
            writeln!(err, "{mark}{text}")
        };
    }
}
