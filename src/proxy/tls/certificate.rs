//! From PEM, in the table or in files, to a certificate that can be shown.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;

use super::x509;
use crate::certs;
use crate::proxy::words;
use crate::route::{CertificateSource, SecretText};

/// Nobody's chain is larger; a mistaken file may be.
const LARGEST: u64 = 1 << 20;

/// A certificate that clients are shown.
pub struct LiveCertificate {
    /// Its name in the route table.
    pub(in crate::proxy) name: Box<str>,
    /// Seconds since 1970 after which it is not valid; `None`: it does not say.
    pub(in crate::proxy) not_after: Option<i64>,
    pub(super) key: Arc<CertifiedKey>,
    pub(super) config: Arc<ServerConfig>,
}

impl std::fmt::Debug for LiveCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = f.debug_struct("LiveCertificate");
        out.field("name", &self.name).finish_non_exhaustive()
    }
}

impl LiveCertificate {
    /// Whether a client that asked for this host would have taken it.
    pub(in crate::proxy) fn covers(&self, host: &str) -> bool {
        let Some(first) = self.key.cert.first() else {
            return false;
        };
        match (
            ParsedCertificate::try_from(first),
            ServerName::try_from(host),
        ) {
            (Ok(certificate), Ok(host)) => {
                rustls::client::verify_server_name(&certificate, &host).is_ok()
            }
            _ => false,
        }
    }
}

/// Reads a certificate and its key. `Err` says what of it cannot be used, and why.
pub(super) fn load(
    source: &CertificateSource,
    secrets: &Path,
    provider: &CryptoProvider,
) -> Result<Arc<CertifiedKey>, String> {
    let (chain_name, chain, key_name, key) = match source {
        CertificateSource::Files { chain, key } => (
            format!("file `{chain}`"),
            read(secrets, chain)?,
            format!("file `{key}`"),
            read(secrets, key)?,
        ),
        CertificateSource::Pem {
            chain,
            key: SecretText(key),
        } => (
            "the chain".to_owned(),
            chain.clone().into_bytes(),
            "the key".to_owned(),
            key.clone().into_bytes(),
        ),
    };
    let chain = chain_of(&chain).map_err(|fault| format!("{chain_name}: {fault}"))?;
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|_| {
        format!("{key_name}: no private key in PEM form (one under a password is of no use here)")
    })?;
    let loaded = provider.key_provider.load_private_key(key.clone_key());
    let key = loaded.map_err(|_| format!("{key_name}: {}", certs::unusable(&key)))?;
    let first = chain.first().and_then(|first| x509::read(first));
    let first = first.ok_or_else(|| format!("{chain_name}: its first certificate is damaged"))?;
    if key.public_key().is_some_and(|key| *key != *first.key) {
        return Err(format!(
            "{key_name}: the key does not fit the first certificate of {chain_name}; \
             the host's own certificate comes first"
        ));
    }
    Ok(Arc::new(CertifiedKey::new(chain, key)))
}

/// When the first certificate of a chain ends.
pub(super) fn not_after(key: &CertifiedKey) -> Option<i64> {
    let facts = x509::read(key.cert.first()?)?;
    Some(facts.not_after)
}

fn chain_of(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("damaged PEM: {}", words::of_pem(&error)))?;
    if chain.is_empty() {
        return Err("no certificate in PEM form".to_owned());
    }
    Ok(chain)
}

fn read(secrets: &Path, name: &str) -> Result<Vec<u8>, String> {
    let path = secrets.join(name);
    let fault = |error: &io::Error| {
        let why = words::of_file(error);
        let folder = secrets.display();
        format!(
            "file `{name}`: cannot be read from {folder} ({why}); is the secret attached to the proxies?"
        )
    };
    let size = std::fs::metadata(&path).map_err(|error| fault(&error))?;
    if size.len() > LARGEST {
        return Err(format!(
            "file `{name}`: too large to be a certificate or a key"
        ));
    }
    std::fs::read(&path).map_err(|error| fault(&error))
}

/// Tells whether the files of a certificate have changed, at the cost of a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Print([Result<(u64, u64, i64, i64), io::ErrorKind>; 2]);

impl Print {
    /// `None`: the certificate is in no files.
    pub(super) fn of(source: &CertificateSource, secrets: &Path) -> Option<Self> {
        let CertificateSource::Files { chain, key } = source else {
            return None;
        };
        let look = |path: PathBuf| {
            let data = std::fs::metadata(path).map_err(|error| error.kind())?;
            Ok((data.ino(), data.len(), data.mtime(), data.mtime_nsec()))
        };
        Some(Self([look(secrets.join(chain)), look(secrets.join(key))]))
    }

