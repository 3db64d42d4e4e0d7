//! Regular expressions for paths and values of headers.
//!
//! Both are bytes, so classes are ASCII: `\w`, `\d`, `\s`, `\b` and `(?i)` need no tables of Unicode,
//! mean the same in every build, and make small programs. What would need the tables is refused
//! here, whatever the `regex` of a build could do.

use std::fmt;

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::ast::{self, Ast, Flag, Flags, Visitor};

use super::grammar::shortened;

/// Longest expression, in bytes.
const TEXT_MAX: usize = 1024;
/// Largest compiled program, in bytes. `[a-z]{1,255}` takes 24 KiB, most take less than 4. How
/// long a match may take grows with it, and every proxy holds all of them.
const PROGRAM_MAX: usize = 32 << 10;
/// What one thread may remember of a program while it runs, in bytes.
const CACHE_MAX: usize = 64 << 10;
/// Longest text that is tried against an expression, in bytes.
pub const TRIED_MAX: usize = 1024;

/// An expression that must match the whole of a text. Runs in linear time.
#[derive(Clone)]
pub struct Expression(Regex);

impl Expression {
    /// Compiles it; else why not.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.len() > TEXT_MAX {
            return Err(format!(
                "an expression of more than {TEXT_MAX} bytes is too long"
            ));
        }
        let fail = |why: &str| {
            let text = shortened(text);
            Err(format!("`{text}` is not a regular expression: {why}"))
        };
        // By itself: `a)|(?:b` is an expression only within the frame, and not of the whole text.
        let parsed = match ast::parse::Parser::new().parse(text) {
            Ok(parsed) => parsed,
            Err(error) => return fail(&error.kind().to_string()),
        };
        if let Err(why) = ast::visit(&parsed, Ascii) {
            return fail(why);
        }
        let whole = RegexBuilder::new(&format!("^(?:{text})$"))
            .unicode(false)
            .size_limit(PROGRAM_MAX)
            .dfa_size_limit(CACHE_MAX)
            .build();
        match whole {
            Ok(whole) => Ok(Self(whole)),
            Err(regex::Error::CompiledTooBig(_)) => {
                let text = shortened(text);
                Err(format!(
                    "`{text}` is too large an expression: it takes more than {} KiB when it is compiled; repeat less (`{{60}}`, `{{1,255}}`), or use several routes",
                    PROGRAM_MAX >> 10
                ))
            }
            Err(error) => {
                let error = error.to_string();
                fail(error.lines().last().unwrap_or_default().trim())
            }
        }
    }

    /// Whether it matches the whole of a text. A text that is too long to be tried does not match:
    /// whoever asks must have refused it before (see [`TRIED_MAX`]).
    #[must_use]
    pub fn matches(&self, text: &[u8]) -> bool {
        if text.len() > TRIED_MAX {
            return false;
        }
        #[cfg(test)]
        tests::count(text.len());
        self.0.is_match(text)
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_str().fmt(f)
    }
}

/// Refuses what asks for Unicode.
struct Ascii;

impl Ascii {
    fn flags(flags: &Flags) -> Result<(), &'static str> {
        if flags.flag_state(Flag::Unicode) == Some(true) {
            return Err("its classes are ASCII, so leave `(?u)` out");
        }
        Ok(())
    }
}

const NO_CLASSES: &str =
    "its classes are ASCII: write for example [a-zA-Z] or \\w instead of \\p{...}";

impl Visitor for Ascii {
    type Output = ();
    type Err = &'static str;

    fn finish(self) -> Result<(), Self::Err> {
        Ok(())
    }

    fn visit_pre(&mut self, ast: &Ast) -> Result<(), Self::Err> {
        match ast {
            Ast::Flags(set) => Self::flags(&set.flags),
            Ast::Group(group) => group.flags().map_or(Ok(()), Self::flags),
            Ast::ClassUnicode(_) => Err(NO_CLASSES),
            _ => Ok(()),
        }
    }

