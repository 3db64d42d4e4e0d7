//! How long ago, in few characters.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// `12s`, `5m`, `3h12m`, `4d`; empty when `since` is no time. The clock's caller passes `now`.
#[must_use]
pub fn age(since: &str, now: OffsetDateTime) -> String {
    let Ok(since) = OffsetDateTime::parse(since, &Rfc3339) else {
        return String::new();
    };
    // Clocks of nodes differ; nothing is from the future.
    let seconds = (now - since).whole_seconds().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{minutes}m"),
        7_200..172_800 => match minutes % 60 {
            0 => format!("{hours}h"),
            rest => format!("{hours}h{rest}m"),
        },
        _ => format!("{days}d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn ages_are_told_in_their_own_unit() {
        let now = datetime!(2026-01-10 12:00:00 UTC);
        let told = |since: &str| age(since, now);
        assert_eq!(told("2026-01-10T11:59:01Z"), "59s");
        assert_eq!(told("2026-01-10T11:30:00.123456789Z"), "29m");
        assert_eq!(told("2026-01-10T08:48:00Z"), "3h12m");
        assert_eq!(told("2026-01-01T12:00:00+02:00"), "9d");
        assert_eq!(told("2026-01-10T12:00:05Z"), "0s");
        assert_eq!(told("yesterday"), "");
    }
}
