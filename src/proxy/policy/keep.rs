//! What policies have in common, and what outlives the tables they are part of.

use std::collections::HashMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::auth::Gate;
use super::clients::Clients;
use super::htpasswd::Users;
use crate::names::content_hash;
use crate::route::Policy;

/// No secret is larger: the engine allows 500 kB.
const LARGEST: u64 = 512 << 10;

/// One a process.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Keep {
    secrets_dir: PathBuf,
    /// By name of the secret, with a hash of what they were made from. As many as there are files.
    users: HashMap<String, (String, Arc<Users>)>,
    pub(super) clients: Arc<Clients>,
    pub(super) gate: Arc<Gate>,
}

impl Keep {
    /// Files are looked for in this directory.
    pub(in crate::proxy) fn new(secrets_dir: &Path) -> Self {
        Self {
            secrets_dir: secrets_dir.to_owned(),
            ..Self::default()
        }
    }

    /// Reads the files that a policy needs. A file that is as it was keeps what is known of it.
    pub(in crate::proxy) fn read(&mut self, policy: &Policy) -> Result<(), String> {
        let Some(auth) = &policy.basic_auth else {
            return Ok(());
        };
        let name = &auth.secret;
        let fail = |why: &str| format!("secret `{}`: {why}", name.escape_debug());
        let text = load(&self.secrets_dir, name).map_err(|why| fail(&why))?;
        let hash = content_hash(text.as_bytes());
        if let Some((last, _)) = self.users.get(name)
            && *last == hash
        {
            return Ok(());
        }
        let users = Users::parse(&text).map_err(|why| fail(&why))?;
        self.users.insert(name.clone(), (hash, Arc::new(users)));
        Ok(())
    }

    /// The users of a secret that was read before.
    pub(super) fn users(&self, secret: &str) -> Option<Arc<Users>> {
        self.users.get(secret).map(|(_, users)| Arc::clone(users))
    }

    #[cfg(test)]
    pub(super) fn put(&mut self, secret: &str, users: Arc<Users>) {
        let hash = String::new();
        self.users.insert(secret.to_owned(), (hash, users));
    }
}

fn load(dir: &Path, name: &str) -> Result<String, String> {
    // The wire checks this too; a name must never lead out of the directory.
    if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0']) {
        return Err("it does not name a file".to_owned());
    }
    let cannot = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            format!("it is not mounted in {}", dir.display())
        }
        std::io::ErrorKind::InvalidData => "it is not text".to_owned(),
        _ => format!("it cannot be read: {error}"),
    };
    let file = std::fs::File::open(dir.join(name)).map_err(cannot)?;
    let mut text = String::new();
    let read = file.take(LARGEST + 1).read_to_string(&mut text);
    match read.map_err(cannot)? as u64 {
        len if len > LARGEST => Err(format!("it is larger than {LARGEST} bytes")),
        _ => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::policy::htpasswd::tests::ALICE;
    use crate::route::BasicAuth;

    fn asks_for(secret: &str) -> Policy {
        Policy {
            basic_auth: Some(BasicAuth {
                realm: "r".to_owned(),
                secret: secret.to_owned(),
            }),
            ..Policy::default()
        }
    }

    #[test]
    fn a_file_that_is_as_it_was_keeps_what_is_known_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut keep = Keep::new(dir.path());
        std::fs::write(dir.path().join("team"), ALICE).unwrap();
        keep.read(&asks_for("team")).unwrap();
        let first = keep.users("team").unwrap();
        keep.read(&asks_for("team")).unwrap();
        assert!(Arc::ptr_eq(&first, &keep.users("team").unwrap()));
        std::fs::write(dir.path().join("team"), format!("{ALICE}\n#")).unwrap();
        keep.read(&asks_for("team")).unwrap();
        assert!(!Arc::ptr_eq(&first, &keep.users("team").unwrap()));
    }

    #[test]
    fn a_file_that_cannot_be_used_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let mut keep = Keep::new(dir.path());
        std::fs::write(dir.path().join("plain"), "alice:secret").unwrap();
        std::fs::write(dir.path().join("bytes"), [0xff, 0xfe]).unwrap();
        std::fs::write(dir.path().join("large"), vec![b'#'; 600_000]).unwrap();
        for (name, want) in [
            ("missing", "secret `missing`: it is not mounted in"),
            ("plain", "secret `plain`: line 1"),
            ("bytes", "not text"),
            ("large", "larger"),
            ("../plain", "does not name a file"),
            ("", "does not name a file"),
        ] {
            let why = keep.read(&asks_for(name)).unwrap_err();
            assert!(why.contains(want), "{why} does not say {want}");
            assert!(keep.users(name).is_none());
        }
        assert_eq!(keep.read(&Policy::default()), Ok(()));
    }
}
