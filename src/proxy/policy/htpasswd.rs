//! Password files as `htpasswd -B` writes them: lines `user:hash`, hashes of bcrypt or `{SHA}`.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use arc_swap::ArcSwapOption;
use base64::Engine as _;
use base64::alphabet::BCRYPT;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD, STANDARD};
use ring::hmac;
use ring::rand::SystemRandom;

/// More work for one password than this (about a second) would be an attack on ourselves.
const MAX_COST: u32 = 14;
/// A password that was right is taken as right for so long after each use, in milliseconds.
const TRUSTED_FOR: u64 = 10 * 60 * 1000;

/// bcrypt's own base64; the 22 digits of a salt hold four bits more than it has.
const DIGITS: GeneralPurpose =
    GeneralPurpose::new(&BCRYPT, NO_PAD.with_decode_allow_trailing_bits(true));

/// The users of one file.
pub(super) struct Users {
    by_name: HashMap<Box<str>, User>,
    /// What an unknown user's password is compared with, so that the time tells nothing.
    decoy: Option<Hash>,
    /// Of this process: what is remembered of passwords is of no use elsewhere.
    key: hmac::Key,
}

impl std::fmt::Debug for Users {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} users", self.by_name.len())
    }
}

struct User {
    hash: Hash,
    /// The password that was right, as a keyed hash.
    verified: ArcSwapOption<Verified>,
}

struct Verified {
    tag: hmac::Tag,
    until: AtomicU64,
}

#[derive(Clone, Copy)]
enum Hash {
    Bcrypt {
        cost: u32,
        salt: [u8; 16],
        want: [u8; 23],
    },
    Sha([u8; 20]),
}

impl Users {
    /// Reads a file; what is wrong is told by line, and never what stands in it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut users = HashMap::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, hash) =
                parse_line(line).map_err(|why| format!("line {}: {why}", number + 1))?;
            let user = User {
                hash,
                verified: ArcSwapOption::empty(),
            };
            if users.insert(name.into(), user).is_some() {
                return Err(format!("line {}: this user has a line already", number + 1));
            }
        }
        if users.is_empty() {
            return Err("it has no users; `htpasswd -B` writes lines `user:hash`".to_owned());
        }
        let secret = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
        Ok(Self {
            decoy: decoy(users.values().map(|user| &user.hash)),
            by_name: users,
            key: secret.map_err(|_| "the system has no random numbers".to_owned())?,
        })
    }

    /// What is remembered of a password.
    pub(super) fn tag(&self, user: &str, password: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(user.as_bytes());
        context.update(b":");
        context.update(password);
        context.sign()
    }

    /// Whether this password was found right not long ago.
    pub(super) fn is_known(&self, user: &str, tag: &hmac::Tag, now: u64) -> bool {
        let Some(user) = self.by_name.get(user) else {
            return false;
        };
        let verified = user.verified.load();
        let Some(verified) = &*verified else {
            return false;
        };
        if verified.until.load(Relaxed) < now || !self.same(verified.tag.as_ref(), tag.as_ref()) {
            return false;
        }
        verified.until.store(now + TRUSTED_FOR, Relaxed);
        true
    }

    /// Remembers that this password is right.
    pub(super) fn know(&self, user: &str, tag: hmac::Tag, now: u64) {
        if let Some(user) = self.by_name.get(user) {
            user.verified.store(Some(Arc::new(Verified {
                tag,
                until: AtomicU64::new(now + TRUSTED_FOR),
            })));
        }
    }

    /// Whether a look at a password takes long.
    pub(super) fn is_costly(&self) -> bool {
        self.decoy.is_some()
    }

    /// Whether a password is right. Takes as long for a user that does not exist.
    pub(super) fn verify(&self, user: &str, password: &[u8]) -> bool {
        let user = self.by_name.get(user);
        let right = user.is_some_and(|user| self.matches(&user.hash, password));
        let was_costly = matches!(user, Some(user) if matches!(user.hash, Hash::Bcrypt { .. }));
        if !was_costly && let Some(decoy) = &self.decoy {
            self.matches(decoy, password);
        }
        right
    }

    fn matches(&self, hash: &Hash, password: &[u8]) -> bool {
        match hash {
            Hash::Bcrypt { cost, salt, want } => {
                // bcrypt knows 72 bytes, the NUL behind a shorter password among them.
                let mut key = password[..password.len().min(72)].to_vec();
                if key.len() < 72 {
                    key.push(0);
                }
                self.same(&bcrypt::bcrypt(*cost, *salt, &key)[..want.len()], want)
            }
            Hash::Sha(want) => {
                let algorithm = &ring::digest::SHA1_FOR_LEGACY_USE_ONLY;
                self.same(ring::digest::digest(algorithm, password).as_ref(), want)
            }
        }
    }

    /// Compares in a time that tells nothing: what is compared are keyed hashes.
    fn same(&self, one: &[u8], other: &[u8]) -> bool {
        hmac::verify(&self.key, one, hmac::sign(&self.key, other).as_ref()).is_ok()
    }
}