    fn visit_class_set_item_pre(&mut self, item: &ast::ClassSetItem) -> Result<(), Self::Err> {
        match item {
            ast::ClassSetItem::Unicode(_) => Err(NO_CLASSES),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        static TRIED: Cell<usize> = const { Cell::new(0) };
    }

    pub(super) fn count(bytes: usize) {
        TRIED.set(TRIED.get() + bytes);
    }

    /// Bytes that expressions were tried with on this thread.
    pub(crate) fn tried<T>(work: impl FnOnce() -> T) -> usize {
        let before = TRIED.get();
        work();
        TRIED.get() - before
    }

    fn matches(pattern: &str, text: &str) -> bool {
        Expression::new(pattern).unwrap().matches(text.as_bytes())
    }

    fn why_not(pattern: &str) -> String {
        Expression::new(pattern).unwrap_err()
    }

    #[test]
    fn classes_are_ascii_and_need_no_tables() {
        assert!(matches(r"/\w+/\d{2}", "/ab_1/42"));
        assert!(matches(r"/a\sb\b", "/a b"));
        assert!(matches("(?i)/straSSe", "/STRASSE"));
        // With Unicode these would match too.
        assert!(!matches(r"\w", "\u{e4}"));
        assert!(!matches(r"\d", "\u{664}"));
        assert!(!matches("(?i)k", "\u{212a}"));
        // A text is its bytes.
        assert!(matches("/[^/]+", "/\u{e4}"));
        assert!(matches("/stra\u{df}e", "/stra\u{df}e"));
        assert!(Expression::new(".").unwrap().matches(b"\xff"));
    }

    /// A build for tests has the tables (its other crates switch them on), a release has not: the
    /// answer must be the same, so it must come from us.
    #[test]
    fn what_needs_the_tables_is_refused_in_every_build() {
        for pattern in [r"\p{L}", r"/\PN", r"/[a\p{Greek}]", r"[^[\pL]&&a]"] {
            assert!(why_not(pattern).contains("write for example [a-zA-Z]"));
        }
        for pattern in [r"(?u)\d", r"/(?iu:\w)", r"(?x)( ?u)\d", r"(?-i)(?u-x:a)"] {
            let why = why_not(pattern);
            assert!(why.contains("leave `(?u)` out"), "{pattern}: {why}");
        }
        for pattern in [r"\(?u\)", "(?-u)a", "[(?u)]", "/\u{e4}+", "(?i)\u{e4}"] {
            assert!(Expression::new(pattern).is_ok(), "{pattern}");
        }
        for pattern in [r"\p{L}", "[\u{e4}]", r"(?u)\d", "(a", "[b-a]", "a{99999}"] {
            let why = why_not(pattern);
            assert!(!why.contains("feature"), "{why}");
        }
    }

    #[test]
    fn the_whole_text_is_meant() {
        assert!(matches("/a|/b", "/b"));
        assert!(!matches("/a|/b", "/b/c"));
        assert!(!matches("(?m)/a", "/a\n/b"));
        // Within a frame this would be two expressions, each for a part of a text.
        assert!(why_not("/a)|(?:.*").contains("unopened group"));
    }

    #[test]
    fn large_ones_are_refused_and_ordinary_ones_are_not() {
        for pattern in [
            "/api/v[0-9]+/users/[^/]+",
            r"(?i)/assets/.*\.(js|css|png|jpe?g|svg|woff2?)",
            "/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(/.*)?",
            r"/\d{4}/\d{2}/\d{2}/[\w-]{1,100}\.html",
            "(?i)/wp-(admin|login|includes|content)(/.*)?|/xmlrpc.php|/[.]git(/.*)?",
            "/[a-z]{1,255}",
        ] {
            assert!(Expression::new(pattern).is_ok(), "{pattern}");
        }
        let why = why_not("/(.*a[a-z]{60}[a-y]*){30}x1");
        assert!(why.contains("more than 32 KiB"), "{why}");
        assert!(why_not(&"a".repeat(1025)).contains("too long"));
    }

    #[test]
    fn long_texts_are_not_tried() {
        assert!(matches("a*", &"a".repeat(TRIED_MAX)));
        assert!(!matches("a*", &"a".repeat(TRIED_MAX + 1)));
    }
}
