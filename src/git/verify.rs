//! Who signed a commit: signatures of SSH, as git writes them with `gpg.format=ssh`.
//!
//! `ssh-key` reads keys and signatures, ring checks them. OpenPGP and X.509 would each need a
//! second stack of cryptography.

use gix_hash::{Kind as HashKind, oid};
use gix_object::CommitRefIter;
use ring::digest::{self, SHA256, SHA512, digest};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA512, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};
use ssh_key::encoding::Decode as _;
use ssh_key::public::KeyData;
use ssh_key::{Algorithm, EcdsaCurve, HashAlg, Mpint, Signature, SshSig};

use super::Error;
use super::tree::broken;

/// What git signs for; a signature for anything else (a file, a mail) is none of a commit.
const NAMESPACE: &str = "git";
/// Flag of a hardware key: somebody touched it.
const TOUCHED: u8 = 1;
/// Flags and counter that a hardware key adds to a signature.
const TRAILER: usize = 5;

/// The signed part of a commit: all of it but the signature, which one of the keys made.
pub(super) fn signed(data: &[u8], commit: &oid, signers: &[KeyData]) -> Result<Vec<u8>, Error> {
    let fail = |why: String| Error::Unverified {
        commit: commit.to_hex().to_string(),
        why,
    };
    let found = CommitRefIter::signature(data, HashKind::Sha1).map_err(broken)?;
    let Some((armor, content)) = found else {
        return Err(fail(
            "it is not signed; sign it with a key of spec.verify: git config gpg.format ssh, git commit -S"
                .to_owned(),
        ));
    };
    let content = content.to_bstring().to_vec();
    check(&armor, &content, signers).map_err(fail)?;
    Ok(content)
}

/// Whether the signature is one of the content by one of the keys; else why not.
fn check(armor: &[u8], content: &[u8], signers: &[KeyData]) -> Result<(), String> {
    let armor = armor.trim_ascii();
    if armor.starts_with(b"-----BEGIN PGP") {
        return Err("it is signed with OpenPGP, and only signatures of SSH are checked; sign with git config gpg.format ssh (merges made on a forge's web page are signed by the forge: merge on the command line)".to_owned());
    }
    if armor.starts_with(b"-----BEGIN SIGNED MESSAGE") {
        return Err("it is signed with X.509, and only signatures of SSH are checked; sign with git config gpg.format ssh".to_owned());
    }
    let sig = SshSig::from_pem(armor)
        .map_err(|error| format!("its signature cannot be read ({error}); sign it again"))?;
    if sig.version() != SshSig::VERSION {
        let version = sig.version();
        return Err(format!(
            "its signature is of version {version}, which is unknown; sign it again"
        ));
    }
    if sig.namespace() != NAMESPACE {
        let namespace = sig.namespace().escape_debug();
        return Err(format!(
            "its signature is one for `{namespace}`, not for git; sign it again with git commit -S"
        ));
    }
    let Some(key) = signers.iter().find(|key| *key == sig.public_key()) else {
        let print = sig.public_key().fingerprint(HashAlg::Sha256);
        let kind = sig.public_key().algorithm();
        return Err(format!(
            "it is signed with {kind} key {print}, which is none of spec.verify.sshKeys; write that key there if its owner may change this Swarm"
        ));
    };
    let forged = || {
        "its signature is not one of this content: the commit was changed after it was signed, or the signature is made up; find out who pushed it".to_owned()
    };
    let hash = match sig.hash_alg() {
        HashAlg::Sha256 => digest(&SHA256, content),
        HashAlg::Sha512 => digest(&SHA512, content),
        _ => return Err("its signature uses an unknown hash; use sha512 or sha256".to_owned()),
    };
    let signed = SshSig::signed_data_for_prehash(NAMESPACE, sig.hash_alg(), hash.as_ref());
    let signed = signed.map_err(|_| forged())?;
    if sig.algorithm() == (Algorithm::Rsa { hash: None }) {
        return Err("its signature uses SHA-1 (ssh-rsa), which can be forged; sign with rsa-sha2-512 (OpenSSH 7.2 or newer), or an ed25519 key".to_owned());
    }
    if is_of(key, &signed, sig.signature()).unwrap_or(false) {
        return Ok(());
    }
    Err(forged())
}

