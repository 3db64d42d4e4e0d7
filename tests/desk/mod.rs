//! A person at the command line: the real binary against a simulated Swarm.
#![allow(dead_code)]

use std::path::PathBuf;
use std::process::{Output, Stdio};

use skep::store;
use skep::world::{Declared, NetworkSpec};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::sim::Sim;

/// A simulated Swarm behind a socket, with network `eastnet`.
pub struct Swarm {
    pub sim: Sim,
    pub dir: tempfile::TempDir,
}

pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Swarm {
    pub async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let sim = Sim::new(3);
        sim.serve_unix(&dir.path().join("engine.sock")).unwrap();
        let eastnet = NetworkSpec {
            name: "eastnet".to_owned(),
            ..NetworkSpec::default()
        };
        sim.engine().create_network(&eastnet).await.unwrap();
        Self { sim, dir }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn file(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name).display().to_string()
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let socket = self.path("engine.sock");
        let mut command = Command::new(env!("CARGO_BIN_EXE_skep"));
        command
            .args(args)
            .env_clear()
            .env("HOME", self.dir.path())
            .env("PATH", "/usr/bin:/bin")
            .env("TMPDIR", self.dir.path())
            .env("DOCKER_HOST", format!("unix://{}", socket.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    pub async fn skep(&self, args: &[&str]) -> Said {
        said(self.command(args).output().await.unwrap())
    }

    /// `apply -f -` of a manifest.
    pub async fn apply(&self, manifest: &str, more: &[&str]) -> Said {
        let mut args = vec!["apply", "-f", "-"];
        args.extend(more);
        let mut child = self.command(&args).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(manifest.as_bytes()).await.unwrap();
        drop(stdin);
        said(child.wait_with_output().await.unwrap())
    }

    pub async fn declared(&self, name: &str) -> Option<Declared> {
        let mut all = store::clusters(&self.sim.engine()).await.unwrap();
        all.remove(name)
    }

    /// An editor that runs a line of sed on the file.
    pub fn editor(&self, script: &str) -> String {
        let path = self.file("editor", &format!("#!/bin/sh\n{script}\n"));
        let mut mode = std::fs::metadata(&path).unwrap().permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o755);
        std::fs::set_permissions(&path, mode).unwrap();
        path
    }
}

pub fn said(output: Output) -> Said {
    Said {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Said {
    #[track_caller]
    pub fn ok(&self) -> &str {
        assert_eq!(self.code, 0, "{}{}", self.out, self.err);
        &self.out
    }

    #[track_caller]
    pub fn fails(&self, code: i32) -> &str {
        assert_eq!(self.code, code, "{}{}", self.out, self.err);
        &self.err
    }
}
