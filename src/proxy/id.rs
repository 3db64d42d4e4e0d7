//! Request ids: unique, cheap, and saying nothing.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use http::HeaderValue;

/// Mints ids of 32 hexadecimal digits.
#[derive(Debug)]
pub(super) struct Ids {
    /// Random, so that proxies don't mint the same ids.
    origin: u64,
    next: AtomicU64,
}

impl Ids {
    pub(super) fn new() -> Self {
        let random = || RandomState::new().build_hasher().finish();
        Self {
            origin: random(),
            next: AtomicU64::new(random()),
        }
    }

    pub(super) fn mint(&self) -> HeaderValue {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let count = self.next.fetch_add(1, Relaxed);
        let number = (u128::from(scramble(count ^ self.origin)) << 64) | u128::from(count);
        let mut text = [0; 32];
        for (at, byte) in number.to_be_bytes().into_iter().enumerate() {
            text[2 * at] = DIGITS[usize::from(byte >> 4)];
            text[2 * at + 1] = DIGITS[usize::from(byte & 15)];
        }
        HeaderValue::from_bytes(&text).unwrap_or_else(|_| HeaderValue::from_static("-"))
    }
}

/// The finalizer of splitmix64: one to one, and nothing like its input.
fn scramble(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

/// Whether an id that came from in front may be passed on: short, and of plain characters.
pub(super) fn is_sound(id: &HeaderValue) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=@".contains(byte);
    (1..=128).contains(&id.len()) && id.as_bytes().iter().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_and_are_sound() {
        let ids = Ids::new();
        let (one, two) = (ids.mint(), ids.mint());
        assert_ne!(one, two);
        assert_eq!(one.len(), 32);
        assert!(is_sound(&one));
    }

    #[test]
    fn ids_that_could_break_a_log_are_not_sound() {
        assert!(!is_sound(&HeaderValue::from_static("a b")));
        assert!(!is_sound(&HeaderValue::from_static("")));
        assert!(!is_sound(&HeaderValue::from_static("a\"b")));
    }
}
