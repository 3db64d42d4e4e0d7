//! What libraries say of TLS, in plain words. None of it repeats what is in a file.

use std::error::Error as _;
use std::io;

use rustls::pki_types::pem;
use rustls::{AlertDescription, CertificateError, Error};

/// What is wrong with a file that should be PEM.
pub(super) fn of_pem(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => "a line `-----END ...-----` is missing",
        pem::Error::IllegalSectionStart { .. } => "a line `-----BEGIN ...-----` is damaged",
        pem::Error::Base64Decode(_) => "what stands between BEGIN and END is not base64",
        pem::Error::SectionTooLarge => "a part of it is too large",
        _ => "it cannot be read",
    }
}

/// Why a file of a secret cannot be read.
pub(super) fn of_file(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file",
        io::ErrorKind::PermissionDenied => "the proxy may not read it",
        _ => "it cannot be read",
    }
}

/// Why no TLS came about with an endpoint, and what to do where a label can do it.
pub(super) fn of_handshake(error: &io::Error) -> &'static str {
    let source = error.get_ref().and_then(|it| it.downcast_ref::<Error>());
    match source {
        Some(Error::InvalidCertificate(why)) => of_certificate(why),
        Some(Error::AlertReceived(alert)) => of_alert(*alert),
        Some(Error::InvalidMessage(_)) => {
            "what it answers is not TLS: does its port speak plain HTTP?"
        }
        Some(Error::PeerIncompatible(_)) => {
            "it offers no version or cipher of TLS that is accepted here"
        }
        Some(_) => "it does not keep to the rules of TLS",
        None => match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe => {
                "it closed the connection in the middle of the handshake"
            }
            _ => "the connection broke in the middle of the handshake",
        },
    }
}

fn of_certificate(error: &CertificateError) -> &'static str {
    match error {
        CertificateError::UnknownIssuer => {
            "its certificate is from nobody who is trusted here: name its authority by backend_ca"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has ended: give it a new one"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet: look at its clock, and at this node's"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for another name: tell the right one by backend_tls_name"
        }
        CertificateError::Other(other) if is_authority(other) => {
            "it shows the certificate of an authority (CA:TRUE) as its own: give it one of its own, signed by that authority"
        }
        CertificateError::BadEncoding => "its certificate is damaged",
        CertificateError::Revoked => "its certificate was revoked",
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "its certificate is not meant for servers"
        }
        _ => "its certificate cannot be checked",
    }
}

/// The library has no word of its own for it but its name.
fn is_authority(other: &rustls::OtherError) -> bool {
    let names = |text: String| text.contains("CaUsedAsEndEntity");
    names(other.to_string()) || other.source().is_some_and(|it| names(it.to_string()))
}

fn of_alert(alert: AlertDescription) -> &'static str {
    match alert {
        AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure => {
            "it accepts no version or cipher of TLS that is offered here"
        }
        AlertDescription::UnrecognisedName => {
            "it does not know the name that is asked for: tell the right one by backend_tls_name"
        }
        AlertDescription::CertificateRequired => "it wants a certificate of the proxy",
        AlertDescription::NoApplicationProtocol => {
            "it does not speak the protocol that is asked for: see backend_protocol"
        }
        _ => "it broke off the handshake",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn no_name_of_a_rust_type_reaches_a_user() {
        let authority = rustls::OtherError(Arc::new(io::Error::other("CaUsedAsEndEntity")));
        let errors = [
            Error::InvalidCertificate(CertificateError::Other(authority)),
            Error::InvalidCertificate(CertificateError::UnknownIssuer),
            Error::AlertReceived(AlertDescription::ProtocolVersion),
            Error::General("Whatever".into()),
        ];
        let said = errors.map(|error| of_handshake(&io::Error::other(error)));
        assert!(said[0].contains("authority"), "{said:?}");
        assert!(said[1].contains("backend_ca"), "{said:?}");
        assert!(said[2].contains("version"), "{said:?}");
        assert!(said.iter().all(|text| !text.contains("Entity")));
    }

    #[test]
    fn a_broken_file_is_not_repeated() {
        let error = pem::Error::IllegalSectionStart {
            line: b"-----BEGIN secret".to_vec(),
        };
        assert!(!of_pem(&error).contains("secret"));
    }
}
