//! The keys that commits are signed with, as OpenSSH writes them.

use ssh_key::public::KeyData;
use ssh_key::{Algorithm, EcdsaCurve, PublicKey};

/// Bits of an RSA key: fewer are weak, more are what nobody checks in time. They are counted in
/// whole bytes, as ring does, so that 2041 bits are enough for both.
const RSA_BITS: std::ops::RangeInclusive<u32> = 2_048..=8_192;

/// How a key is written.
const LINE: &str = "write the line of the key's .pub file: ssh-ed25519 AAAA... alice@example.com";

/// Reads one public key (`TYPE KEY COMMENT`) of a type that can be checked; else what is wrong and
/// what to do. Nothing of the text is shown, except for its type: it may be a secret.
pub fn signer(text: &str) -> Result<KeyData, (String, &'static str)> {
    let text = text.trim();
    if text.contains("PRIVATE KEY") {
        let hint = "take it out, make another one (this one is stored in the Swarm, and read by others), and write the line of its .pub file";
        return Err(("is a private key".to_owned(), hint));
    }
    let first = text.split_whitespace().next().unwrap_or_default();
    let known = first.starts_with("ssh-") || first.starts_with("sk-") || first.contains("ecdsa-");
    if !known || text.lines().count() > 1 {
        let named = first.contains('@') || text.contains(" ssh-") || text.contains(" ecdsa-");
        let hint = if named && text.lines().count() == 1 {
            "leave out what stands before the type: ssh-ed25519 AAAA... alice@example.com"
        } else {
            LINE
        };
        return Err(("is no public key of SSH".to_owned(), hint));
    }
    let key = PublicKey::from_openssh(text)
        .map_err(|_| (format!("is a broken or cut off {first} key"), LINE))?;
    usable(key.key_data()).map(|()| key.key_data().clone())
}

/// Whether signatures of a key can be checked.
fn usable(key: &KeyData) -> Result<(), (String, &'static str)> {
    let other = "use ed25519, ecdsa (P-256 or P-384) or rsa: ssh-keygen -t ed25519";
    match key {
        KeyData::Ed25519(_) | KeyData::SkEd25519(_) | KeyData::SkEcdsaSha2NistP256(_) => Ok(()),
        KeyData::Ecdsa(key) if key.curve() != EcdsaCurve::NistP521 => Ok(()),
        KeyData::Rsa(key) if RSA_BITS.contains(&key.key_size()) => Ok(()),
        KeyData::Rsa(key) => Err((
            format!("is an RSA key of {} bits", key.key_size()),
            "use one of 2048 to 8192 bits, or better ssh-keygen -t ed25519",
        )),
        KeyData::Certificate(_) => Err((
            "is a certificate".to_owned(),
            "write the key that it was made for",
        )),
        _ => Err((format!("is a key of type {}", kind(key)), other)),
    }
}

fn kind(key: &KeyData) -> String {
    match key.algorithm() {
        Algorithm::Dsa => "ssh-dss".to_owned(),
        other => other.as_str().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti alice@example.com";

    #[test]
    fn a_key_is_read_with_and_without_its_comment() {
        let key = signer(ED25519).unwrap();
        assert_eq!(key.algorithm(), Algorithm::Ed25519);
        let bare = ED25519.rsplit_once(' ').unwrap().0;
        assert_eq!(signer(bare), Ok(key.clone()));
        assert_eq!(signer(&format!("{bare} Alice, her laptop\n")), Ok(key));
    }

    #[test]
    fn what_is_no_usable_key_is_told_with_what_to_do_and_never_shown() {
        let cut = &ED25519[..60];
        let secret =
            "-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n-----END OPENSSH PRIVATE KEY-----";
        let named = format!("alice@example.com {ED25519}");
        let two = format!("{ED25519}\n{ED25519}");
        for (text, message, hint) in [
            (secret, "is a private key", "make another one"),
            (
                named.as_str(),
                "is no public key",
                "leave out what stands before",
            ),
            (two.as_str(), "is no public key", "write the line"),
            ("", "is no public key", "write the line"),
            ("c2VjcmV0", "is no public key", "write the line"),
            (
                cut,
                "is a broken or cut off ssh-ed25519 key",
                "write the line",
            ),
            (
                &ED25519.replacen("ssh-ed25519", "ssh-rsa", 1),
                "is a broken",
                "write the line",
            ),
        ] {
            let (said, advice) = signer(text).unwrap_err();
            assert!(said.contains(message), "{said}");
            assert!(advice.contains(hint), "{advice}");
            assert!(!said.contains("c2VjcmV0") && !advice.contains("c2VjcmV0"));
        }
    }
}
