//! Webhooks: a git server tells that something was pushed. Nothing is taken from what it sends but
//! that; the source looks for itself.

use ring::hmac;

use super::Sources;
use crate::runtime::Wake;
use crate::store::sources::Purpose;
use crate::web::Delivery;

impl Sources {
    /// Takes a delivery for a source; whether it is genuine. A source without a secret takes none.
    #[must_use]
    pub fn delivered(&self, delivery: &Delivery<'_>) -> bool {
        let Some(view) = self.0.views.borrow().clone() else {
            return false;
        };
        let secret = self.0.unsealed(delivery.source, Purpose::Hook, &view.world);
        let genuine = match &secret {
            Ok(Some(secret)) if !secret.is_empty() => is_genuine(secret, delivery),
            Ok(_) => false,
            Err(error) => {
                tracing::warn!(source = %delivery.source, %error, "a webhook cannot be checked");
                false
            }
        };
        if genuine {
            let source = delivery.source.to_owned();
            self.0.poked().insert(source.clone());
            self.0.waker.wake(source, Wake::Declared);
        }
        genuine
    }
}

/// GitHub, Gitea and Forgejo sign the body; GitLab sends the secret itself. All comparisons take
/// the same time whatever differs.
fn is_genuine(secret: &[u8], delivery: &Delivery<'_>) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    if let Some(signature) = delivery.signature {
        let hex = signature.strip_prefix("sha256=").unwrap_or(signature);
        return unhex(hex).is_some_and(|tag| hmac::verify(&key, delivery.body, &tag).is_ok());
    }
    delivery.token.is_some_and(|token| {
        // Equal tags, equal texts; and a tag tells nothing of how far two texts agree.
        let tag = hmac::sign(&key, token.as_bytes());
        hmac::verify(&key, secret, tag.as_ref()).is_ok()
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || text.len() != 64 {
        return None;
    }
    let pairs = (0..text.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery<'a>(signature: Option<&'a str>, token: Option<&'a str>) -> Delivery<'a> {
        Delivery {
            source: "shop",
            signature,
            token,
            body: b"Hello, World!",
        }
    }

    #[test]
    fn githubs_own_example_is_genuine_and_anything_else_is_not() {
        let secret = b"It's a Secret to Everybody";
        let good = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        assert!(is_genuine(secret, &delivery(Some(good), None)));
        assert!(is_genuine(
            secret,
            &delivery(good.strip_prefix("sha256="), None)
        ));
        let bad = good.replace("757107", "757108");
        for bad in [bad.as_str(), "", "sha256=", "sha1=00", "sha256=\u{e4}"] {
            assert!(!is_genuine(secret, &delivery(Some(bad), None)), "{bad}");
        }
        assert!(!is_genuine(b"another", &delivery(Some(good), None)));
        // A wrong signature is not mended by a token.
        assert!(!is_genuine(
            secret,
            &delivery(Some(&bad_of(good)), Some("It's a Secret to Everybody"))
        ));
    }

    fn bad_of(good: &str) -> String {
        good.replace('7', "8")
    }

    #[test]
    fn gitlabs_token_is_the_secret() {
        assert!(is_genuine(b"s3", &delivery(None, Some("s3"))));
        for bad in ["", "s", "s33", "S3"] {
            assert!(!is_genuine(b"s3", &delivery(None, Some(bad))), "{bad}");
        }
        assert!(!is_genuine(b"s3", &delivery(None, None)));
    }
}
