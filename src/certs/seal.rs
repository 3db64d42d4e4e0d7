//! Sealing: anybody can encrypt to the operator's public key, only the operator can read it.
//!
//! Hybrid public key encryption as in RFC 9180, mode base, X25519, HKDF-SHA256 and
//! ChaCha20-Poly1305. The certificate's name is authenticated, so that nobody can make one
//! certificate out of another by changing labels.

use std::convert::Infallible;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::names;

/// What the encryption is for, and the form of its output.
const INFO: &[u8] = b"skep.dev certificate v1";
/// The first bytes of everything that is sealed: a config is text.
const PREFIX: &str = "skep-sealed-v1:";

type PrivateBytes = <X25519HkdfSha256 as Kem>::PrivateKey;
type PublicBytes = <X25519HkdfSha256 as Kem>::PublicKey;
type Encapsulated = <X25519HkdfSha256 as Kem>::EncappedKey;

/// Why something cannot be sealed or opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// A key that is none.
    #[error("this is no sealing key; `skep install` makes one")]
    Key,
    /// Text that nobody sealed.
    #[error("the content is not sealed: store it with `skep certs add`")]
    Form,
    /// Sealed to another key, under another name, or changed since.
    #[error("it is sealed to another key or was changed: store it again with `skep certs add`")]
    Open,
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    Chance,
    /// The encryption failed.
    #[error("cannot seal it")]
    Seal,
}

/// The operator's private key.
#[derive(Clone)]
pub struct SealingKey(PrivateBytes);

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey(secret)")
    }
}

/// The public key that belongs to it.
#[derive(Clone, Debug)]
pub struct PublicKey(PublicBytes);

impl SealingKey {
    /// A new key.
    pub fn generate() -> Result<Self, SealError> {
        let mut material = [0; 32];
        let filled = SystemRandom::new().fill(&mut material);
        filled.map_err(|_| SealError::Chance)?;
        Ok(Self(X25519HkdfSha256::derive_keypair(&material).0))
    }

    /// The key of a text.
    pub fn parse(text: &str) -> Result<Self, SealError> {
        PrivateBytes::from_bytes(&bytes(text)?)
            .map(Self)
            .map_err(|_| SealError::Key)
    }

    /// As text, for the secret that keeps it.
    #[must_use]
    pub fn text(&self) -> String {
        STANDARD.encode(self.0.to_bytes())
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(X25519HkdfSha256::sk_to_pk(&self.0))
    }

    /// Opens what was sealed for a certificate of this name.
    pub fn open(&self, name: &str, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let text = std::str::from_utf8(sealed).map_err(|_| SealError::Form)?;
        let text = text.trim().strip_prefix(PREFIX).ok_or(SealError::Form)?;
        let all = STANDARD.decode(text).map_err(|_| SealError::Form)?;
        let (first, rest) = all
            .split_at_checked(Encapsulated::size())
            .ok_or(SealError::Form)?;
        let first = Encapsulated::from_bytes(first).map_err(|_| SealError::Open)?;
        hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &self.0,
            &first,
            INFO,
            rest,
            name.as_bytes(),
        )
        .map_err(|_| SealError::Open)
    }
}

impl PublicKey {
    /// The key of a text.
    pub fn parse(text: &str) -> Result<Self, SealError> {
        PublicBytes::from_bytes(&bytes(text)?)
            .map(Self)
            .map_err(|_| SealError::Key)
    }

    /// As text, for a label.
    #[must_use]
    pub fn text(&self) -> String {
        STANDARD.encode(self.0.to_bytes())
    }

    /// A short hash of it: what a certificate says that it is sealed to.
    #[must_use]
    pub fn id(&self) -> String {
        names::content_hash(&self.0.to_bytes())
    }

    /// Seals a content for a certificate of this name.
    pub fn seal(&self, name: &str, content: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut chance = Chance::draw()?;
        let sealed =
            hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
                &OpModeS::Base,
                &self.0,
                INFO,
                content,
                name.as_bytes(),
                &mut chance,
            );
        let (first, rest) = sealed.map_err(|_| SealError::Seal)?;
        if chance.is_short {
            return Err(SealError::Seal);
        }
        let mut all = first.to_bytes().to_vec();
        all.extend(rest);
        Ok(format!("{PREFIX}{}\n", STANDARD.encode(all)).into_bytes())
    }
}