/// A hash that costs as much as the dearest one.
fn decoy<'a>(hashes: impl Iterator<Item = &'a Hash>) -> Option<Hash> {
    let cost = |hash: &Hash| match hash {
        Hash::Bcrypt { cost, .. } => Some(*cost),
        Hash::Sha(_) => None,
    };
    let cost = hashes.filter_map(cost).max()?;
    Some(Hash::Bcrypt {
        cost,
        salt: [0; 16],
        want: [0; 23],
    })
}

fn parse_line(line: &str) -> Result<(&str, Hash), String> {
    let (name, hash) = line.split_once(':').ok_or("it is not `user:hash`")?;
    if name.is_empty() {
        return Err("the user has no name".to_owned());
    }
    if let Some(hash) = hash.strip_prefix("{SHA}") {
        let bytes = STANDARD.decode(hash).ok();
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        let bytes = bytes.ok_or("what follows {SHA} is not 20 bytes in base64")?;
        return Ok((name, Hash::Sha(bytes)));
    }
    let versions = ["$2a$", "$2b$", "$2y$"];
    let Some(rest) = versions.iter().find_map(|it| hash.strip_prefix(it)) else {
        return Err("the hash is neither of bcrypt nor {SHA}; make it by `htpasswd -B`".to_owned());
    };
    Ok((name, bcrypt_hash(rest)?))
}

/// What follows the version: `10$`, 22 digits of salt and 31 of hash.
fn bcrypt_hash(text: &str) -> Result<Hash, String> {
    let broken = "the bcrypt hash is broken";
    let (cost, digits) = text.split_once('$').ok_or(broken)?;
    let cost: u32 = cost.parse().map_err(|_| broken)?;
    if digits.len() != 53 || !digits.is_ascii() || cost < 4 {
        return Err(broken.to_owned());
    }
    if cost > MAX_COST {
        return Err(format!(
            "a bcrypt cost of {cost} takes too long for each login; make it by `htpasswd -B -C 10`, {MAX_COST} at most"
        ));
    }
    let decode = |digits: &str| DIGITS.decode(digits).ok();
    let salt = decode(&digits[..22]).and_then(|salt| salt.try_into().ok());
    let want = decode(&digits[22..]).and_then(|want| want.try_into().ok());
    Ok(Hash::Bcrypt {
        cost,
        salt: salt.ok_or(broken)?,
        want: want.ok_or(broken)?,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// `secret` by bcrypt at its lowest cost, as other programs write it.
    pub(in crate::proxy::policy) const ALICE: &str =
        "alice:$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";
    const BOB: &str = "bob:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";

    #[test]
    fn passwords_are_right_or_wrong_by_either_hash() {
        let users = Users::parse(&format!("# team\n\n{ALICE}\r\n{BOB}\n")).unwrap();
        for user in ["alice", "bob"] {
            assert!(users.verify(user, b"secret"), "{user}");
            for wrong in [&b"Secret"[..], b"", b"secret\0", &[b'x'; 100]] {
                assert!(!users.verify(user, wrong), "{user}");
            }
        }
        assert!(!users.verify("carol", b"secret"));
        for version in ["2b", "2a"] {
            let users = Users::parse(&ALICE.replace("2y", version)).unwrap();
            assert!(users.verify("alice", b"secret"), "{version}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_used_is_refused_by_line_without_its_content() {
        let dear = ALICE.replace("$04$", "$15$");
        for (text, want) in [
            ("", "no users"),
            ("# only this\n", "no users"),
            ("alice", "line 1: it is not `user:hash`"),
            (":x", "line 1: the user has no name"),
            ("\nalice:secret", "line 2: the hash is neither"),
            ("alice:$apr1$abc$def", "htpasswd -B"),
            ("alice:$2y$04$short", "broken"),
            ("alice:{SHA}AAAA", "20 bytes"),
            (dear.as_str(), "cost of 15"),
            (&format!("{ALICE}\n{ALICE}"), "line 2: this user has"),
        ] {
            let why = Users::parse(text).unwrap_err();
            assert!(why.contains(want), "{why} does not say {want}");
            assert!(!why.contains("secret") && !why.contains("alice"), "{why}");
        }
    }

    #[test]
    fn a_password_that_was_right_is_known_for_some_minutes_after_each_use() {
        let users = Users::parse(BOB).unwrap();
        let tag = || users.tag("bob", b"secret");
        assert!(!users.is_known("bob", &tag(), 1));
        users.know("bob", tag(), 1);
        assert!(users.is_known("bob", &tag(), TRUSTED_FOR));
        assert!(users.is_known("bob", &tag(), 2 * TRUSTED_FOR));
        assert!(!users.is_known("bob", &tag(), 4 * TRUSTED_FOR));
        assert!(!users.is_known("bob", &users.tag("bob", b"other"), 1));
        assert!(!users.is_known("alice", &tag(), 1));
    }
}
