//! Real git repositories and servers for tests: `git daemon`, and `git http-backend` behind HTTP or
//! TLS. Only `git` itself is needed.
#![allow(dead_code)]

pub mod web;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A repository that somebody works in, and its bare twin that is served.
pub struct Repo {
    folder: tempfile::TempDir,
}

/// Runs git without any setting of this machine; its output.
pub fn git(folder: &Path, args: &[&str]) -> String {
    let output = command(folder).args(args).output().expect("git is there");
    assert!(
        output.status.success(),
        "git {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout)
        .expect("text")
        .trim()
        .to_owned()
}

fn command(folder: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .current_dir(folder)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_AUTHOR_NAME", "A")
        .env("GIT_AUTHOR_EMAIL", "a@example.com")
        .env("GIT_COMMITTER_NAME", "A")
        .env("GIT_COMMITTER_EMAIL", "a@example.com")
        .stdin(Stdio::null());
    command
}

impl Repo {
    /// An empty repository with branch `main`, served as `shop.git`.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let repo = Self { folder };
        let top = repo.folder.path();
        git(top, &["init", "-q", "-b", "main", "work"]);
        git(
            top,
            &["init", "-q", "--bare", "-b", "main", "served/shop.git"],
        );
        git(
            &repo.work(),
            &["remote", "add", "origin", "../served/shop.git"],
        );
        repo
    }

    /// Where it is worked in.
    pub fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// The folder that is served.
    pub fn served(&self) -> PathBuf {
        self.folder.path().join("served")
    }

    /// The bare repository.
    pub fn bare(&self) -> PathBuf {
        self.served().join("shop.git")
    }

    /// Writes a file.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.work().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, content).expect("written");
    }

    /// Removes a file.
    pub fn remove(&self, path: &str) {
        std::fs::remove_file(self.work().join(path)).expect("removed");
    }

    /// Commits everything and pushes it, whatever is there; the commit.
    pub fn push(&self) -> String {
        git(&self.work(), &["add", "-A"]);
        git(
            &self.work(),
            &["commit", "-q", "--allow-empty", "-m", "change"],
        );
        self.force()
    }

    /// Pushes the branch as it is; the commit.
    pub fn force(&self) -> String {
        git(
            &self.work(),
            &["push", "-q", "--force", "origin", "HEAD:main"],
        );
        git(&self.work(), &["rev-parse", "HEAD"])
    }
}

/// A `git daemon`; it ends with this value.
pub struct Daemon {
    child: Child,
    /// Its port on the loopback.
    pub port: u16,
}

impl Daemon {
    /// Serves the repositories of a folder.
    pub fn start(served: &Path) -> Self {
        Self::on(served, free_port())
    }

    /// The same on a port.
    pub fn on(served: &Path, port: u16) -> Self {
        let mut child = command(served)
            .args([
                "daemon",
                "--reuseaddr",
                "--export-all",
                "--listen=127.0.0.1",
            ])
            .arg(format!("--port={port}"))
            .arg(format!("--base-path={}", served.display()))
            .arg(served)
            .stderr(Stdio::null())
            // With its children, so that all of them can be ended.
            .spawn()
            .expect("git daemon runs");
        let begin = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                begin.elapsed() < Duration::from_secs(20)
                    && child.try_wait().is_ok_and(|end| end.is_none()),
                "git daemon does not listen"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { child, port }
    }

    /// The address of the repository.
    pub fn url(&self) -> String {
        format!("git://127.0.0.1:{}/shop.git", self.port)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // `git daemon` is a child of `git`, which passes the signal on when it is asked kindly.
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").arg(&pid).status();
        let _ = self.child.wait();
    }
}

/// A port that was free just now.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

/// A small cluster's manifest.
pub fn cluster(name: &str, replicas: u32) -> String {
    format!(
        "apiVersion: skep.dev/v1\nkind: ServiceCluster\nmetadata: {{name: {name}}}\nspec:\n  networks: [{{name: {name}net, create: {{}}}}]\n  proxy: {{replicas: {replicas}, publish: {{mode: none}}}}\n"
    )
}

/// A key pair of SSH.
pub struct Key {
    folder: tempfile::TempDir,
    /// The line of its `.pub` file.
    pub public: String,
}

impl Key {
    /// Makes one by `ssh-keygen`: a type, or a type and its bits.
    pub fn new(kind: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-N", "", "-C", "alice@example.com", "-t"]);
        let made = command.args(kind).arg("-f").arg(&path).status();
        assert!(made.is_ok_and(|status| status.success()), "ssh-keygen");
        let public = std::fs::read_to_string(path.with_extension("pub")).expect("a key");
        Self {
            folder,
            public: public.trim().to_owned(),
        }
    }

    /// The file with the private key.
    pub fn path(&self) -> String {
        self.folder.path().join("key").display().to_string()
    }

    /// What `ssh-keygen` signs of a text, as one for a namespace.
    pub fn sign(&self, namespace: &str, text: &str) -> String {
        let file = self.folder.path().join("text");
        std::fs::write(&file, text).expect("written");
        let signature = self.folder.path().join("text.sig");
        let _ = std::fs::remove_file(&signature);
        let signed = Command::new("ssh-keygen")
            .args(["-q", "-Y", "sign", "-n", namespace, "-f", &self.path()])
            .arg(&file)
            .stderr(Stdio::null())
            .status();
        assert!(signed.is_ok_and(|status| status.success()), "ssh-keygen");
        std::fs::read_to_string(signature).expect("a signature")
    }
}

impl Repo {
    /// As [`Repo::push`], with a commit that is signed.
    pub fn push_signed(&self, key: &Key) -> String {
        git(&self.work(), &["add", "-A"]);
        let key = format!("user.signingkey={}", key.path());
        let settings = ["-c", "gpg.format=ssh", "-c", &key];
        let commit = ["commit", "-q", "-S", "--allow-empty", "-m", "change"];
        git(&self.work(), &[&settings[..], &commit].concat());
        self.force()
    }

    /// What a commit holds, as it is hashed.
    pub fn content(&self, commit: &str) -> String {
        let text = git(&self.work(), &["cat-file", "commit", commit]);
        text + "\n"
    }

    /// Makes this content a commit and pushes it; the commit.
    pub fn push_content(&self, content: &str) -> String {
        let file = self.work().join(".git/content");
        std::fs::write(&file, content).expect("written");
        let commit = git(
            &self.work(),
            &["hash-object", "-t", "commit", "-w", ".git/content"],
        );
        git(&self.work(), &["update-ref", "refs/heads/main", &commit]);
        self.force()
    }
}

/// A commit's content, signed: the header that git itself writes.
pub fn with_signature(content: &str, signature: &str) -> String {
    let (head, message) = content.split_once("\n\n").expect("a message");
    let lines = signature.trim().replace('\n', "\n ");
    format!("{head}\ngpgsig {lines}\n\n{message}")
}
