//! The two things of a certificate that rustls does not tell: its end, and its key as it stands
//! there. Certificates of version 1, which rustls does not read, have them too.

use time::{Date, Month, PrimitiveDateTime, Time};

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// `[0]`: the version, where it is not 1.
const VERSION: u8 = 0xa0;

/// What is read of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts<'a> {
    /// Seconds since 1970 after which it is not valid.
    pub(super) not_after: i64,
    /// `SubjectPublicKeyInfo`, whole.
    pub(super) key: &'a [u8],
}

/// Reads a certificate (DER). `None`: it is none.
pub(super) fn read(der: &[u8]) -> Option<Facts<'_>> {
    let (certificate, _) = take(der, SEQUENCE)?;
    let (mut rest, _) = take(certificate.value, SEQUENCE).map(|(tbs, rest)| (tbs.value, rest))?;
    if rest.first() == Some(&VERSION) {
        rest = take(rest, VERSION)?.1;
    }
    // Serial number, algorithm, issuer.
    for tag in [INTEGER, SEQUENCE, SEQUENCE] {
        rest = take(rest, tag)?.1;
    }
    let (validity, rest) = take(rest, SEQUENCE)?;
    let (_, not_after) = any(validity.value)?;
    let (not_after, _) = any(not_after)?;
    let (_subject, rest) = take(rest, SEQUENCE)?;
    let (key, _) = take(rest, SEQUENCE)?;
    Some(Facts {
        not_after: seconds(&not_after)?,
        key: key.whole,
    })
}

struct Item<'a> {
    tag: u8,
    value: &'a [u8],
    whole: &'a [u8],
}

fn take(bytes: &[u8], tag: u8) -> Option<(Item<'_>, &[u8])> {
    any(bytes).filter(|(item, _)| item.tag == tag)
}

/// The first item, and what follows it.
fn any(bytes: &[u8]) -> Option<(Item<'_>, &[u8])> {
    let &[tag, first, ref rest @ ..] = bytes else {
        return None;
    };
    let (len, head) = match first {
        0..=0x7f => (usize::from(first), 2),
        0x81..=0x83 => {
            let digits = usize::from(first & 0x7f);
            let len = rest.get(..digits)?;
            let len = len
                .iter()
                .fold(0, |len, byte| len << 8 | usize::from(*byte));
            (len, 2 + digits)
        }
        _ => return None,
    };
    let (whole, rest) = bytes.split_at_checked(head + len)?;
    let value = &whole[head..];
    Some((Item { tag, value, whole }, rest))
}

/// `YYMMDDhhmmssZ` or `YYYYMMDDhhmmssZ`.
fn seconds(item: &Item<'_>) -> Option<i64> {
    let text = item.value.strip_suffix(b"Z")?;
    if !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let (year, rest) = match item.tag {
        // RFC 5280, 4.1.2.5.1: 50 to 99 are of the last century.
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year = number(year);
            (year + if year < 50 { 2000 } else { 1900 }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (number(year), rest)
        }
        _ => return None,
    };
    if rest.len() != 10 {
        return None;
    }
    let mut pairs = rest.chunks(2).map(number);
    let mut next = || pairs.next().and_then(|pair| u8::try_from(pair).ok());
    let month = Month::try_from(next()?).ok()?;
    let date = Date::from_calendar_date(i32::from(year), month, next()?).ok()?;
    let time = Time::from_hms(next()?, next()?, next()?).ok()?;
    let moment = PrimitiveDateTime::new(date, time);
    Some(moment.assume_utc().unix_timestamp())
}

/// At most four digits.
fn number(digits: &[u8]) -> u16 {
    let digit = |sum: u16, byte: &u8| sum.wrapping_mul(10).wrapping_add(u16::from(byte & 15));
    digits.iter().fold(0, digit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::PublicKeyData as _;

    use super::*;

    fn certificate(year: i32) -> (Vec<u8>, Vec<u8>) {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["demo.a".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 2, 3);
        let certificate = params.self_signed(&key).unwrap();
        (certificate.der().to_vec(), key.subject_public_key_info())
    }

    #[test]
    fn the_end_and_the_key_of_a_certificate_are_read() {
        for (year, want) in [(2049, 2_495_923_200), (2050, 2_527_459_200)] {
            let (der, key) = certificate(year);
            let facts = read(&der).unwrap();
            assert_eq!(facts.not_after, want, "{year}");
            assert_eq!(facts.key, key);
        }
    }

    #[test]
    fn a_certificate_cut_short_is_none() {
        let (der, _) = certificate(2030);
        assert_eq!(read(&der[..100]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(at in 0usize..400, to: u8, cut in 0usize..400) {
            let (mut der, _) = certificate(2030);
            let len = der.len();
            der[at % len] = to;
            read(&der);
            read(&der[..cut.min(len)]);
        }
    }
}
