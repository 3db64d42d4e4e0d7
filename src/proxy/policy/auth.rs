//! Basic authentication (RFC 7617). Slow hashes are computed off the workers, few at a time; a
//! client that guesses is slowed down before it costs anything.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode::Indifferent;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::GeneralPurposeConfig;
use http::header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use ring::hmac;
use tokio::sync::Semaphore;

use super::clients::Clients;
use super::htpasswd::Users;
use super::rate::{Bucket, retry_after};
use super::{Asked, Keep};
use crate::proxy::clock;
use crate::proxy::reply::Refusal;
use crate::route::BasicAuth;

/// Names the buckets of wrong passwords.
const GUESSES: u64 = 0;
/// A client may be wrong so often in a row, and once more in each tenth of the time.
const WRONG: u32 = 10;
const WRONG_IN: Duration = Duration::from_secs(60);
/// Requests that may wait for a slow hash.
const WAITING: usize = 128;
/// More of `user:password` is no password that anybody has.
const LONGEST: usize = 1024;

/// Some clients leave the padding away.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(Indifferent),
);

/// What keeps guessing bounded, for all routes together.
#[derive(Debug)]
pub(super) struct Gate {
    /// Slow hashes at one time: requests go on being served beside them.
    permits: Arc<Semaphore>,
    waiting: AtomicUsize,
    wrong: Bucket,
}

impl Default for Gate {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            permits: Arc::new(Semaphore::new((cores / 2).clamp(1, 4))),
            waiting: AtomicUsize::new(0),
            wrong: Bucket::new(WRONG, WRONG_IN, 0),
        }
    }
}

/// Who may come, ready to be asked.
#[derive(Debug)]
pub(super) struct Auth {
    challenge: HeaderValue,
    /// `None`: the file cannot be read, so nobody may come.
    users: Option<Arc<Users>>,
    gate: Arc<Gate>,
    clients: Arc<Clients>,
}

impl Auth {
    pub(super) fn compile(auth: &BasicAuth, keep: &Keep) -> Self {
        let realm = auth.realm.replace('\\', "\\\\").replace('"', "\\\"");
        let challenge = format!("Basic realm=\"{realm}\", charset=\"UTF-8\"").parse();
        Self {
            challenge: challenge.unwrap_or(HeaderValue::from_static("Basic realm=\"skep\"")),
            users: keep.users(&auth.secret),
            gate: Arc::clone(&keep.gate),
            clients: Arc::clone(&keep.clients),
        }
    }

    /// Lets in who knows a password.
    pub(super) async fn admit(
        &self,
        asked: &Asked<'_>,
        headers: &HeaderMap,
    ) -> Result<(), Refusal> {
        let Some(users) = &self.users else {
            return Err(super::closed());
        };
        let Some((user, password)) = credentials(headers) else {
            return Err(self.challenge("PasswordMissing", "a password is needed"));
        };
        let tag = users.tag(&user, &password);
        if users.is_known(&user, &tag, clock::now()) {
            return Ok(());
        }
        let client = asked.client(headers).unwrap_or(asked.peer);
        self.check_guesses(client)?;
        // Others may have guessed while this one waited for its turn.
        let again = || self.check_guesses(client);
        if verify(&self.gate, users, user, password, tag, again).await? {
            return Ok(());
        }
        // It was wrong: one guess less.
        let (bucket, now) = (&self.gate.wrong, clock::nanos());
        let _ = self.clients.take(GUESSES, client, bucket, now);
        Err(self.challenge("PasswordWrong", "the user or the password is wrong"))
    }

    fn check_guesses(&self, client: IpAddr) -> Result<(), Refusal> {
        let (bucket, now) = (&self.gate.wrong, clock::nanos());
        let left = self.clients.peek(GUESSES, client, bucket, now);
        left.map_err(|wait| {
            let text = "too many wrong passwords, come later";
            Refusal::new(StatusCode::TOO_MANY_REQUESTS, "TooManyGuesses", text)
                .with(RETRY_AFTER, retry_after(wait))
        })
    }

    fn challenge(&self, reason: &'static str, text: &'static str) -> Refusal {
        Refusal::new(StatusCode::UNAUTHORIZED, reason, text)
            .with(WWW_AUTHENTICATE, self.challenge.clone())
    }
}

/// User and password, if the request has exactly one pair of them.
fn credentials(headers: &HeaderMap) -> Option<(String, Vec<u8>)> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let (scheme, rest) = value.to_str().ok()?.split_once(' ')?;
    let rest = rest.trim();
    if !scheme.eq_ignore_ascii_case("basic") || rest.len() > LONGEST * 4 / 3 + 4 {
        return None;
    }
    let mut user = BASE64.decode(rest).ok()?;
    let colon = user.iter().position(|byte| *byte == b':')?;
    let password = user.split_off(colon + 1);
    user.pop();
    Some((String::from_utf8(user).ok()?, password))
}

