//! One look at a repository: its newest manifests, or why they cannot be had.

use tokio::time::Instant;

use super::Context;
use crate::api::signer::signer;
use crate::api::{ServiceCluster, SourceFault, SourceSpec, parse};
use crate::certs::SealingKey;
use crate::git::{self, Credentials, Fetched, Limits, Url};
use crate::names;
use crate::runtime::file;
use crate::status::source::{Faults, cut};
use crate::store::sources::{Login, Purpose, sealed_for};
use crate::world::World;

/// Bytes of a message.
const MESSAGE: usize = 2_000;

/// Why a look, or what follows from it, failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) reason: &'static str,
    pub(super) message: String,
    /// The commit that is at fault; `None`: none was read.
    pub(super) commit: Option<String>,
    /// What is wrong one by one.
    pub(super) faults: Faults,
}

impl Failure {
    fn plain(reason: &'static str, message: String) -> Self {
        Self {
            reason,
            message,
            commit: None,
            faults: Faults::default(),
        }
    }

    /// Several faults of a commit; `what` stands for one of them, and where.
    pub(super) fn faulty(
        reason: &'static str,
        commit: &str,
        what: (&str, &str),
        faults: Faults,
    ) -> Self {
        let (count, (one, many)) = (faults.count(), what);
        let what = if count == 1 { one } else { many };
        Self {
            reason,
            message: format!("{count} {what}"),
            commit: Some(commit.to_owned()),
            faults,
        }
    }
}

/// What is known of one source's repository.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// What it was read for: another manifest or other credentials read it anew.
    pub(super) basis: String,
    /// The commit that was read last, with its clusters or why there are none.
    pub(super) content: Option<(String, Result<Vec<ServiceCluster>, Failure>)>,
    /// Why the last look failed.
    pub(super) failure: Option<Failure>,
    /// When to look again.
    pub(super) next: Instant,
    /// Failures in a row.
    pub(super) failures: u32,
    /// When it last went well (RFC 3339); empty: not yet.
    pub(super) last_success: String,
    /// The request of `skep sync` that was answered last.
    pub(super) handled: String,
}

impl Known {
    pub(super) fn new(basis: String) -> Self {
        Self {
            basis,
            content: None,
            failure: None,
            next: Instant::now(),
            failures: 0,
            last_success: String::new(),
            handled: String::new(),
        }
    }
}

impl Context {
    /// Looks at the repository and notes what was found.
    pub(super) async fn look(
        &self,
        name: &str,
        spec: &SourceSpec,
        world: &World,
        known: &mut Known,
    ) {
        let commit = known.content.as_ref().map(|(commit, _)| commit.clone());
        let fetched = match self.request(name, spec, world, commit) {
            Ok(request) => git::fetch(request).await.map_err(|error| Failure {
                reason: error.category(),
                message: error.to_string(),
                commit: error.commit().map(str::to_owned),
                faults: Faults::default(),
            }),
            Err(failure) => Err(failure),
        };
        known.failure = None;
        match fetched {
            Ok(Fetched::Known(_)) => {}
            Ok(Fetched::Revision(revision)) => {
                // A large revision takes a while, which other loops need not wait for.
                let commit = revision.commit.clone();
                let parsed = tokio::task::spawn_blocking(move || clusters(&revision)).await;
                match parsed {
                    Ok(clusters) => known.content = Some((commit, clusters)),
                    Err(error) => {
                        let message = format!("the manifests could not be read: {error}");
                        let mut failure = Failure::plain("InvalidManifest", message);
                        failure.commit = Some(commit);
                        known.failure = Some(failure);
                    }
                }
            }
            Err(failure) => known.failure = Some(shortened(failure)),
        }
    }

