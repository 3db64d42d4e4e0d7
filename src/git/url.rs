//! Where a repository is.

use std::fmt;

use super::Error;

/// The address of a repository: `https://`, `http://` or `git://`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// How it is spoken to.
    pub scheme: Scheme,
    /// Name or address of the server, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The path, with its leading slash, without a closing one.
    pub path: String,
    text: String,
}

/// How a repository is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// HTTP over TLS.
    Https,
    /// HTTP in the clear.
    Http,
    /// Git's own protocol, in the clear.
    Git,
}

impl Url {
    /// Reads an address.
    pub fn parse(text: &str) -> Result<Self, Error> {
        // The text is left out: it may hold a password.
        let fail = |why: &str| Error::Url(format!("the URL {why}"));
        let uri: http::Uri = text.parse().map_err(|_| fail("is not a URL"))?;
        let (scheme, port) = match uri.scheme_str() {
            Some("https") => (Scheme::Https, 443),
            Some("http") => (Scheme::Http, 80),
            Some("git") => (Scheme::Git, 9418),
            _ => return Err(fail("cannot be read: use https://, http:// or git://")),
        };
        let authority = uri.authority().ok_or_else(|| fail("names no server"))?;
        if authority.as_str().contains('@') {
            return Err(fail(
                "holds credentials: store them with `skep source auth`",
            ));
        }
        if uri.query().is_some() {
            return Err(fail("has a question mark"));
        }
        Ok(Self {
            scheme,
            host: uri
                .host()
                .unwrap_or_default()
                .trim_matches(['[', ']'])
                .into(),
            port: uri.port_u16().unwrap_or(port),
            path: uri.path().trim_end_matches('/').to_owned(),
            text: text.trim_end_matches('/').to_owned(),
        })
    }

    /// The server, as people and the `Host` header write it.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        match (self.scheme, self.port) {
            (Scheme::Https, 443) | (Scheme::Http, 80) | (Scheme::Git, 9418) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }

    /// Scheme and server: what credentials are good for.
    #[must_use]
    pub fn origin(&self) -> String {
        let scheme = match self.scheme {
            Scheme::Https => "https",
            Scheme::Http => "http",
            Scheme::Git => "git",
        };
        format!("{scheme}://{}", self.authority().to_ascii_lowercase())
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_does_not_repeat_a_password() {
        for text in [
            "https://me:hunter2@git.example.com/shop.git",
            "ftp://me:hunter2@git.example.com/shop.git",
            "https://me:hunter2@git example.com/shop.git",
            "https://git.example.com/shop.git?token=hunter2",
        ] {
            let error = Url::parse(text).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
            assert!(error.starts_with("the URL "), "{error}");
        }
    }
}
