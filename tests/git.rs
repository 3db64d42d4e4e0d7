//! Revisions read from real git servers: `git daemon` and `git http-backend`.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod repo;

use std::time::Duration;

use repo::web::Web;
use repo::{Daemon, Repo, git};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::sync::CancellationToken;

use skep::git::{Credentials, Error, Fetched, Limits, Request, Revision, Url, fetch};

fn request(url: &str) -> Request {
    Request {
        url: Url::parse(url).unwrap(),
        reference: None,
        folder: String::new(),
        authorities: None,
        credentials: None,
        signers: None,
        known: None,
        limits: Limits::default(),
        stop: CancellationToken::new(),
    }
}

async fn revision(request: Request) -> Revision {
    match fetch(request).await.unwrap() {
        Fetched::Revision(revision) => revision,
        Fetched::Known(commit) => panic!("{commit} is not known"),
    }
}

fn paths(revision: &Revision) -> Vec<&str> {
    revision
        .files
        .iter()
        .map(|file| file.path.as_str())
        .collect()
}

fn shop() -> Repo {
    let repo = Repo::new();
    repo.write("clusters/a.yaml", "a: 1\n");
    repo.write("clusters/deep/b.yml", "b: 1\n");
    repo.write("clusters/.hidden.yaml", "no\n");
    repo.write("clusters/README.md", "no\n");
    repo.write("other/c.json", "{}");
    repo.push();
    repo
}

#[tokio::test]
async fn the_manifests_of_a_folder_are_read_by_every_protocol() {
    let repo = shop();
    let commit = git(&repo.work(), &["rev-parse", "HEAD"]);
    let daemon = Daemon::start(&repo.served());
    let plain = Web::start(&repo.served(), false, None).await;
    let secure = Web::start(&repo.served(), true, None).await;
    for url in [daemon.url(), plain.url(), secure.url()] {
        let mut wanted = request(&url);
        wanted.folder = "clusters".to_owned();
        if !secure.authority.is_empty() && url == secure.url() {
            wanted.authorities = Some(secure.authority.clone());
        }
        let found = revision(wanted.clone()).await;
        assert_eq!(found.commit, commit, "{url}");
        assert_eq!(paths(&found), ["clusters/a.yaml", "clusters/deep/b.yml"]);
        assert_eq!(found.files[0].data, b"a: 1\n");
        wanted.known = Some(commit.clone());
        assert_eq!(fetch(wanted).await, Ok(Fetched::Known(commit.clone())));
    }
}

#[tokio::test]
async fn branches_tags_and_commits_are_found() {
    let repo = shop();
    let first = git(&repo.work(), &["rev-parse", "HEAD"]);
    git(&repo.work(), &["tag", "light"]);
    git(&repo.work(), &["tag", "-a", "-m", "x", "heavy"]);
    repo.write("clusters/new.yaml", "n: 1\n");
    let second = repo.push();
    git(
        &repo.work(),
        &["push", "-q", "--tags", "origin", "HEAD:refs/heads/team/x"],
    );
    let daemon = Daemon::start(&repo.served());
    for (name, commit) in [
        ("main", &second),
        ("team/x", &second),
        ("light", &first),
        ("heavy", &first),
        ("refs/tags/heavy", &first),
        (second.as_str(), &second),
        (first.as_str(), &first),
    ] {
        let mut wanted = request(&daemon.url());
        wanted.reference = Some(name.to_owned());
        assert_eq!(revision(wanted.clone()).await.commit, *commit, "{name}");
        wanted.known = Some(commit.clone());
        assert_eq!(
            fetch(wanted).await,
            Ok(Fetched::Known(commit.clone())),
            "{name}"
        );
    }
    let mut wanted = request(&daemon.url());
    wanted.reference = Some("nope".to_owned());
    let error = fetch(wanted).await.unwrap_err();
    assert!(matches!(error, Error::NoReference(_)), "{error}");
}

#[tokio::test]
async fn differences_are_unpacked() {
    let repo = Repo::new();
    // Files that resemble each other are stored as differences.
    let lines = (0..4_000).map(|n| format!("line {n}: {}", n * 7_919 % 10_007));
    let base = lines.collect::<Vec<_>>().join("\n");
    for n in 0..20 {
        repo.write(
            &format!("m/{n:02}.yaml"),
            base.replace("line 7:", &format!("changed {n}:")),
        );
    }
    repo.push();
    git(&repo.bare(), &["gc", "-q", "--aggressive"]);
    let daemon = Daemon::start(&repo.served());
    let found = revision(request(&daemon.url())).await;
    assert_eq!(found.files.len(), 20);
    for (n, file) in found.files.iter().enumerate() {
        let wanted = base.replace("line 7:", &format!("changed {n}:"));
        assert!(file.data == wanted.as_bytes(), "{}", file.path);
    }
}

