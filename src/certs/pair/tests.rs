use proptest::prelude::*;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use super::*;

/// A certificate and its key, signed by itself.
fn made(hosts: &[&str]) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
    let params = CertificateParams::new(hosts).unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

/// A certificate, that of its authority, and its key.
fn signed(host: &str) -> (String, String, String) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let signer = KeyPair::generate().unwrap();
    let above = authority.self_signed(&signer).unwrap().pem();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec![host.to_owned()]).unwrap();
    let issuer = Issuer::new(authority, signer);
    let leaf = leaf.signed_by(&key, &issuer).unwrap().pem();
    (leaf, above, key.serialize_pem())
}

fn parse(chain: &str, key: &str) -> Result<Pair, PairError> {
    Pair::parse(chain.as_bytes(), key.as_bytes())
}

#[test]
fn a_pair_tells_its_hosts_its_end_and_who_signed_it() {
    let (chain, key) = made(&["Shop.Example.com", "*.example.com", "10.0.0.1"]);
    let facts = parse(&chain, &key).unwrap().facts;
    assert_eq!(facts.hosts, ["*.example.com", "shop.example.com"]);
    assert!(facts.not_after > facts.not_before);
    assert!(facts.issuer.contains("CN="), "{}", facts.issuer);
    assert_eq!(facts.fingerprint.len(), 64);
    assert!(facts.ends().ends_with('Z'), "{}", facts.ends());
}

#[test]
fn certificate_and_key_may_stand_in_one_file() {
    let (leaf, above, key) = signed("a.example.com");
    let file = format!("{key}{leaf}{above}");
    let pair = parse(&file, &file).unwrap();
    assert_eq!(pair.chain.matches("BEGIN CERTIFICATE").count(), 2);
    assert!(!pair.chain.contains("PRIVATE KEY"));
}

#[test]
fn what_is_no_pair_is_refused_with_its_reason() {
    let (chain, key) = made(&["a.example.com"]);
    let (_, other) = made(&["a.example.com"]);
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert_eq!(parse("", &key), Err(PairError::NoCertificate));
    assert_eq!(parse(&chain, &chain), Err(PairError::NoKey));
    assert_eq!(parse(&chain, encrypted), Err(PairError::EncryptedKey));
    let older = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    assert_eq!(parse(&chain, older), Err(PairError::EncryptedKey));
    assert_eq!(parse(&chain, &other), Err(PairError::Mismatch));
    for text in [broken, "-----BEGIN CERTIFICATE-----\nAAAA\n"] {
        let found = parse(text, &key);
        assert!(
            matches!(
                &found,
                Err(PairError::BadCertificate { number: 1, .. } | PairError::NoCertificate)
            ),
            "{found:?}"
        );
    }
    let found = parse(&format!("{chain}{broken}"), &key);
    assert!(matches!(
        found,
        Err(PairError::BadCertificate { number: 2, .. })
    ));
}

#[test]
fn a_chain_in_the_wrong_order_is_told() {
    let (leaf, above, key) = signed("a.example.com");
    assert!(parse(&format!("{leaf}{above}"), &key).is_ok());
    let found = parse(&format!("{above}{leaf}"), &key);
    assert_eq!(found, Err(PairError::WrongOrder(2)));
}

#[test]
fn equal_pairs_are_known_by_their_facts_and_others_differ() {
    let (leaf, above, key) = signed("a.example.com");
    let short = parse(&leaf, &key).unwrap().facts;
    let long = parse(&format!("{leaf}\n# a remark\n{above}"), &key)
        .unwrap()
        .facts;
    assert_eq!(short.fingerprint, long.fingerprint);
    assert_ne!(short.content, long.content);
    let again = parse(&leaf, &format!("\n{key}")).unwrap().facts;
    assert_eq!(again, short);
}

#[test]
fn the_key_is_never_printed() {
    let (chain, key) = made(&["a.example.com"]);
    let pair = parse(&chain, &key).unwrap();
    let line = key.lines().nth(1).unwrap();
    assert!(pair.key.0.contains(line));
    assert!(!format!("{pair:?}").contains(line));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn a_pair_survives_being_sealed_as_one_text(hosts in prop::collection::vec("[a-z]{1,9}\\.[a-z]{2,5}", 1..4)) {
        let names: Vec<&str> = hosts.iter().map(String::as_str).collect();
        let (chain, key) = made(&names);
        let pair = parse(&chain, &key).unwrap();
        prop_assert_eq!(Pair::of_content(&pair.content()), Ok(pair));
    }

    #[test]
    fn no_text_makes_it_panic(chain in "(?s).{0,80}", key in "(?s).{0,80}", at in 0_usize..900, byte in any::<u8>()) {
        let _ = parse(&chain, &key);
        let (good, secret) = made(&["a.example.com"]);
        let mut bytes = good.into_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        let _ = Pair::parse(&bytes, secret.as_bytes());
    }
}
