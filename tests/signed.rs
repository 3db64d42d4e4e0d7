//! Commits that are signed by real `git` and `ssh-keygen`, read from a real server.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod repo;

use repo::{Daemon, Key, Repo, git, with_signature};
use tokio_util::sync::CancellationToken;

use skep::api::signer::signer;
use skep::git::{Error, Fetched, Limits, Request, Url, fetch};

/// What comes of reading a repository whose commits these keys must have signed.
async fn read(daemon: &Daemon, signers: &[&Key]) -> Result<String, Error> {
    read_at(daemon, signers, None).await
}

async fn read_at(
    daemon: &Daemon,
    signers: &[&Key],
    reference: Option<&str>,
) -> Result<String, Error> {
    let keys = signers.iter().map(|key| signer(&key.public).unwrap());
    let request = Request {
        url: Url::parse(&daemon.url()).unwrap(),
        reference: reference.map(str::to_owned),
        folder: String::new(),
        authorities: None,
        credentials: None,
        signers: Some(keys.collect()),
        known: None,
        limits: Limits::default(),
        stop: CancellationToken::new(),
    };
    fetch(request).await.map(|fetched| match fetched {
        Fetched::Revision(revision) => {
            assert_eq!(revision.files.len(), 1);
            revision.commit
        }
        Fetched::Known(commit) => panic!("{commit} is not known"),
    })
}

/// Refused for this commit; why.
#[track_caller]
fn refused(read: Result<String, Error>, wanted: &str) -> String {
    match read {
        Err(error @ Error::Unverified { .. }) => {
            assert_eq!(error.commit(), Some(wanted));
            assert_eq!(error.category(), "Unverified");
            error.to_string()
        }
        other => panic!("{other:?}"),
    }
}

fn shop() -> (Repo, Daemon) {
    let repo = Repo::new();
    repo.write("a.yaml", "a: 1\n");
    let daemon = Daemon::start(&repo.served());
    (repo, daemon)
}

#[tokio::test]
async fn commits_signed_with_every_type_of_key_are_read() {
    let (repo, daemon) = shop();
    for kind in [
        &["ed25519"][..],
        &["ecdsa", "-b", "256"],
        &["ecdsa", "-b", "384"],
        // The size counts in whole bytes, for the reader of keys as for ring.
        &["rsa", "-b", "2041"],
        &["rsa", "-b", "2048"],
        &["rsa", "-b", "3072"],
    ] {
        let key = Key::new(kind);
        let commit = repo.push_signed(&key);
        let other = Key::new(&["ed25519"]);
        assert_eq!(read(&daemon, &[&other, &key]).await, Ok(commit), "{kind:?}");
    }
}

#[tokio::test]
async fn ecdsa_numbers_of_every_length_are_read() {
    // One in 128 numbers is shorter than the others.
    let key = Key::new(&["ecdsa", "-b", "256"]);
    let (repo, daemon) = shop();
    repo.push();
    for n in 0..24 {
        let content = repo.content("HEAD").replace("change", &n.to_string());
        let signature = key.sign("git", &content);
        let commit = repo.push_content(&with_signature(&content, &signature));
        assert_eq!(read(&daemon, &[&key]).await, Ok(commit));
        repo.push();
    }
}

#[tokio::test]
async fn a_tag_leads_to_a_commit_and_that_must_be_signed() {
    let (repo, daemon) = shop();
    let key = Key::new(&["ed25519"]);
    let commit = repo.push_signed(&key);
    git(&repo.work(), &["tag", "-a", "-m", "x", "good"]);
    let bare = repo.push();
    git(&repo.work(), &["tag", "-a", "-m", "x", "bad"]);
    git(&repo.work(), &["push", "-q", "--tags", "origin"]);
    assert_eq!(read_at(&daemon, &[&key], Some("good")).await, Ok(commit));
    let bad = read_at(&daemon, &[&key], Some("bad")).await;
    assert!(refused(bad, &bare).contains("not signed"));
}

#[tokio::test]
async fn each_way_not_to_be_signed_is_told_with_what_to_do() {
    let (repo, daemon) = shop();
    let (key, other) = (Key::new(&["ed25519"]), Key::new(&["rsa", "-b", "2048"]));
    let bare = repo.push();
    let content = repo.content(&bare);
    let told = refused(read(&daemon, &[&key]).await, &bare);
    assert!(told.starts_with("it is not signed; sign it "), "{told}");
    // Somebody else.
    let commit = repo.push_signed(&other);
    let told = refused(read(&daemon, &[&key]).await, &commit);
    assert!(told.contains("signed with ssh-rsa key SHA256:"), "{told}");
    assert!(told.contains("none of spec.verify.sshKeys"), "{told}");
    // For something else.
    let file = with_signature(&content, &key.sign("file", &content));
    let commit = repo.push_content(&file);
    let told = refused(read(&daemon, &[&key]).await, &commit);
    assert!(told.contains("is one for `file`, not for git"), "{told}");
    // By other programs.
    for (begin, said) in [
        ("-----BEGIN PGP SIGNATURE-----", "OpenPGP"),
        ("-----BEGIN SIGNED MESSAGE-----", "X.509"),
        ("-----BEGIN SSH SIGNATURE-----", "cannot be read"),
        ("x", "cannot be read"),
    ] {
        let commit = repo.push_content(&with_signature(&content, &format!("{begin}\n\nx\n=y\n")));
        let told = refused(read(&daemon, &[&key]).await, &commit);
        assert!(told.contains(said), "{told}");
    }
}

#[tokio::test]
async fn what_was_changed_after_it_was_signed_is_refused() {
    let (repo, daemon) = shop();
    let key = Key::new(&["ed25519"]);
    repo.push_signed(&key);
    let tree = git(&repo.work(), &["rev-parse", "HEAD^{tree}"]);
    let signed = repo.content("HEAD");
    repo.write("a.yaml", "a: 2\n");
    repo.push();
    let evil = git(&repo.work(), &["rev-parse", "HEAD^{tree}"]);
    let bare = repo.content("HEAD");
    let good = git(&repo.work(), &["rev-parse", "HEAD"]);
    let (_, signature) = signed.split_once("gpgsig ").unwrap();
    let (signature, _) = signature.split_once("\n\n").unwrap();
    let signature = signature.replace("\n ", "\n");
    for content in [
        // Another tree, another message, another parent under the same signature.
        signed.replace(&tree, &evil),
        signed.replace("change", "chance"),
        signed.replacen("\nauthor", &format!("\nparent {good}\nauthor"), 1),
        // The signature of another commit.
        with_signature(&bare, &signature),
        // A second header, before or after the one that is good.
        with_signature(&signed, &key.sign("git", "x")),
        with_signature(&bare, &key.sign("git", "x")),
    ] {
        let commit = repo.push_content(&content);
        let told = refused(read(&daemon, &[&key]).await, &commit);
        assert!(
            told.contains("not one of this content"),
            "{told}\n{content}"
        );
    }
    let commit = repo.push_content(&signed);
    assert_eq!(read(&daemon, &[&key]).await, Ok(commit));
}

#[tokio::test]
async fn without_a_key_nothing_is_good_enough() {
    let (repo, daemon) = shop();
    let commit = repo.push_signed(&Key::new(&["ed25519"]));
    refused(read(&daemon, &[]).await, &commit);
}