/// Looks at a password; slow hashes have threads of their own, and only so many at once.
async fn verify(
    gate: &Arc<Gate>,
    users: &Arc<Users>,
    user: String,
    password: Vec<u8>,
    tag: hmac::Tag,
    again: impl Fn() -> Result<(), Refusal>,
) -> Result<bool, Refusal> {
    if !users.is_costly() {
        let right = users.verify(&user, &password);
        if right {
            users.know(&user, tag, clock::now());
        }
        return Ok(right);
    }
    let _place = Place::take(gate).ok_or_else(busy)?;
    let permit = Arc::clone(&gate.permits).acquire_owned().await;
    let permit = permit.map_err(|_| busy())?;
    // Another request with the same password may have waited in front of this one.
    if users.is_known(&user, &tag, clock::now()) {
        return Ok(true);
    }
    again()?;
    let users = Arc::clone(users);
    let work = tokio::task::spawn_blocking(move || {
        // The work goes on when its client is gone, and so does its permit.
        let _permit = permit;
        let right = users.verify(&user, &password);
        if right {
            users.know(&user, tag, clock::now());
        }
        right
    });
    work.await.map_err(|_| busy())
}

fn busy() -> Refusal {
    let text = "too many passwords are being looked at, come later";
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "AuthBusy", text)
        .with(RETRY_AFTER, HeaderValue::from_static("1"))
}

/// A place among those that wait.
struct Place<'g>(&'g AtomicUsize);

impl<'g> Place<'g> {
    fn take(gate: &'g Gate) -> Option<Self> {
        let place = Self(&gate.waiting);
        (gate.waiting.fetch_add(1, Relaxed) < WAITING).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::policy::htpasswd::tests::ALICE;

    fn auth() -> Auth {
        let mut keep = Keep::default();
        keep.put("team", Arc::new(Users::parse(ALICE).unwrap()));
        let basic = BasicAuth {
            realm: "the \"team\"".to_owned(),
            secret: "team".to_owned(),
        };
        Auth::compile(&basic, &keep)
    }

    fn asks(pair: &str) -> HeaderMap {
        let value = format!("Basic {}", BASE64.encode(pair));
        HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())])
    }

    async fn answer(auth: &Auth, headers: &HeaderMap) -> Option<&'static str> {
        let asked = Asked {
            peer: [127, 0, 0, 1].into(),
            trusted_hops: 0,
            secure: false,
            host: &HeaderValue::from_static("demo.a"),
            https_port: 443,
            has_targets: true,
        };
        let refusal = auth.admit(&asked, headers).await.err()?;
        Some(refusal.reason)
    }

    #[tokio::test]
    async fn who_knows_the_password_is_let_in() {
        let auth = auth();
        assert_eq!(answer(&auth, &asks("alice:secret")).await, None);
        assert_eq!(answer(&auth, &asks("alice:secret")).await, None, "known");
        for wrong in ["alice:Secret", "alice:", "carol:secret", ":secret"] {
            let reason = answer(&auth, &asks(wrong)).await;
            assert_eq!(reason, Some("PasswordWrong"), "{wrong}");
        }
        assert_eq!(
            auth.challenge,
            r#"Basic realm="the \"team\"", charset="UTF-8""#
        );
    }

    #[tokio::test]
    async fn what_is_no_password_is_asked_for_one() {
        let auth = auth();
        let with = |values: &[&str]| {
            let values = values.iter().map(|it| (AUTHORIZATION, it.parse().unwrap()));
            let mut headers = HeaderMap::new();
            values.for_each(|(name, value): (_, HeaderValue)| {
                headers.append(name, value);
            });
            headers
        };
        let good = format!("basic {STANDARD_OF_ALICE}");
        assert_eq!(answer(&auth, &with(&[&good])).await, None);
        let long = format!("Basic {}", BASE64.encode("x".repeat(5000)));
        for values in [
            &[][..],
            &["Bearer abc"],
            &["Basic"],
            &["Basic ???"],
            &["Basic eA=="],
            &[&long],
            &[&good, &good],
        ] {
            let reason = answer(&auth, &with(values)).await;
            assert_eq!(reason, Some("PasswordMissing"), "{values:?}");
        }
    }

    /// `alice:secret`, without its padding.
    const STANDARD_OF_ALICE: &str = "YWxpY2U6c2VjcmV0";

    #[tokio::test]
    async fn a_client_that_guesses_is_stopped_and_one_that_knows_is_not() {
        let auth = auth();
        assert_eq!(answer(&auth, &asks("alice:secret")).await, None);
        let mut reasons = Vec::new();
        for guess in 0..=WRONG {
            reasons.push(answer(&auth, &asks(&format!("alice:{guess}"))).await);
        }
        assert_eq!(reasons.pop(), Some(Some("TooManyGuesses")));
        assert!(reasons.iter().all(|it| *it == Some("PasswordWrong")));
        assert_eq!(answer(&auth, &asks("alice:secret")).await, None);
    }

    #[tokio::test]
    async fn more_than_may_wait_are_sent_away() {
        let auth = auth();
        let all = auth.gate.permits.available_permits();
        let held = auth.gate.permits.acquire_many(u32::try_from(all).unwrap());
        let held = held.await.unwrap();
        let places: Vec<_> = (0..WAITING).map(|_| Place::take(&auth.gate)).collect();
        let asks = asks("alice:x");
        let answer = tokio::time::timeout(WRONG_IN, answer(&auth, &asks)).await;
        assert_eq!(answer.expect("it waits"), Some("AuthBusy"));
        drop((places, held));
        assert_eq!(auth.gate.waiting.load(Relaxed), 0);
    }

    #[tokio::test]
    async fn without_its_file_a_route_lets_nobody_in() {
        let auth = Auth {
            users: None,
            ..auth()
        };
        let reason = answer(&auth, &asks("alice:secret")).await;
        assert_eq!(reason, Some("RouteClosed"));
    }
}
