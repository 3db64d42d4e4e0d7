//! Why a private key cannot be used.

use ring::signature::RsaKeyPair;
use rustls::pki_types::PrivateKeyDer;

/// Why the provider takes no such key, for people.
#[must_use]
pub fn unusable(key: &PrivateKeyDer<'_>) -> &'static str {
    let rsa = match key {
        PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()).err(),
        PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).err(),
        _ => None,
    };
    match rsa.map(|rejected| rejected.to_string()).as_deref() {
        Some("TooSmall") => "an RSA key of less than 2048 bits is too short: make a new one",
        Some("TooLarge") => "an RSA key of more than 4096 bits is too long: make a new one",
        _ => "a kind of key that is not usable here; RSA, ECDSA (P-256, P-384) and Ed25519 are",
    }
}
