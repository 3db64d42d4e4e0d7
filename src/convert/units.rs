//! Lengths of time and sizes as Go and nginx write them, and texts fit for a comment.

use crate::api::grammar::shortened;
use crate::api::value::{ByteSize, Span};

/// A text of the file, shortened, in one line that any YAML reader takes in a comment.
pub(super) fn clean(text: &str) -> String {
    printable(&shortened(text))
}

/// A text in one line that any YAML reader takes in a comment.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let plain = c.is_alphanumeric() || c == ' ' || c.is_ascii_graphic();
            let escaped = (!plain).then(|| c.escape_default());
            escaped
                .into_iter()
                .flatten()
                .chain(plain.then_some(c))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// A length of time as Go writes it: `5s`, `1m30s`, `1.5s`, `0`.
pub(super) fn go_duration(text: &str) -> Result<Span, String> {
    const UNITS: [(&str, f64); 7] = [
        ("ns", 1e-6),
        ("us", 1e-3),
        ("µs", 1e-3),
        ("ms", 1.0),
        ("s", 1e3),
        ("m", 6e4),
        ("h", 3.6e6),
    ];
    if text == "0" {
        return Ok(Span::default());
    }
    sum(text, &UNITS).ok_or_else(|| {
        format!(
            "`{}` is not a length of time: write a number and a unit, for example 5s",
            clean(text)
        )
    })
}

/// A length of time as nginx writes it: like Go's, also in days, and in seconds without a unit.
pub(super) fn nginx_time(text: &str) -> Result<Span, String> {
    const UNITS: [(&str, f64); 6] = [
        ("ms", 1.0),
        ("s", 1e3),
        ("m", 6e4),
        ("h", 3.6e6),
        ("d", 8.64e7),
        ("w", 6.048e8),
    ];
    let spaceless: String = text.split_whitespace().collect();
    let seconds = spaceless.parse::<u32>().ok();
    seconds
        .map(|number| Span::from_secs(number.into()))
        .or_else(|| sum(&spaceless, &UNITS))
        .ok_or_else(|| {
            format!(
                "`{}` is not a length of time: write a number and a unit, for example 75s",
                clean(text)
            )
        })
}

/// The longest that is believed: two years, far within what the engine can count.
const LONGEST: f64 = 6.4e10;

fn sum(text: &str, units: &[(&str, f64)]) -> Option<Span> {
    let mut millis = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let unit_at = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..unit_at].parse().ok()?;
        rest = &rest[unit_at..];
        let end = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (_, factor) = units.iter().find(|(unit, _)| *unit == &rest[..end])?;
        rest = &rest[end..];
        millis += number * factor;
    }
    (!text.is_empty() && millis <= LONGEST).then(|| Span::from_millis(whole(millis)))
}

/// Rounded, from a number that is known to be in range.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn whole(millis: f64) -> u64 {
    millis.round().clamp(0.0, LONGEST) as u64
}

/// A size as nginx writes it: bytes, or with `k`, `m`, `g` for powers of two.
pub(super) fn nginx_size(text: &str) -> Result<ByteSize, String> {
    let lower = text.to_ascii_lowercase();
    let units = [("k", 10), ("m", 20), ("g", 30), ("", 0)];
    units
        .iter()
        .find_map(|(unit, shift)| Some((lower.strip_suffix(unit)?, *shift)))
        .and_then(|(digits, shift)| digits.parse::<u64>().ok()?.checked_mul(1 << shift))
        .filter(|bytes| i64::try_from(*bytes).is_ok())
        .map(ByteSize)
        .ok_or_else(|| {
            format!(
                "`{}` is not a size: write a number and k, m or g, for example 32m",
                clean(text)
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_go_and_nginx_mean_them() {
        let go = |text| go_duration(text).map(|span| span.to_string());
        assert_eq!(go("5s"), Ok("5s".to_owned()));
        assert_eq!(go("1m30s"), Ok("90s".to_owned()));
        assert_eq!(go("1.5s"), Ok("1500ms".to_owned()));
        assert_eq!(go("0"), Ok("0s".to_owned()));
        for wrong in ["", "5", "s", "5 s", "-5s", "1e9h", "5d", "9999999h", "..s"] {
            assert!(go(wrong).is_err(), "{wrong}");
        }
        let nginx = |text| nginx_time(text).map(|span| span.to_string());
        assert_eq!(nginx("75"), Ok("75s".to_owned()));
        assert_eq!(nginx("1d"), Ok("86400s".to_owned()));
        assert_eq!(nginx("1h 30m"), Ok("5400s".to_owned()));
        assert!(nginx("soon").is_err());
    }

    #[test]
    fn sizes_are_powers_of_two() {
        assert_eq!(nginx_size("32m"), Ok(ByteSize(32 << 20)));
        assert_eq!(nginx_size("8K"), Ok(ByteSize(8 << 10)));
        assert_eq!(nginx_size("0"), Ok(ByteSize(0)));
        for wrong in ["", "m", "32mb", "-1", "9999999999g", "1.5m"] {
            assert!(nginx_size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_comment_stays_one_printable_line() {
        assert_eq!(clean("a\nb\u{2028}\u{1b}é"), "a\\nb\\u{2028}\\u{1b}é");
    }
}
