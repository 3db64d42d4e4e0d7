//! Seals what lies on a node's disk: only who holds the proxy's identity, a Docker secret that is
//! never on a disk in the clear, can read it.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::rand::{SecureRandom as _, SystemRandom};

/// Closes and opens what one cluster's proxies keep.
pub struct Seal(LessSafeKey);

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal([redacted])")
    }
}

impl Seal {
    /// The seal of whoever holds this identity (PEM, with its private key).
    #[must_use]
    pub fn of(identity: &[u8]) -> Option<Self> {
        let secret = Salt::new(HKDF_SHA256, b"skep proxy state").extract(identity);
        let key = secret.expand(&[b"bodies of certificates, 1"], &AES_256_GCM);
        Some(Self(LessSafeKey::new(UnboundKey::from(key.ok()?))))
    }

    /// Closes a text for one place; nowhere else can it be opened. `None`: the system gives no
    /// random bytes.
    pub(super) fn close(&self, place: &[u8], text: &[u8]) -> Option<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).ok()?;
        let mut sealed = nonce.to_vec();
        let mut body = text.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.0
            .seal_in_place_append_tag(nonce, Aad::from(place), &mut body)
            .ok()?;
        sealed.append(&mut body);
        Some(sealed)
    }

    /// Opens what was closed for that place by the same identity.
    pub(super) fn open(&self, place: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, body) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut body = body.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let text = self.0.open_in_place(nonce, Aad::from(place), &mut body);
        text.ok().map(|text| text.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_identity_opens_and_only_at_the_same_place() {
        let seal = Seal::of(b"one").unwrap();
        let sealed = seal.close(b"here", b"text").unwrap();
        assert_eq!(seal.open(b"here", &sealed).unwrap(), b"text");
        assert_eq!(seal.open(b"there", &sealed), None);
        assert_eq!(Seal::of(b"two").unwrap().open(b"here", &sealed), None);
        assert_eq!(seal.open(b"here", &sealed[..8]), None);
        assert_eq!(seal.open(b"here", &sealed[..sealed.len() - 1]), None);
    }

    #[test]
    fn the_same_text_is_never_sealed_the_same() {
        let seal = Seal::of(b"one").unwrap();
        assert_ne!(seal.close(b"here", b"text"), seal.close(b"here", b"text"));
    }
}