    /// Whether one of them is not there at all.
    pub(super) fn lacks_a_file(&self) -> bool {
        let missing = |look: &Result<_, io::ErrorKind>| *look == Err(io::ErrorKind::NotFound);
        self.0.iter().any(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by `openssl`, valid for `demo.a`, in every form of key: algorithm, PKCS#8, the
    /// traditional form where there is one, certificate.
    fn made(args: &[&str], traditional: bool) -> (String, Vec<String>) {
        let dir = tempfile::tempdir().unwrap();
        let run = |args: &[&str]| {
            let mut openssl = std::process::Command::new("openssl");
            let done = openssl.args(args).current_dir(&dir).output().unwrap();
            assert!(done.status.success(), "{done:?}");
        };
        let read = |name| std::fs::read_to_string(dir.path().join(name)).unwrap();
        run(&[&["genpkey", "-out", "key"], args].concat());
        run(&[
            "req",
            "-x509",
            "-new",
            "-key",
            "key",
            "-out",
            "crt",
            "-subj",
            "/CN=demo.a",
            "-addext",
            "subjectAltName=DNS:demo.a",
        ]);
        let mut keys = vec![read("key")];
        if traditional {
            run(&["pkey", "-in", "key", "-traditional", "-out", "old"]);
            keys.push(read("old"));
        }
        (read("crt"), keys)
    }

    fn load_pem(chain: &str, key: &str) -> Result<Arc<CertifiedKey>, String> {
        let source = CertificateSource::Pem {
            chain: chain.to_owned(),
            key: SecretText(key.to_owned()),
        };
        let provider = rustls::crypto::ring::default_provider();
        load(&source, Path::new("/nowhere"), &provider)
    }

    #[test]
    fn keys_of_every_common_kind_and_form_are_taken() {
        let mut forms = Vec::new();
        for (args, traditional) in [
            (
                &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"][..],
                true,
            ),
            (
                &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
                true,
            ),
            (
                &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
                true,
            ),
            (&["-algorithm", "ED25519"], false),
        ] {
            let (chain, keys) = made(args, traditional);
            for key in keys {
                forms.push(key.lines().next().unwrap_or_default().to_owned());
                let loaded = load_pem(&chain, &key).unwrap();
                assert!(not_after(&loaded).unwrap() > 1_700_000_000);
            }
        }
        let labels = [
            "-----BEGIN RSA PRIVATE KEY-----",
            "-----BEGIN EC PRIVATE KEY-----",
        ];
        for label in labels {
            assert!(
                forms.iter().any(|form| form == label),
                "{label} was not made"
            );
        }
    }

    #[test]
    fn a_certificate_of_version_1_can_be_shown() {
        let dir = tempfile::tempdir().unwrap();
        let script = "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key -out csr -subj /CN=demo.a \
                      && openssl x509 -req -in csr -signkey key -out crt";
        let mut sh = std::process::Command::new("sh");
        let done = sh.args(["-c", script]).current_dir(&dir).output().unwrap();
        assert!(done.status.success(), "{done:?}");
        let read = |name| std::fs::read_to_string(dir.path().join(name)).unwrap();
        load_pem(&read("crt"), &read("key")).unwrap();
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let (chain, keys) = made(&["-algorithm", "ED25519"], false);
        let (_, others) = made(&["-algorithm", "ED25519"], false);
        let fault = |chain: &str, key: &str| load_pem(chain, key).unwrap_err();
        assert!(fault(&chain, &others[0]).starts_with("the key: the key does not fit"));
        assert!(fault("", &keys[0]).starts_with("the chain: no certificate"));
        assert!(fault(&chain, &chain).starts_with("the key: no private key"));
        let cut = chain.replace("-----END", "!\n-----END");
        assert!(fault(&cut, &keys[0]).starts_with("the chain: damaged PEM"));
        let args = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"];
        let (_, keys_of_1024) = made(&args, true);
        for key in keys_of_1024 {
            let why = fault(&chain, &key);
            assert!(why.contains("less than 2048 bits is too short"), "{why}");
        }
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(fault(broken, &keys[0]).contains("first certificate is damaged"));
    }

    #[test]
    fn a_missing_file_is_named() {
        let source = CertificateSource::Files {
            chain: "demo.crt".into(),
            key: "demo.key".into(),
        };
        let provider = rustls::crypto::ring::default_provider();
        let fault = load(&source, Path::new("/nowhere"), &provider).unwrap_err();
        assert!(
            fault.starts_with("file `demo.crt`: cannot be read from /nowhere"),
            "{fault}"
        );
    }
}