/// Whether a key made a signature; `None`: it could not have.
fn is_of(key: &KeyData, signed: &[u8], signature: &Signature) -> Option<bool> {
    let bytes = signature.as_bytes();
    Some(match (key, signature.algorithm()) {
        (KeyData::Ed25519(key), Algorithm::Ed25519) => is_good(&ED25519, &key.0, signed, bytes),
        (KeyData::Ecdsa(key), Algorithm::Ecdsa { curve }) if key.curve() == curve => {
            let (scheme, size): (&'static dyn VerificationAlgorithm, _) = match curve {
                EcdsaCurve::NistP256 => (&ECDSA_P256_SHA256_FIXED, 32),
                EcdsaCurve::NistP384 => (&ECDSA_P384_SHA384_FIXED, 48),
                EcdsaCurve::NistP521 => return None,
            };
            let bytes = fixed(bytes, size)?;
            is_good(scheme, key.as_sec1_bytes(), signed, &bytes)
        }
        (KeyData::Rsa(key), Algorithm::Rsa { hash }) => {
            let scheme = match hash? {
                HashAlg::Sha256 => &RSA_PKCS1_2048_8192_SHA256,
                HashAlg::Sha512 => &RSA_PKCS1_2048_8192_SHA512,
                _ => return None,
            };
            let key = RsaPublicKeyComponents {
                n: key.n().as_positive_bytes()?,
                e: key.e().as_positive_bytes()?,
            };
            key.verify(scheme, signed, bytes).is_ok()
        }
        (KeyData::SkEd25519(key), Algorithm::SkEd25519) => {
            let (bytes, told) = touched(key.application(), signed, bytes)?;
            is_good(&ED25519, &key.public_key().0, &told, bytes)
        }
        (KeyData::SkEcdsaSha2NistP256(key), Algorithm::SkEcdsaSha2NistP256) => {
            let (bytes, told) = touched(key.application(), signed, bytes)?;
            let bytes = fixed(bytes, 32)?;
            is_good(
                &ECDSA_P256_SHA256_FIXED,
                key.ec_point().as_bytes(),
                &told,
                &bytes,
            )
        }
        _ => return None,
    })
}

fn is_good(
    scheme: &'static dyn VerificationAlgorithm,
    key: &[u8],
    signed: &[u8],
    bytes: &[u8],
) -> bool {
    let key = UnparsedPublicKey::new(scheme, key);
    key.verify(signed, bytes).is_ok()
}

/// The two numbers of an ECDSA signature, each in all its bytes.
fn fixed(mut bytes: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut all = Vec::with_capacity(2 * size);
    for _ in 0..2 {
        let number = Mpint::decode(&mut bytes).ok()?;
        let number = number.as_positive_bytes()?;
        all.resize(all.len() + size.checked_sub(number.len())?, 0);
        all.extend_from_slice(number);
    }
    bytes.is_empty().then_some(all)
}

