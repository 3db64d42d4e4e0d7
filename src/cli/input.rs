//! What people give to read: files and standard input, never more of either than was meant to be
//! there.

use std::io::ErrorKind;
use std::path::Path;

use super::error::{CliError, Result};
use crate::runtime::file;

/// Most that is read as one kind of input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// In KiB.
    kib: u64,
    /// What to do with more.
    instead: &'static str,
}

/// Manifests and the configurations that become some: 500 clusters are far less than 1 MiB.
pub const MANIFESTS: Limit = Limit {
    kib: 16 * 1_024,
    instead: "split it into several files",
};

/// Certificates and keys: the engine takes configs of less than 1,024,000 bytes, sealed in base64
/// twice.
pub const CERTIFICATE: Limit = Limit {
    kib: 512,
    instead: "a certificate file holds one chain, and its key at most",
};

/// Passwords, tokens and secrets of webhooks.
pub const SECRET: Limit = Limit {
    kib: 64,
    instead: "a secret is one line",
};

impl Limit {
    fn bytes(self) -> u64 {
        self.kib * 1_024
    }

    fn told(self) -> String {
        match self.kib {
            kib if kib.is_multiple_of(1_024) => format!("{} MiB", kib / 1_024),
            kib => format!("{kib} KiB"),
        }
    }
}

/// The content of a file, or of standard input for `-`; else why it cannot be had, without the
/// name, which callers put before it. A pipe or a device that is named is read, up to the limit.
pub fn bytes(path: &Path, limit: Limit) -> std::result::Result<Vec<u8>, String> {
    let read = if path == Path::new("-") {
        file::within(std::io::stdin().lock(), limit.bytes())
    } else {
        file::bytes(path, limit.bytes())
    };
    read.map_err(|error| {
        if error.kind() == ErrorKind::FileTooLarge {
            let (most, instead) = (limit.told(), limit.instead);
            return format!("is larger than {most}, more than is read here: {instead}");
        }
        format!("cannot be read: {error}")
    })
}

/// As [`bytes`], as text.
pub fn text(path: &Path, limit: Limit) -> std::result::Result<String, String> {
    String::from_utf8(bytes(path, limit)?).map_err(|_| "is not text in UTF-8".to_owned())
}

/// Does work that may wait for a pipe or a person on a thread of its own, so that an interrupt
/// ends the program meanwhile.
pub async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let (done, ended) = tokio::sync::oneshot::channel();
    // Not a thread of the runtime's, whose end is waited for.
    std::thread::spawn(move || done.send(work()));
    let stopped = |_| CliError::Failed("what was given could not be read".to_owned());
    ended.await.map_err(stopped)?
}

#[cfg(test)]
mod tests {
    use super::*;

    const TINY: Limit = Limit {
        kib: 1,
        instead: "give less",
    };

    #[test]
    fn what_fits_is_read_whole_and_no_byte_more() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, [b'a'; 1_024]).unwrap();
        assert_eq!(bytes(&path, TINY).unwrap().len(), 1_024);
        std::fs::write(&path, [b'a'; 1_025]).unwrap();
        let why = bytes(&path, TINY).unwrap_err();
        let told = "is larger than 1 KiB, more than is read here: give less";
        assert_eq!(why, told);
    }

    #[test]
    fn what_never_ends_is_given_up() {
        for limit in [MANIFESTS, CERTIFICATE, SECRET] {
            let why = bytes(Path::new("/dev/zero"), limit).unwrap_err();
            let told = format!("is larger than {}", limit.told());
            assert!(why.starts_with(&told), "{why}");
        }
        assert_eq!(MANIFESTS.told(), "16 MiB");
    }

    #[test]
    fn what_is_no_text_or_not_there_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("latin1");
        assert!(text(&path, TINY).unwrap_err().starts_with("cannot be read"));
        std::fs::write(&path, [0xe4]).unwrap();
        assert_eq!(text(&path, TINY).unwrap_err(), "is not text in UTF-8");
    }
}
