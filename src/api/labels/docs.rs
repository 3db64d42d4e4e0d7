//! `docs/labels.md`.

/// The page.
#[must_use]
pub fn markdown() -> String {
    String::new()
}
