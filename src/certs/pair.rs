//! A certificate with its key: read from PEM, checked, and what can be told of it.

use std::fmt::Write as _;

use rustls::pki_types::pem::{Error as PemError, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::api::HostPattern;
use crate::names;
use crate::route::SecretText;

/// What can be told of a certificate without its key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Its DNS names (subjectAltName) in lower case, sorted, each once.
    pub hosts: Vec<String>,
    /// From when on it is valid, in seconds since 1970.
    pub not_before: i64,
    /// Until when it is valid, in seconds since 1970.
    pub not_after: i64,
    /// Who signed it.
    pub issuer: String,
    /// SHA-256 of the host's own certificate, in hex.
    pub fingerprint: String,
    /// Hash of the whole chain. It fits one key only, so equal ones are equal pairs.
    pub content: String,
}

/// A checked pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// What can be told of it.
    pub facts: Facts,
    /// PEM, the host's own certificate first.
    pub chain: String,
    /// PEM.
    pub key: SecretText,
}

/// A certificate as it is found in the wild, also with a number or a date that RFC 5280 forbids.
type Certificate = CertificateInner<Raw>;

/// The pair as it is sealed.
#[derive(Serialize, Deserialize)]
struct Content {
    chain: String,
    key: String,
}

/// Why two texts are no pair.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PairError {
    /// No `BEGIN CERTIFICATE`.
    #[error("holds no certificate in PEM (-----BEGIN CERTIFICATE-----)")]
    NoCertificate,
    /// A certificate that cannot be read.
    #[error("certificate {number} of the file cannot be read: {why}")]
    BadCertificate {
        /// Its place, from 1.
        number: usize,
        /// What is wrong.
        why: String,
    },
    /// No `BEGIN PRIVATE KEY`.
    #[error("holds no private key in PEM (-----BEGIN PRIVATE KEY-----)")]
    NoKey,
    /// A key with a passphrase.
    #[error(
        "the private key is encrypted: write it without a passphrase, `openssl pkey -in KEY -out PLAIN`"
    )]
    EncryptedKey,
    /// A key that cannot be used.
    #[error("the private key cannot be used: {0}")]
    BadKey(String),
    /// The key is that of another certificate of the file.
    #[error("the key belongs to certificate {0} of the file: put the host's own certificate first")]
    WrongOrder(usize),
    /// The key is another one's.
    #[error("the key does not fit the certificate")]
    Mismatch,
    /// Something else was sealed.
    #[error("the sealed content is no pair: store it again with `skep certs add`")]
    Content,
}

impl PairError {
    /// Whether the file with the key is at fault, not the one with the certificate.
    #[must_use]
    pub fn is_of_the_key(&self) -> bool {
        matches!(
            self,
            Self::NoKey | Self::EncryptedKey | Self::BadKey(_) | Self::Mismatch
        )
    }
}

impl Pair {
    /// Reads and checks a pair. Both texts may hold other sections too.
    pub fn parse(chain: &[u8], key: &[u8]) -> Result<Self, PairError> {
        let certificates = certificates(chain)?;
        let secret = private_key(key)?;
        let facts = facts(&certificates)?;
        fits(&certificates, &secret)?;
        let mut text = String::new();
        for certificate in &certificates {
            text.push_str(&pem("CERTIFICATE", certificate));
        }
        let kind = match &secret {
            PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
            PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
            _ => "PRIVATE KEY",
        };
        Ok(Self {
            facts,
            chain: text,
            key: SecretText(pem(kind, secret.secret_der())),
        })
    }

    /// The pair as one text, to be sealed.
    #[must_use]
    pub fn content(&self) -> Vec<u8> {
        let content = Content {
            chain: self.chain.clone(),
            key: self.key.0.clone(),
        };
        // Two texts are always JSON.
        serde_json::to_vec(&content).unwrap_or_default()
    }

    /// The pair of such a text, checked anew.
    pub fn of_content(content: &[u8]) -> Result<Self, PairError> {
        let content: Content = serde_json::from_slice(content).map_err(|_| PairError::Content)?;
        Self::parse(content.chain.as_bytes(), content.key.as_bytes())
    }
}

