//! Two texts beside each other, as `diff -u` shows them.

use similar::{ChangeTag, TextDiff};

/// Lines of context around a change.
const CONTEXT: usize = 3;

/// A unified diff; empty when the texts are equal. Removed lines red and added ones green when
/// `colour`.
#[must_use]
pub fn unified(from: (&str, &str), to: (&str, &str), colour: bool) -> String {
    let diff = TextDiff::from_lines(from.1, to.1);
    let mut shown = String::new();
    for hunk in diff.unified_diff().context_radius(CONTEXT).iter_hunks() {
        if shown.is_empty() {
            shown.push_str(&paint(&format!("--- {}", from.0), "1", colour));
            shown.push_str(&paint(&format!("+++ {}", to.0), "1", colour));
        }
        shown.push_str(&paint(hunk.header().to_string().trim_end(), "36", colour));
        for change in hunk.iter_changes() {
            let (mark, code) = match change.tag() {
                ChangeTag::Delete => ("-", "31"),
                ChangeTag::Insert => ("+", "32"),
                ChangeTag::Equal => (" ", ""),
            };
            let line = change.value().trim_end_matches('\n');
            shown.push_str(&paint(&format!("{mark}{line}"), code, colour));
        }
    }
    shown
}

/// A line in a colour of the terminal (an SGR code).
pub(super) fn paint(line: &str, code: &str, colour: bool) -> String {
    let line = super::terminal::inline(line);
    if colour && !code.is_empty() {
        format!("\u{1b}[{code}m{line}\u{1b}[0m\n")
    } else {
        format!("{line}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_brings_no_colour_of_its_own() {
        let shown = unified(("a", "x\n"), ("b", "y\u{1b}[2J\n"), true);
        assert!(
            shown.contains("\u{1b}[32m+y\\u001b[2J\u{1b}[0m\n"),
            "{shown:?}"
        );
    }

    #[test]
    fn a_change_is_shown_with_its_surroundings_and_colours_where_wanted() {
        let (old, new) = ("a\nb\nc\n", "a\nB\nc\n");
        let plain = unified(("east", old), ("east.yaml", new), false);
        assert_eq!(
            plain,
            "--- east\n+++ east.yaml\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"
        );
        let coloured = unified(("east", old), ("east.yaml", new), true);
        assert!(coloured.contains("\u{1b}[31m-b\u{1b}[0m\n"), "{coloured}");
        assert_eq!(unified(("a", old), ("b", old), true), "");
    }
}