#[tokio::test]
async fn wrong_credentials_are_told_and_good_ones_work() {
    let repo = shop();
    let web = Web::start(&repo.served(), true, Some(("me", "right"))).await;
    let mut wanted = request(&web.url());
    wanted.authorities = Some(web.authority.clone());
    assert_eq!(
        fetch(wanted.clone()).await,
        Err(Error::Denied { given: false })
    );
    let me = |password: &str| {
        Some(Credentials {
            username: "me".to_owned(),
            password: password.to_owned(),
        })
    };
    wanted.credentials = me("wrong");
    assert_eq!(
        fetch(wanted.clone()).await,
        Err(Error::Denied { given: true })
    );
    wanted.credentials = me("right");
    assert_eq!(paths(&revision(wanted.clone()).await).len(), 3);
    // Never in the clear.
    wanted.url = Url::parse(&web.url().replace("https", "http")).unwrap();
    assert!(matches!(fetch(wanted).await, Err(Error::Url(_))));
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    let repo = shop();
    let web = Web::start(&repo.served(), true, None).await;
    let error = fetch(request(&web.url())).await.unwrap_err();
    assert!(matches!(error, Error::Tls { .. }), "{error}");
}

#[tokio::test]
async fn a_daemon_without_the_repository_says_so() {
    let repo = shop();
    let daemon = Daemon::start(&repo.served());
    let url = daemon.url().replace("shop", "none");
    let error = fetch(request(&url)).await.unwrap_err();
    assert!(matches!(error, Error::NoRepository(_)), "{error}");
}

#[tokio::test]
async fn what_is_missing_is_told_by_its_name() {
    let repo = shop();
    let web = Web::start(&repo.served(), false, None).await;
    let mut wanted = request(&web.url());
    wanted.folder = "clusters/none".to_owned();
    let error = fetch(wanted.clone()).await.unwrap_err();
    assert!(
        error.to_string().contains("no folder `clusters/none`"),
        "{error}"
    );
    wanted.url = Url::parse(&web.url().replace("shop", "none")).unwrap();
    let error = fetch(wanted.clone()).await.unwrap_err();
    assert!(matches!(error, Error::NoRepository(_)), "{error}");
    wanted.url = Url::parse(&web.url().replace("/shop", "/moved/shop")).unwrap();
    let error = fetch(wanted).await.unwrap_err();
    assert_eq!(
        error,
        Error::Moved("https://new.example.com/shop.git".to_owned())
    );
}

#[tokio::test]
async fn a_repository_beyond_the_limits_is_an_error_that_says_so() {
    let repo = shop();
    // What cannot be packed any smaller.
    let mut state = 1_u64;
    let noise: Vec<u8> = (0..3 << 20)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            u8::try_from(state >> 56).unwrap()
        })
        .collect();
    repo.write("big.bin", &noise);
    repo.write("bomb.bin", vec![0; 64 << 20]);
    repo.push();
    let daemon = Daemon::start(&repo.served());
    let web = Web::start(&repo.served(), false, None).await;
    for url in [daemon.url(), web.url()] {
        let mut wanted = request(&url);
        wanted.limits.sent = 1 << 20;
        let error = fetch(wanted.clone()).await.unwrap_err();
        assert!(matches!(error, Error::TooLarge(_)), "{error}");
        wanted.limits = Limits::default();
        wanted.limits.unpacked = 32 << 20;
        let error = fetch(wanted.clone()).await.unwrap_err();
        assert!(matches!(error, Error::TooLarge(_)), "{error}");
        // A server that can leave large files out is asked to.
        git(&repo.bare(), &["config", "uploadpack.allowFilter", "true"]);
        assert_eq!(revision(wanted).await.files.len(), 3);
        git(&repo.bare(), &["config", "uploadpack.allowFilter", "false"]);
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_is_left_in_time_or_when_nobody_asks_any_more() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    for scheme in ["git", "http", "https"] {
        let mut wanted = request(&format!("{scheme}://127.0.0.1:{port}/shop.git"));
        wanted.limits.time = Duration::from_secs(1);
        let error = fetch(wanted).await.unwrap_err();
        assert_eq!(error, Error::TimedOut(1), "{scheme}");
        let mut wanted = request(&format!("{scheme}://127.0.0.1:{port}/shop.git"));
        wanted.limits.time = Duration::from_secs(60);
        let stop = wanted.stop.clone();
        let begun = std::time::Instant::now();
        let (error, ()) = tokio::join!(fetch(wanted), async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            stop.cancel();
        });
        assert_eq!(error, Err(Error::Stopped), "{scheme}");
        assert!(begun.elapsed() < Duration::from_secs(20));
    }
    let error = fetch(request(&format!(
        "http://127.0.0.1:{}/x",
        repo::free_port()
    )))
    .await;
    assert!(matches!(error, Err(Error::Unreachable { .. })), "{error:?}");
}

