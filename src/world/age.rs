//! Order by age: the engine's timestamps, compared as moments.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A creation time that sorts oldest first.
///
/// The engine writes RFC 3339 with as many digits of a second as it needs, so that texts do not
/// sort as moments do (`…:01Z` and `…:01.5Z`). What cannot be parsed sorts before all else, by
/// its text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Age {
    nanos: Option<i128>,
    text: String,
}

impl Age {
    /// Whether this is a moment, as RFC 3339 writes it.
    #[must_use]
    pub fn is_moment(text: &str) -> bool {
        OffsetDateTime::parse(text, &Rfc3339).is_ok()
    }

    /// The age of something made at `created_at`.
    #[must_use]
    pub fn of(created_at: &str) -> Self {
        match OffsetDateTime::parse(created_at, &Rfc3339) {
            // Equal moments written differently are equally old.
            Ok(moment) => Self {
                nanos: Some(moment.unix_timestamp_nanos()),
                text: String::new(),
            },
            Err(_) => Self {
                nanos: None,
                text: created_at.to_owned(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Age;

    #[test]
    fn fractions_of_any_length_sort_as_moments() {
        let ordered = [
            "2026-11-22T10:00:01Z",
            "2026-11-22T10:00:01.05Z",
            "2026-11-22T10:00:01.123456789Z",
            "2026-11-22T10:00:01.5Z",
            "2026-11-22T10:00:02Z",
        ];
        let mut sorted = ordered;
        sorted.sort_unstable();
        assert_ne!(sorted, ordered, "as text the order would be wrong");
        sorted.sort_by_key(|text| Age::of(text));
        assert_eq!(sorted, ordered);
    }

    #[test]
    fn what_is_no_time_sorts_by_its_text_before_all_times() {
        assert!(Age::of("b") > Age::of("a"));
        assert!(Age::of("zzz") < Age::of("1970-01-01T00:00:00Z"));
    }
}
