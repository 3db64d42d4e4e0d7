//! kubectl's way to write a path, as RFC 9535 wants it: `.items[?(@.a-b=="x")].c\.d` becomes
//! `$.items[?(@['a-b']=="x")]['c.d']`.

/// A path in the standard's form, and for each of its bytes the place it comes from.
pub(super) struct Translated {
    pub(super) path: String,
    origin: Vec<usize>,
}

impl Translated {
    /// The place in the original that a place in the path comes from.
    pub(super) fn origin(&self, at: usize) -> usize {
        let last = self.origin.last().map_or(0, |last| last + 1);
        self.origin.get(at).copied().unwrap_or(last)
    }
}

pub(super) fn translate(text: &str) -> Translated {
    let mut writer = Writer {
        chars: text.char_indices().peekable(),
        out: Translated {
            path: String::new(),
            origin: Vec::new(),
        },
        after_value: false,
    };
    writer.root();
    while let Some((at, c)) = writer.chars.next() {
        writer.char(at, c);
    }
    writer.out
}

struct Writer<'a> {
    chars: std::iter::Peekable<std::str::CharIndices<'a>>,
    out: Translated,
    /// What stands before can have members: `@`, `$`, a name or a closed bracket.
    after_value: bool,
}

impl Writer<'_> {
    fn put(&mut self, at: usize, text: &str) {
        self.out.path.push_str(text);
        self.out.origin.resize(self.out.path.len(), at);
    }

    /// Every path begins at something; kubectl leaves that out, or says `@` for it.
    fn root(&mut self) {
        match self.chars.peek() {
            Some((_, '$')) => {}
            Some((_, '@')) => {
                self.chars.next();
                self.put(0, "$");
            }
            None | Some((_, '.' | '[')) => self.put(0, "$"),
            Some(_) => {
                self.put(0, "$");
                self.name(0);
            }
        }
        self.after_value = true;
    }

    fn char(&mut self, at: usize, c: char) {
        match c {
            '\'' | '"' => {
                self.quoted(at, c);
                self.after_value = true;
            }
            '.' if self.after_value => self.dot(at),
            '@' | '$' | ']' | '*' => {
                self.put(at, c.encode_utf8(&mut [0; 4]));
                self.after_value = true;
            }
            _ => {
                self.put(at, c.encode_utf8(&mut [0; 4]));
                self.after_value = false;
            }
        }
    }

    fn dot(&mut self, at: usize) {
        match self.chars.peek() {
            Some((_, '.')) => {
                self.chars.next();
                self.put(at, "..");
                if matches!(self.chars.peek(), Some((_, c)) if !"[*".contains(*c)) {
                    self.bare(at);
                }
            }
            Some((_, '*')) => self.put(at, "."),
            // `.[0]` is kubectl's; the standard has no dot there. `.` alone is the whole.
            Some((_, '[')) | None => {}
            Some(_) => self.name(at),
        }
    }

    /// A name after a dot, in the short form where the standard has it.
    fn name(&mut self, at: usize) {
        let (from, name) = self.word(at);
        if is_short(&name) || name.is_empty() {
            self.put(at, ".");
            self.put(from, &name);
        } else {
            self.bracketed(from, &name);
        }
    }

    /// A name after two dots.
    fn bare(&mut self, at: usize) {
        let (from, name) = self.word(at);
        if is_short(&name) || name.is_empty() {
            self.put(from, &name);
        } else {
            self.bracketed(from, &name);
        }
    }

    fn bracketed(&mut self, from: usize, name: &str) {
        let escaped = name.replace('\\', "\\\\").replace('\'', "\\'");
        self.put(from, &format!("['{escaped}']"));
    }

    /// The characters of a name; a backslash takes the next one as it is.
    fn word(&mut self, at: usize) -> (usize, String) {
        let mut from = at;
        let mut name = String::new();
        while let Some((next, c)) = self.chars.peek().copied() {
            if name.is_empty() {
                from = next;
            }
            match c {
                '\\' => {
                    self.chars.next();
                    name.extend(self.chars.next().map(|(_, c)| c));
                }
                '.' | '[' | ']' | '(' | ')' | '=' | '!' | '<' | '>' | '&' | '|' | ',' | '{'
                | '}' | '\'' | '"' => break,
                c if c.is_whitespace() => break,
                c => {
                    self.chars.next();
                    name.push(c);
                }
            }
        }
        (from, name)
    }

    /// A quoted text, its end and all.
    fn quoted(&mut self, at: usize, quote: char) {
        self.put(at, quote.encode_utf8(&mut [0; 4]));
        while let Some((at, c)) = self.chars.next() {
            self.put(at, c.encode_utf8(&mut [0; 4]));
            if c == '\\' {
                if let Some((at, c)) = self.chars.next() {
                    self.put(at, c.encode_utf8(&mut [0; 4]));
                }
            } else if c == quote {
                return;
            }
        }
    }
}

/// Whether the standard takes a name after a dot.
fn is_short(name: &str) -> bool {
    let mut chars = name.chars();
    let first = |c: char| c.is_ascii_alphabetic() || c == '_' || !c.is_ascii();
    chars.next().is_some_and(first) && chars.all(|c| first(c) || c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubectls_ways_become_the_standards() {
        for (given, wanted) in [
            (".metadata.name", "$.metadata.name"),
            ("metadata.name", "$.metadata.name"),
            ("$.items", "$.items"),
            ("@", "$"),
            (".", "$"),
            ("@.a", "$.a"),
            (".items[*].name", "$.items[*].name"),
            ("..name", "$..name"),
            (".a-b.c", "$['a-b'].c"),
            (r".labels.dev\.skep\.name", "$.labels['dev.skep.name']"),
            (
                r#".c[?(@.type=="Ready")].status"#,
                r#"$.c[?(@.type=="Ready")].status"#,
            ),
            (".c[?(@.a-b==1.5)]", "$.c[?(@['a-b']==1.5)]"),
            (".c[?(@.x=='a.b')].y", "$.c[?(@.x=='a.b')].y"),
            (".labels['a.b']", "$.labels['a.b']"),
            (".[0]", "$[0]"),
            ("..[0]", "$..[0]"),
            (".*", "$.*"),
        ] {
            assert_eq!(translate(given).path, wanted, "{given}");
        }
    }

    #[test]
    fn places_are_told_in_what_was_written() {
        let translated = translate(r".a\.b[x");
        assert_eq!(translated.path, "$['a.b'][x");
        assert_eq!(translated.origin(translated.path.len() - 1), 6);
    }
}
