//! A Swarm, an operator, a repository and its server.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::repo::{Daemon, Key, Repo, cluster};
use crate::sim::{Sim, settings};
use skep::api::{Condition, parse};
use skep::certs::SealingKey;
use skep::control::server::Server;
use skep::operator::telemetry::Telemetry;
use skep::operator::{OperatorSettings, Pipeline, start};
use skep::store::sources::{Login, Purpose};
use skep::world::DeclaredSource;
use skep::{names, store};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// A Swarm, an operator, a repository and its server.
pub struct Stage {
    pub sim: Sim,
    pub repo: Repo,
    pub operator: Pipeline,
    pub telemetry: Telemetry,
    pub key: SealingKey,
    _folder: tempfile::TempDir,
}

pub fn operator(
    sim: &Sim,
    telemetry: &Telemetry,
    sealing: std::path::PathBuf,
    replica: u32,
) -> Pipeline {
    let settings = OperatorSettings {
        replica,
        ..settings(sealing)
    };
    let stop = CancellationToken::new();
    start(sim.engine(), &Server::new(), telemetry, &settings, &stop)
}

pub fn source(url: &str, rest: &str) -> String {
    format!(
        "apiVersion: skep.dev/v1\nkind: Source\nmetadata: {{name: shop}}\nspec:\n  url: {url}\n  interval: 30s\n{rest}"
    )
}

pub fn verify(keys: &[&Key]) -> String {
    let keys: Vec<&str> = keys.iter().map(|key| key.public.as_str()).collect();
    format!("  verify: {{sshKeys: [{}]}}\n", keys.join(", "))
}

impl Stage {
    pub fn new() -> Self {
        let sim = Sim::new(1);
        let folder = tempfile::tempdir().unwrap();
        let key = SealingKey::generate().unwrap();
        let sealing = folder.path().join("key");
        std::fs::write(&sealing, key.text()).unwrap();
        let telemetry = Telemetry::new();
        let operator = operator(&sim, &telemetry, sealing, 1);
        let repo = Repo::new();
        Self {
            sim,
            repo,
            operator,
            telemetry,
            key,
            _folder: folder,
        }
    }

    /// One whose source follows a repository with cluster `east`, which is applied; its server and
    /// its commit.
    pub async fn following(rest: &str) -> (Self, Daemon, String) {
        let stage = Self::new();
        stage.repo.write("east.yaml", cluster("east", 1));
        let commit = stage.repo.push();
        let daemon = Daemon::start(&stage.repo.served());
        stage.declare(&daemon.url(), rest).await;
        stage.applied(&commit).await;
        (stage, daemon, commit)
    }

    /// Declares source `shop`.
    pub async fn declare(&self, url: &str, rest: &str) {
        self.store(&source(url, rest)).await;
    }

    /// Stores a source, also in an older version of the API.
    pub async fn store(&self, text: &str) {
        let parsed = parse::manifests("test", text);
        assert_eq!(parsed.faults, []);
        let source = &parsed.sources[0];
        let engine = self.sim.engine();
        let all = store::sources::list(&engine).await.unwrap();
        let by = store::By {
            older: true,
            ..store::By::default()
        };
        store::apply_by(&engine, &all, source, by).await.unwrap();
    }

    pub async fn source(&self) -> DeclaredSource {
        let all = store::sources::list(&self.sim.engine()).await.unwrap();
        all.get("shop").cloned().unwrap_or_default()
    }

    pub async fn ready(&self) -> Condition {
        let status = self.source().await.status.unwrap();
        status.conditions[1].clone()
    }

    /// Waits, ten minutes of the paused clock at most, for a reason of the condition Ready.
    pub async fn until(&self, reason: &str) -> Condition {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.source().await.status
                && let Some(ready) = status.conditions.get(1)
            {
                if ready.reason == reason {
                    return ready.clone();
                }
                assert!(begin.elapsed() < Duration::from_secs(600), "{ready:?}");
            }
            assert!(begin.elapsed() < Duration::from_secs(600), "no status");
            sleep(Duration::from_millis(200)).await;
        }
    }

    pub async fn applied(&self, commit: &str) {
        let begin = Instant::now();
        while self.source().await.status.is_none_or(|status| {
            status.revision != commit || status.conditions[1].reason != "Applied"
        }) {
            assert!(
                begin.elapsed() < Duration::from_secs(600),
                "{:?}",
                self.source().await.status
            );
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// Each declared cluster with its replicas and who stored it.
    pub async fn clusters(&self) -> BTreeMap<String, (u64, String)> {
        let all = store::clusters(&self.sim.engine()).await.unwrap();
        all.into_iter()
            .map(|(name, declared)| {
                let manager = declared.newest().unwrap().manager();
                let spec = declared.accepted.unwrap().cluster.spec;
                (name, (spec.proxy.replicas.unwrap_or(0), manager))
            })
            .collect()
    }

    pub async fn apply(&self, name: &str, replicas: u32) {
        let parsed = parse::manifests("test", &cluster(name, replicas));
        let engine = self.sim.engine();
        let by = store::By {
            manager: Some("apply"),
            force: true,
            ..store::By::default()
        };
        let all = store::clusters(&engine).await.unwrap();
        store::apply_by(&engine, &all, &parsed.clusters[0], by)
            .await
            .unwrap();
    }

    pub async fn seal(&self, purpose: Purpose, content: &[u8]) {
        let name = names::source_secret("shop", purpose.word());
        let sealed = self.key.public().seal(&name, content).unwrap();
        let engine = self.sim.engine();
        store::sources::seal(&engine, "shop", purpose, &sealed)
            .await
            .unwrap();
    }

    pub async fn login(&self, password: &str, origin: &str) {
        let login = Login {
            username: "me".to_owned(),
            password: password.to_owned(),
            origin: origin.to_owned(),
        };
        let content = serde_json::to_vec(&login).unwrap();
        self.seal(Purpose::Auth, &content).await;
    }
}

/// A door before a server of git: it tells of each caller, and lets it in when it is told to.
pub struct Door {
    pub url: String,
    pub callers: tokio::sync::mpsc::UnboundedReceiver<tokio::sync::oneshot::Sender<()>>,
}

impl Door {
    pub async fn before(port: u16) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!(
            "git://127.0.0.1:{}/shop.git",
            listener.local_addr().unwrap().port()
        );
        let (tell, callers) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((mut caller, _)) = listener.accept().await {
                let (open, opened) = tokio::sync::oneshot::channel();
                let _ = tell.send(open);
                tokio::spawn(async move {
                    let _ = opened.await;
                    let mut server = tokio::net::TcpStream::connect(("127.0.0.1", port))
                        .await
                        .unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut caller, &mut server).await;
                });
            }
        });
        Self { url, callers }
    }
}

pub fn owned(replicas: u64) -> (u64, String) {
    (replicas, "source/shop".to_owned())
}
