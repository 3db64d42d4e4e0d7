//! A simulated Swarm with what `skep install` makes, behind a socket; a folder for files; and the
//! real binary that is called in it.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use skep::certs::SealingKey;
use skep::control::server::Server;
use skep::names;
use skep::operator::telemetry::Telemetry;
use skep::operator::{OperatorSettings, Pipeline, start};
use skep::world::NetworkSpec;
use tokio_util::sync::CancellationToken;

use crate::sim::{Sim, settings};

/// The Swarm, the folder, and the operator where one is at work.
pub struct Stage {
    /// The engine.
    pub sim: Sim,
    folder: tempfile::TempDir,
    operator: Option<Pipeline>,
}

impl Stage {
    /// With an operator in this process.
    pub async fn new() -> Self {
        let mut stage = Self::bare().await;
        let settings = OperatorSettings {
            quiet: Duration::from_millis(100),
            ..settings(stage.path("key"))
        };
        let (server, telemetry) = (Server::new(), Telemetry::new());
        let (engine, stop) = (stage.sim.engine(), CancellationToken::new());
        let pipeline = start(engine, &server, &telemetry, &settings, &stop);
        stage.operator = Some(pipeline);
        stage
    }

    /// Without an operator.
    pub async fn bare() -> Self {
        let stage = Self {
            sim: Sim::new(1),
            folder: tempfile::tempdir().unwrap(),
            operator: None,
        };
        let engine = stage.sim.engine();
        let key = SealingKey::generate().unwrap();
        let public = key.public().text();
        let labels = BTreeMap::from([(names::LABEL_SEALING.to_owned(), public)]);
        let none = BTreeMap::new();
        for (name, labels) in [
            (names::SECRET_CA, &none),
            (names::SECRET_PROXY, &none),
            (names::SECRET_SEALING, &labels),
        ] {
            engine.create_secret(name, labels, b"x").await.unwrap();
        }
        let control = NetworkSpec {
            name: names::CONTROL_NETWORK.to_owned(),
            ..NetworkSpec::default()
        };
        engine.create_network(&control).await.unwrap();
        stage.write("key", &key.text());
        stage.sim.serve_unix(&stage.path("docker.sock")).unwrap();
        stage
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file; its path.
    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// A program in the folder, with this engine and this `skep`.
    pub fn command(&self, program: &str) -> tokio::process::Command {
        let host = format!("unix://{}", self.path("docker.sock").display());
        let skep = PathBuf::from(env!("CARGO_BIN_EXE_skep"));
        let path = std::env::var("PATH").unwrap();
        let path = format!("{}:{path}", skep.parent().unwrap().display());
        let mut command = tokio::process::Command::new(program);
        command
            .env_clear()
            .env("HOME", "/nonexistent")
            .env("DOCKER_HOST", host)
            .env("PATH", path)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Calls `skep`.
    pub async fn skep(&self, args: &[&str]) -> Output {
        self.command(env!("CARGO_BIN_EXE_skep"))
            .args(args)
            .output()
            .await
            .unwrap()
    }

    /// Succeeds; what it printed.
    #[track_caller]
    pub fn good(output: &Output) -> String {
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{err}");
        String::from_utf8(output.stdout.clone()).unwrap()
    }

    /// Fails with this code; what it said.
    #[track_caller]
    pub fn bad(output: &Output, code: i32) -> String {
        let err = String::from_utf8(output.stderr.clone()).unwrap();
        assert_eq!(output.status.code(), Some(code), "{err}");
        err
    }
}