    fn request(
        &self,
        name: &str,
        spec: &SourceSpec,
        world: &World,
        known: Option<String>,
    ) -> Result<git::Request, Failure> {
        let url = Url::parse(&spec.url)
            .map_err(|error| Failure::plain(error.category(), error.to_string()))?;
        let credentials = self.credentials(name, &url, world);
        let credentials = credentials.map_err(|message| Failure::plain("AccessDenied", message))?;
        let signers = spec.verify.as_ref().map(|verify| {
            // All are readable: the manifest is valid. One that is not vouches for nothing.
            let keys = verify.ssh_keys.iter();
            keys.filter_map(|key| signer(key).ok()).collect()
        });
        Ok(git::Request {
            url,
            reference: spec.reference.clone(),
            folder: spec.folder(),
            authorities: spec.ca.clone(),
            credentials,
            signers,
            known,
            limits: Limits::default(),
            stop: self.stop.clone(),
        })
    }

    /// The credentials that are stored for a source. They go to the server that they were stored
    /// for and to no other, wherever the source's URL leads.
    fn credentials(
        &self,
        name: &str,
        url: &Url,
        world: &World,
    ) -> Result<Option<Credentials>, String> {
        let Some(content) = self.unsealed(name, Purpose::Auth, world)? else {
            return Ok(None);
        };
        let again = format!("store them again with `skep source auth {name}`");
        let login: Login = serde_json::from_slice(&content)
            .map_err(|_| format!("the stored credentials are broken: {again}"))?;
        if login.origin != url.origin() {
            return Err(format!(
                "the stored credentials are for {}, spec.url leads to {}: {again}",
                login.origin,
                url.origin()
            ));
        }
        Ok(Some(Credentials {
            username: login.username,
            password: login.password,
        }))
    }

    /// What is sealed for a source, opened. The key is read each time: it is a small file, and
    /// what is not kept cannot leak.
    pub(super) fn unsealed(
        &self,
        name: &str,
        purpose: Purpose,
        world: &World,
    ) -> Result<Option<Vec<u8>>, String> {
        let Some(sealed) = sealed_for(world, name, purpose) else {
            return Ok(None);
        };
        let text = file::text(&self.sealing, file::SMALL).map_err(|error| {
            format!(
                "the operator has no sealing key ({}: {error}): run `skep install`",
                self.sealing.display()
            )
        })?;
        let key = SealingKey::parse(&text).map_err(|error| error.to_string())?;
        let opened = key.open(&names::source_secret(name, purpose.word()), sealed);
        opened.map(Some).map_err(|_| {
            format!(
                "what is stored cannot be opened: store it again with `skep source {} {name}`",
                purpose.word()
            )
        })
    }
}

/// The clusters of a revision, or what is wrong with it.
fn clusters(revision: &git::Revision) -> Result<Vec<ServiceCluster>, Failure> {
    let mut texts = Vec::new();
    let mut faults = Faults::default();
    for file in &revision.files {
        match parse::text(&file.path, &file.data) {
            Ok(text) => texts.push((file.path.as_str(), text)),
            Err(fault) => faults.add(&fault),
        }
    }
    let parsed = parse::together(texts);
    faults.extend(&parsed.faults);
    let names = parsed.names.iter();
    for source in names.filter(|named| named.kind == names::KIND_SOURCE) {
        faults.add(SourceFault {
            file: source.source.clone(),
            line: source.line as u64,
            column: source.column as u64,
            hint: "keep sources outside of spec.path and store them with `skep apply`".to_owned(),
            ..SourceFault::new(format!(
                "source/{}: a source applies service clusters only",
                source.name
            ))
        });
    }
    if faults.count() == 0 && parsed.clusters.is_empty() {
        faults.add(SourceFault {
            hint: "nothing is deleted; to remove everything, delete the source and its clusters"
                .to_owned(),
            ..SourceFault::new("the manifests declare no service cluster")
        });
    }
    if faults.count() == 0 {
        return Ok(parsed.clusters);
    }
    let what = ("fault in its manifests", "faults in its manifests");
    let failure = Failure::faulty("InvalidManifest", &revision.commit, what, faults);
    Err(failure)
}

fn shortened(mut failure: Failure) -> Failure {
    // A server's words may hold anything.
    failure.message = cut(&failure.message, MESSAGE);
    failure
}