impl Facts {
    /// The end of its validity in RFC 3339, UTC, seconds.
    #[must_use]
    pub fn ends(&self) -> String {
        rfc3339(self.not_after)
    }
}

/// A time in RFC 3339, UTC, seconds.
#[must_use]
pub fn rfc3339(seconds: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp(seconds);
    time.ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_default()
}

fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, PairError> {
    let mut found = Vec::new();
    for (place, section) in CertificateDer::pem_slice_iter(text).enumerate() {
        found.push(section.map_err(|error| PairError::BadCertificate {
            number: place + 1,
            why: error.to_string(),
        })?);
    }
    if found.is_empty() {
        return Err(PairError::NoCertificate);
    }
    Ok(found)
}

fn private_key(text: &[u8]) -> Result<PrivateKeyDer<'static>, PairError> {
    let encrypted = || {
        let word = b"ENCRYPTED";
        text.windows(word.len()).any(|part| part == word)
    };
    // The older form has the word in a header, which is no base64.
    PrivateKeyDer::from_pem_slice(text).map_err(|error| match error {
        _ if encrypted() => PairError::EncryptedKey,
        PemError::NoItemsFound => PairError::NoKey,
        other => PairError::BadKey(other.to_string()),
    })
}

/// Whether rustls can use the pair, with the one provider that serves it later.
fn fits(chain: &[CertificateDer<'static>], key: &PrivateKeyDer<'static>) -> Result<(), PairError> {
    let signer = rustls::crypto::ring::sign::any_supported_type(key)
        .map_err(|_| PairError::BadKey(super::key::unusable(key).to_owned()))?;
    let fits = |certificate: &CertificateDer<'static>| {
        let pair = CertifiedKey::new(vec![certificate.clone()], signer.clone());
        pair.keys_match()
    };
    match fits(&chain[0]) {
        Ok(()) => Ok(()),
        Err(rustls::Error::InconsistentKeys(_)) => {
            match chain.iter().position(|other| fits(other).is_ok()) {
                Some(place) => Err(PairError::WrongOrder(place + 1)),
                None => Err(PairError::Mismatch),
            }
        }
        Err(error) => Err(PairError::BadCertificate {
            number: 1,
            why: error.to_string(),
        }),
    }
}

fn facts(chain: &[CertificateDer<'static>]) -> Result<Facts, PairError> {
    let bad = |number: usize, why: &dyn std::fmt::Display| PairError::BadCertificate {
        number,
        why: why.to_string(),
    };
    for (place, other) in chain.iter().enumerate().skip(1) {
        Certificate::from_der(other).map_err(|error| bad(place + 1, &error))?;
    }
    let leaf = Certificate::from_der(&chain[0]).map_err(|error| bad(1, &error))?;
    let body = leaf.tbs_certificate();
    let seconds = |time: x509_cert::time::Time| {
        i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX)
    };
    let names = body
        .get_extension::<SubjectAltName>()
        .map_err(|error| bad(1, &error))?;
    let names = names.map(|(_, names)| names.0).unwrap_or_default();
    let mut hosts: Vec<String> = names.iter().filter_map(host).collect();
    hosts.sort();
    hosts.dedup();
    let all: Vec<u8> = chain.iter().flat_map(|c| c.iter().copied()).collect();
    Ok(Facts {
        hosts,
        not_before: seconds(body.validity().not_before),
        not_after: seconds(body.validity().not_after),
        issuer: body.issuer().to_string(),
        fingerprint: sha256(&chain[0]),
        content: names::content_hash(&all),
    })
}

/// A name that TLS clients can ask for. Addresses and mail names are none.
fn host(name: &GeneralName) -> Option<String> {
    let GeneralName::DnsName(name) = name else {
        return None;
    };
    let host: HostPattern = name.as_str().parse().ok()?;
    Some(host.as_str().to_owned())
}

fn sha256(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    digest.as_ref().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// PEM with lines of 64 characters.
fn pem(kind: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut pem = format!("-----BEGIN {kind}-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = more;
    }
    let _ = writeln!(pem, "-----END {kind}-----");
    pem
}

#[cfg(test)]
mod tests;