/// A hardware key's signature without what it adds, and what it really signed. `None`: nobody
/// touched it.
fn touched<'s>(application: &str, signed: &[u8], bytes: &'s [u8]) -> Option<(&'s [u8], Vec<u8>)> {
    let (bytes, trailer) = bytes.split_at_checked(bytes.len().checked_sub(TRAILER)?)?;
    if trailer.first()? & TOUCHED == 0 {
        return None;
    }
    let hash = |content: &[u8]| -> digest::Digest { digest(&SHA256, content) };
    let (application, message) = (hash(application.as_bytes()), hash(signed));
    Some((
        bytes,
        [application.as_ref(), trailer, message.as_ref()].concat(),
    ))
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use ring::signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
    };
    use ssh_key::LineEnding;
    use ssh_key::encoding::Encode as _;
    use ssh_key::public::{EcdsaPublicKey, Ed25519PublicKey, SkEcdsaSha2NistP256, SkEd25519};

    use super::*;

    const CONTENT: &[u8] = b"tree 1\n\nx\n";

    /// What a hardware key signs, and what it adds.
    fn told(flags: u8) -> (Vec<u8>, [u8; TRAILER]) {
        let hash = digest(&SHA512, CONTENT);
        let signed = SshSig::signed_data_for_prehash(NAMESPACE, HashAlg::Sha512, hash.as_ref());
        let (application, message) = (digest(&SHA256, b"ssh:"), digest(&SHA256, &signed.unwrap()));
        let trailer = [flags, 0, 0, 0, 7];
        let told = [application.as_ref(), &trailer, message.as_ref()].concat();
        (told, trailer)
    }

    fn armored(key: &KeyData, algorithm: Algorithm, bytes: Vec<u8>) -> String {
        let signature = Signature::new(algorithm, bytes).unwrap();
        let sig = SshSig::new(key.clone(), NAMESPACE, HashAlg::Sha512, signature).unwrap();
        sig.to_pem(LineEnding::LF).unwrap()
    }

    #[test]
    fn no_byte_of_a_signature_can_be_another() {
        let secret = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(secret.as_ref()).unwrap();
        let public = Ed25519PublicKey(pair.public_key().as_ref().try_into().unwrap());
        let key = KeyData::Ed25519(public);
        let hash = digest(&SHA512, CONTENT);
        let signed = SshSig::signed_data_for_prehash(NAMESPACE, HashAlg::Sha512, hash.as_ref());
        let bytes = pair.sign(&signed.unwrap()).as_ref().to_vec();
        let armor = armored(&key, Algorithm::Ed25519, bytes);
        let good = |armor: &str| check(armor.as_bytes(), CONTENT, std::slice::from_ref(&key));
        assert_eq!(good(&armor), Ok(()));
        let blob = SshSig::from_pem(&armor).unwrap().encode_vec().unwrap();
        let again = |blob: &[u8]| {
            use base64::Engine as _;
            let text = base64::engine::general_purpose::STANDARD.encode(blob);
            let lines: Vec<&str> = (0..text.len())
                .step_by(70)
                .map(|at| &text[at..text.len().min(at + 70)])
                .collect();
            format!(
                "-----BEGIN SSH SIGNATURE-----\n{}\n-----END SSH SIGNATURE-----\n",
                lines.join("\n")
            )
        };
        assert_eq!(good(&again(&blob)), Ok(()));
        for at in 0..blob.len() {
            for bit in [1, 4, 128] {
                let mut other = blob.clone();
                other[at] ^= bit;
                assert!(good(&again(&other)).is_err(), "byte {at}, bit {bit}");
            }
        }
        assert!(good(&again(&[&blob[..], &[0]].concat())).is_err());
        assert!(good(&again(&blob[..blob.len() - 1])).is_err());
    }

    #[test]
    fn a_hardware_key_counts_when_it_was_touched() {
        let random = SystemRandom::new();
        let secret = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(secret.as_ref()).unwrap();
        let public = Ed25519PublicKey(pair.public_key().as_ref().try_into().unwrap());
        let key = KeyData::SkEd25519(SkEd25519::new(public, "ssh:"));
        let signers = std::slice::from_ref(&key);
        for (flags, good) in [(TOUCHED, true), (0, false)] {
            let (told, trailer) = told(flags);
            let bytes = [pair.sign(&told).as_ref(), &trailer].concat();
            let armor = armored(&key, Algorithm::SkEd25519, bytes);
            let checked = check(armor.as_bytes(), CONTENT, signers);
            assert_eq!(checked.is_ok(), good, "{checked:?}");
            assert!(check(armor.as_bytes(), b"tree 2\n\nx\n", signers).is_err());
        }
    }

    #[test]
    fn a_hardware_key_of_the_other_type_counts_too() {
        let (random, scheme) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let secret = EcdsaKeyPair::generate_pkcs8(scheme, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(scheme, secret.as_ref(), &random).unwrap();
        let point = EcdsaPublicKey::from_sec1_bytes(pair.public_key().as_ref()).unwrap();
        let EcdsaPublicKey::NistP256(point) = point else {
            panic!("another curve")
        };
        let key = KeyData::SkEcdsaSha2NistP256(SkEcdsaSha2NistP256::new(point, "ssh:"));
        let (told, trailer) = told(TOUCHED);
        let fixed = pair.sign(&random, &told).unwrap();
        let mut bytes = Vec::new();
        for number in fixed.as_ref().chunks(32) {
            let number = Mpint::from_positive_bytes(number);
            let number = number.as_bytes();
            bytes.extend(u32::try_from(number.len()).unwrap().to_be_bytes());
            bytes.extend(number);
        }
        bytes.extend(trailer);
        let armor = armored(&key, Algorithm::SkEcdsaSha2NistP256, bytes);
        assert_eq!(check(armor.as_bytes(), CONTENT, &[key]), Ok(()));
    }

    #[test]
    fn sha1_is_refused_before_anything_is_computed() {
        let number = |bytes: &[u8]| Mpint::from_positive_bytes(bytes);
        let public = ssh_key::public::RsaPublicKey::new(number(&[1, 0, 1]), number(&[255; 256]));
        let key = KeyData::Rsa(public.unwrap());
        let armor = armored(&key, Algorithm::Rsa { hash: None }, vec![1; 256]);
        let told = check(armor.as_bytes(), CONTENT, &[key]).unwrap_err();
        assert!(told.contains("SHA-1"), "{told}");
    }
}