/// Random numbers of the system, drawn before they are needed: drawing may fail, handing out must
/// not.
struct Chance {
    drawn: [u8; 256],
    used: usize,
    /// More were asked for than were drawn; what came of it must not be used.
    is_short: bool,
}

impl Chance {
    fn draw() -> Result<Self, SealError> {
        let mut drawn = [0; 256];
        let filled = SystemRandom::new().fill(&mut drawn);
        filled.map_err(|_| SealError::Chance)?;
        Ok(Self {
            drawn,
            used: 0,
            is_short: false,
        })
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut some = [0; N];
        self.hand_out(&mut some);
        some
    }

    fn hand_out(&mut self, wanted: &mut [u8]) {
        match self.drawn.get(self.used..self.used + wanted.len()) {
            Some(some) => wanted.copy_from_slice(some),
            None => self.is_short = true,
        }
        self.used = (self.used + wanted.len()).min(self.drawn.len());
    }
}

impl TryRng for Chance {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(self.take()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes(self.take()))
    }

    fn try_fill_bytes(&mut self, wanted: &mut [u8]) -> Result<(), Infallible> {
        self.hand_out(wanted);
        Ok(())
    }
}

impl TryCryptoRng for Chance {}

fn bytes(text: &str) -> Result<Vec<u8>, SealError> {
    STANDARD.decode(text.trim()).map_err(|_| SealError::Key)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn what_was_sealed_opens_with_the_key_and_the_name(
            name in "[a-z0-9.-]{1,32}",
            content in proptest::collection::vec(any::<u8>(), 0..4_000),
        ) {
            let key = SealingKey::generate().unwrap();
            let key = SealingKey::parse(&key.text()).unwrap();
            let public = PublicKey::parse(&key.public().text()).unwrap();
            let sealed = public.seal(&name, &content).unwrap();
            prop_assert!(std::str::from_utf8(&sealed).is_ok());
            prop_assert_eq!(key.open(&name, &sealed), Ok(content.clone()));
            prop_assert_eq!(key.open("another name", &sealed), Err(SealError::Open));
            let other = SealingKey::generate().unwrap();
            prop_assert_eq!(other.open(&name, &sealed), Err(SealError::Open));
        }

        #[test]
        fn a_changed_byte_is_noticed(place in 0_usize..100, bit in 0_u8..8) {
            let key = SealingKey::generate().unwrap();
            let sealed = key.public().seal("shop", &[7; 80]).unwrap();
            let text = std::str::from_utf8(&sealed).unwrap().trim();
            let mut all = STANDARD.decode(text.strip_prefix(PREFIX).unwrap()).unwrap();
            // The highest bit of an X25519 point does not count, so that byte is left alone.
            let place = if place == 31 { 32 } else { place };
            all[place] ^= 1 << bit;
            let changed = format!("{PREFIX}{}", STANDARD.encode(all));
            prop_assert!(key.open("shop", changed.as_bytes()).is_err());
        }

        #[test]
        fn any_other_content_is_refused_without_a_panic(content in proptest::collection::vec(any::<u8>(), 0..200)) {
            let key = SealingKey::generate().unwrap();
            prop_assert!(key.open("shop", &content).is_err());
            let dressed = format!("{PREFIX}{}", STANDARD.encode(&content));
            prop_assert!(key.open("shop", dressed.as_bytes()).is_err());
        }
    }

    #[test]
    fn random_numbers_are_never_handed_out_twice() {
        let mut chance = Chance::draw().unwrap();
        let (a, b): ([u8; 100], [u8; 100]) = (chance.take(), chance.take());
        assert!(a != b && !chance.is_short);
        let _: [u8; 100] = chance.take();
        assert!(chance.is_short);
        let key = SealingKey::generate().unwrap();
        let seal = || key.public().seal("shop", b"x").unwrap();
        assert_ne!(seal(), seal());
    }

    #[test]
    fn the_private_key_is_never_printed() {
        let key = SealingKey::generate().unwrap();
        assert!(!format!("{key:?}").contains(&key.text()));
    }

    #[test]
    fn a_text_that_is_no_key_is_refused() {
        assert!(SealingKey::parse("pem").is_err());
        assert!(PublicKey::parse("AAAA").is_err());
    }
}
