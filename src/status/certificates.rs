//! What is to be said of a cluster's certificates.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::route::{ClusterRouting, Note};
use crate::world::certificates::NEAR_END;

/// The notes of its routing, and the certificates that have ended or are about to, first those
/// that have. Days are told as dates: a message that counts them down would change every day.
pub(super) fn warnings(routing: &ClusterRouting, now: i64) -> Vec<Note> {
    let mut ends: Vec<(i64, Note)> = routing
        .certificates
        .iter()
        .filter_map(|used| {
            let (reason, what) = ends(used.not_after, now)?;
            let (name, day) = (&used.name, told_end(used.not_after));
            let note = Note {
                reason: reason.to_owned(),
                message: format!(
                    "certificate {name} {what} on {day}: store a new one with `skep certs add {name}`"
                ),
            };
            Some((used.not_after, note))
        })
        .collect();
    ends.sort();
    let ends = ends.into_iter().map(|(_, note)| note);
    ends.chain(routing.notes.iter().cloned()).collect()
}

/// A time (RFC 3339) in seconds since 1970.
pub(super) fn seconds(time: &str) -> i64 {
    OffsetDateTime::parse(time, &Rfc3339).map_or(0, OffsetDateTime::unix_timestamp)
}

/// Reason and verb for a certificate that has ended or will soon; `None`: it is good for long.
pub(super) fn ends(not_after: i64, now: i64) -> Option<(&'static str, &'static str)> {
    if not_after <= now {
        return Some(("CertificateExpired", "ended"));
    }
    (not_after - now <= NEAR_END).then_some(("CertificateExpiring", "ends"))
}

/// The day of an end.
pub(super) fn told_end(seconds: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp(seconds);
    time.map_or_else(|_| seconds.to_string(), |time| time.date().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::Use;

    const DAY: i64 = 24 * 3_600;
    /// 2026-11-25T12:00:00Z.
    const NOON: i64 = 1_795_608_000;

    fn told(ends: &[(&str, i64)]) -> Vec<(String, String)> {
        let certificates = ends.iter().map(|(name, not_after)| Use {
            name: (*name).to_owned(),
            not_after: *not_after,
        });
        let routing = ClusterRouting {
            certificates: certificates.collect(),
            notes: vec![Note {
                reason: "CertificateWaits".into(),
                message: "waits".into(),
            }],
            ..ClusterRouting::default()
        };
        let told = warnings(&routing, seconds("2026-11-25T12:00:00Z")).into_iter();
        told.map(|note| (note.reason, note.message)).collect()
    }

    #[test]
    fn what_ended_comes_before_what_will_and_both_say_when() {
        let told = told(&[
            ("far", NOON + 31 * DAY),
            ("near", NOON + 29 * DAY),
            ("past", NOON - DAY),
        ]);
        let reasons: Vec<&str> = told.iter().map(|(reason, _)| reason.as_str()).collect();
        assert_eq!(
            reasons,
            [
                "CertificateExpired",
                "CertificateExpiring",
                "CertificateWaits"
            ]
        );
        assert!(told[0].1.contains("past ended on 2026-11-24"), "{told:?}");
        assert!(told[1].1.contains("near ends on 2026-12-24"), "{told:?}");
        assert!(told[1].1.contains("skep certs add near"), "{told:?}");
    }

    #[test]
    fn the_message_of_the_next_day_is_the_same() {
        let ends = [("near", NOON + 20 * DAY)];
        let routing = ClusterRouting {
            certificates: ends
                .iter()
                .map(|(name, not_after)| Use {
                    name: (*name).to_owned(),
                    not_after: *not_after,
                })
                .collect(),
            ..ClusterRouting::default()
        };
        assert_eq!(
            warnings(&routing, seconds("2026-11-25T12:00:00Z")),
            warnings(&routing, seconds("2026-11-26T12:00:00Z"))
        );
    }
}
