//! The certificates of the control stream. `skep install` makes them once.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use time::{Duration, OffsetDateTime};

use crate::names::{OPERATOR_TLS_NAME, PROXY_TLS_NAME};

/// Clocks of nodes may be behind by so much.
const BACKDATED: Duration = Duration::hours(1);
const AUTHORITY_LIFE: Duration = Duration::days(3650);
/// How long the certificates of operator and proxies last.
pub const CERTIFICATE_DAYS: i64 = 1825;

/// What [`issue`] makes, as PEM. Holds private keys; its `Debug` shows none.
pub struct Bundle {
    /// The authority's certificate. Its key is gone: nothing more can be signed with it.
    pub ca: String,
    /// Certificate and key of the operator.
    pub operator: String,
    /// Certificate and key of the proxies.
    pub proxy: String,
}

impl std::fmt::Debug for Bundle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bundle([redacted])")
    }
}

/// The certificates could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot make certificates: {0}")]
pub struct Error(#[from] rcgen::Error);

impl Error {
    /// A bounded name for metrics and conditions.
    #[must_use]
    pub fn category(&self) -> &'static str {
        "IssueFailed"
    }
}

/// Makes an authority (10 years), a server certificate for the operator and a client certificate
/// for the proxies (5 years each), all valid since an hour ago. The authority's key is thrown away.
pub fn issue() -> Result<Bundle, Error> {
    let now = OffsetDateTime::now_utc();
    let mut authority = CertificateParams::new(Vec::new())?;
    name_and_date(
        &mut authority,
        "Skep control authority",
        now,
        AUTHORITY_LIFE,
    );
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate()?;
    let ca = authority.self_signed(&key)?.pem();
    let issuer = Issuer::new(authority, key);
    Ok(Bundle {
        operator: leaf(
            OPERATOR_TLS_NAME,
            ExtendedKeyUsagePurpose::ServerAuth,
            now,
            &issuer,
        )?,
        proxy: leaf(
            PROXY_TLS_NAME,
            ExtendedKeyUsagePurpose::ClientAuth,
            now,
            &issuer,
        )?,
        ca,
    })
}

fn leaf(
    name: &str,
    usage: ExtendedKeyUsagePurpose,
    now: OffsetDateTime,
    issuer: &Issuer<'_, KeyPair>,
) -> Result<String, Error> {
    let mut params = CertificateParams::new(vec![name.to_owned()])?;
    name_and_date(&mut params, name, now, Duration::days(CERTIFICATE_DAYS));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![usage];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, issuer)?;
    Ok(format!("{}{}", certificate.pem(), key.serialize_pem()))
}

fn name_and_date(params: &mut CertificateParams, name: &str, now: OffsetDateTime, life: Duration) {
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = now - BACKDATED;
    params.not_after = now + life;
}