/// What `git` makes of a text on its standard input.
fn made(repo: &Repo, args: &[&str], input: &str) -> String {
    use std::io::Write as _;
    let mut child = std::process::Command::new("git")
        .arg("-C")
        .arg(repo.bare())
        .args(args)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let made = child.wait_with_output().unwrap();
    assert!(made.status.success(), "{args:?}");
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

/// A door before a git daemon; it tells when a pack has passed.
async fn door(port: u16) -> (String, tokio::sync::oneshot::Receiver<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "git://127.0.0.1:{}/shop.git",
        listener.local_addr().unwrap().port()
    );
    let (tell, told) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let (mut caller, _) = listener.accept().await.unwrap();
        let mut server = tokio::net::TcpStream::connect(("127.0.0.1", port))
            .await
            .unwrap();
        let (mut from_caller, mut to_caller) = caller.split();
        let (mut from_server, mut to_server) = server.split();
        let passes = async {
            let (mut tell, mut seen) = (Some(tell), Vec::new());
            let mut buffer = vec![0; 65_536];
            while let Ok(read @ 1..) = from_server.read(&mut buffer).await {
                to_caller.write_all(&buffer[..read]).await.unwrap();
                seen.extend_from_slice(&buffer[..read]);
                if seen.windows(4).any(|four| four == b"PACK") {
                    tell.take().map(|tell| tell.send(()));
                }
            }
        };
        let asks = tokio::io::copy(&mut from_caller, &mut to_server);
        let _ = tokio::join!(passes, asks);
    });
    (url, told)
}

/// A commit whose folder names one object ten times, `deep` times over.
fn bomb(repo: &Repo, name: &str, deep: usize) {
    let blob = made(
        repo,
        &["hash-object", "-w", "--stdin"],
        &"# x\n".repeat(1_000),
    );
    let mut entry = format!("100644 blob {blob}");
    let mut ending = name;
    for _ in 0..deep {
        let lines: Vec<String> = (0..10).map(|n| format!("{entry}\t{n}{ending}\n")).collect();
        entry = format!("040000 tree {}", made(repo, &["mktree"], &lines.concat()));
        ending = "";
    }
    let tree = entry.rsplit_once(' ').unwrap().1;
    let identity = ["-c", "user.name=t", "-c", "user.email=t@t"];
    let commit = [&identity[..], &["commit-tree", "-m", "bomb", tree]].concat();
    let commit = made(repo, &commit, "");
    made(repo, &["update-ref", "refs/heads/bomb", &commit], "");
}

#[tokio::test]
async fn folders_that_name_the_same_again_and_again_end_at_the_limits() {
    let repo = shop();
    let daemon = Daemon::start(&repo.served());
    let mut wanted = request(&daemon.url());
    wanted.reference = Some("bomb".to_owned());
    // Ten thousand million folders, without a manifest.
    bomb(&repo, ".txt", 10);
    wanted.limits.unpacked = 1 << 20;
    let error = fetch(wanted.clone()).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge(_)), "{error}");
    wanted.limits.unpacked = usize::MAX;
    wanted.limits.time = Duration::from_secs(2);
    assert_eq!(fetch(wanted.clone()).await, Err(Error::TimedOut(2)));
    wanted.limits.time = Duration::from_secs(60);
    let (url, sent) = door(daemon.port).await;
    wanted.url = Url::parse(&url).unwrap();
    let stop = wanted.stop.clone();
    let (error, ()) = tokio::join!(fetch(wanted.clone()), async {
        // From here on it is busy without the server.
        let sent = tokio::time::timeout(Duration::from_secs(30), sent).await;
        sent.unwrap().unwrap();
        stop.cancel();
    });
    assert_eq!(error, Err(Error::Stopped));
    wanted.url = Url::parse(&daemon.url()).unwrap();
    // One file of 4 kB by a thousand names.
    bomb(&repo, ".yaml", 3);
    wanted.stop = request(&daemon.url()).stop;
    wanted.limits.unpacked = 1 << 20;
    let error = fetch(wanted.clone()).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge(_)), "{error}");
    wanted.limits.unpacked = 8 << 20;
    assert_eq!(revision(wanted).await.files.len(), 1_000);
}
