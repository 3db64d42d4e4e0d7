//! Cipher suites: OpenSSL's names for TLS 1.2, and the same suites by IANA name.

use super::units::clean;

/// The suites of TLS 1.3. OpenSSL keeps them in a list of their own.
pub(super) const TLS_1_3: [&str; 3] = [
    "TLS_AES_256_GCM_SHA384",
    "TLS_AES_128_GCM_SHA256",
    "TLS_CHACHA20_POLY1305_SHA256",
];

/// What is offered for TLS 1.2: OpenSSL's name, IANA's name.
const TLS_1_2: [(&str, &str); 8] = [
    (
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    ),
    (
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    ),
    (
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    ),
    (
        "ECDHE-RSA-AES128-GCM-SHA256",
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    ),
    (
        "ECDHE-RSA-AES256-GCM-SHA384",
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    ),
    (
        "ECDHE-RSA-CHACHA20-POLY1305",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    ),
    // As some lists write them.
    (
        "ECDHE-ECDSA-CHACHA20-POLY1305-SHA256",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    ),
    (
        "ECDHE-RSA-CHACHA20-POLY1305-SHA256",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    ),
];

/// What a list of ciphers names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Ciphers {
    /// IANA names of those that are offered too, in the order given, each once.
    pub equal: Vec<&'static str>,
    /// Those that are not, as they were written.
    pub without: Vec<String>,
}

/// Reads OpenSSL's list. Groups (`HIGH`, `ECDHE+AESGCM`) and exclusions (`!MD5`) name no suite.
pub(super) fn read(list: &str) -> Ciphers {
    let mut ciphers = Ciphers::default();
    for word in list.split([':', ',', ' ']).map(str::trim) {
        if !names_a_suite(word) {
            continue;
        }
        let same = |(openssl, iana): &&(&str, &str)| {
            openssl.eq_ignore_ascii_case(word) || iana.eq_ignore_ascii_case(word)
        };
        if TLS_1_3.iter().any(|name| name.eq_ignore_ascii_case(word)) {
            // Always there.
        } else if let Some((_, iana)) = TLS_1_2.iter().find(same) {
            if !ciphers.equal.contains(iana) {
                ciphers.equal.push(iana);
            }
        } else if ciphers.without.len() < 32 {
            ciphers.without.push(clean(word));
        }
    }
    ciphers
}

/// A suite's name has a hyphen or underscore inside; a group's has not, and `+` joins groups.
fn names_a_suite(word: &str) -> bool {
    let is_rule = word.starts_with(['!', '-', '+', '@', '(', '[']) || word.contains('+');
    !is_rule && word.contains(['-', '_'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_and_exclusions_name_no_suite() {
        assert_eq!(read("HIGH:!aNULL:!MD5"), Ciphers::default());
        assert_eq!(
            read("EECDH+AESGCM:EDH+AESGCM:@STRENGTH"),
            Ciphers::default()
        );
    }

    #[test]
    fn suites_that_are_offered_keep_their_order_and_the_others_are_told() {
        let list = "ECDHE-RSA-AES256-GCM-SHA384:AES128-SHA:ECDHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:TLS_AES_128_GCM_SHA256:!DSS";
        let ciphers = read(list);
        assert_eq!(
            ciphers.equal,
            [
                "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
                "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
            ]
        );
        assert_eq!(ciphers.without, ["AES128-SHA", "DHE-RSA-AES256-GCM-SHA384"]);
    }
}
