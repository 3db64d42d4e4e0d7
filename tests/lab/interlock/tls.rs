//! Examples 8.4 and 8.5: TLS that the proxy ends, and TLS that it passes on.

use std::net::IpAddr;
use std::path::PathBuf;

use libtest_mimic::Trial;

use super::{HTTPS, create, create_in, get, get_from, proxy, remove};
use crate::apps::{delete, manifest, tasks};
use crate::curl::{Curl, resolved};
use crate::harness::{apply, cluster, condition, node, ready, shared, skep};
use crate::lab::text;
use crate::wait::eventually;

pub fn trials() -> Vec<Trial> {
    vec![
        shared(
            "example_8_4_tls_termination_and_a_new_certificate",
            termination,
        ),
        shared(
            "certificates_added_by_skep_rotate_without_a_restart",
            rotation,
        ),
        shared(
            "example_8_5_tls_passthrough_beside_termination",
            passthrough,
        ),
    ]
}

/// A self-signed certificate in files of its own, removed with the value.
struct Pair {
    folder: tempfile::TempDir,
}

impl Pair {
    fn new(host: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pair = rcgen::generate_simple_self_signed(vec![host.to_owned()]).unwrap();
        std::fs::write(folder.path().join("cert.pem"), pair.cert.pem()).unwrap();
        std::fs::write(
            folder.path().join("key.pem"),
            pair.signing_key.serialize_pem(),
        )
        .unwrap();
        Self { folder }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// `docker secret create NAME.cert`, and the same of the key.
    fn secrets(&self, name: &str) {
        for (file, suffix) in [("cert.pem", "cert"), ("key.pem", "key")] {
            let path = self.path(file);
            let name = format!("{name}.{suffix}");
            node(0).docker(&["secret", "create", &name, path.to_str().unwrap()]);
        }
    }

    /// Asks, and accepts this certificate alone.
    fn ask(&self, host: &str, args: &[&str]) -> Curl {
        self.ask_at((proxy(), HTTPS), host, args)
    }

    fn ask_at(&self, (address, port): (IpAddr, u16), host: &str, args: &[&str]) -> Curl {
        let ca = self.path("cert.pem");
        let args = [&["--cacert", ca.to_str().unwrap()], args].concat();
        resolved(address, port, host, "/ping", &args)
    }
}

/// In a cluster of its own: a new Docker secret restarts the proxies.
fn termination() {
    const HTTP: u16 = 8520;
    const HTTPS: u16 = HTTP + 1;
    apply(&manifest(
        "ssl",
        "node-2",
        HTTP,
        "[{name: ssl, create: {}}]",
    ));
    ready("ssl");
    let here = node(2).address();
    let get = |host, path| get_from((here, HTTP), host, path, &[]);
    let (first, second) = (Pair::new("app.example.org"), Pair::new("app.example.org"));
    first.secrets("app.example.org");
    create_in(
        "ssl",
        "tlsapp",
        &[
            "hosts=app.example.org",
            "port=8000",
            "ssl_cert=app.example.org.cert",
            "ssl_key=app.example.org.key",
        ],
        &["--network", "ssl"],
    );
    eventually(
        "it answers by HTTPS with the certificate of the secret",
        || first.ask_at((here, HTTPS), "app.example.org", &[]).is(200),
    );
    let answer = first.ask_at((here, HTTPS), "APP.example.org", &["--http2"]);
    assert!(answer.head.starts_with("http/2 200"), "{answer:?}");
    assert!(
        answer.body.contains("header: x-forwarded-proto: https"),
        "{answer:?}"
    );
    assert!(
        answer
            .body
            .contains(&format!("header: x-forwarded-port: {HTTPS}")),
        "{answer:?}"
    );
    let old = first.ask_at(
        (here, HTTPS),
        "app.example.org",
        &["--tls-max", "1.2", "--http1.1"],
    );
    old.is(200).unwrap();
    // Plain HTTP goes on, as long as nobody wants it to be redirected.
    get("app.example.org", "/ping").is(200).unwrap();
    // A stranger's name, and none, end in the handshake.
    let stranger = resolved(here, HTTPS, "stranger.example.org", "/", &["--insecure"]);
    assert_eq!(stranger.code, 35, "{stranger:?}");
    let nameless = crate::curl::curl(&["--insecure", &format!("https://{here}:{HTTPS}/")]);
    assert_eq!(nameless.code, 35, "{nameless:?}");

    second.secrets("app2.example.org");
    node(0).docker(&[
        "service",
        "update",
        "--detach",
        "--quiet",
        "--label-add",
        "com.docker.lb.ssl_cert=app2.example.org.cert",
        "--label-add",
        "com.docker.lb.ssl_key=app2.example.org.key",
        "tlsapp",
    ]);
    eventually("the new certificate is shown", || {
        second.ask_at((here, HTTPS), "app.example.org", &[]).is(200)
    });
    garbage(here, &second, HTTPS);
    node(0).docker(&[
        "service",
        "update",
        "--detach",
        "--quiet",
        "--label-add",
        "com.docker.lb.ssl_only=true",
        "tlsapp",
    ]);
    eventually("plain HTTP is sent to HTTPS", || {
        let answer = get("app.example.org", "/a?b=c");
        let target = format!("https://app.example.org:{HTTPS}/a?b=c");
        if answer.status / 100 == 3 && answer.header("location") == Some(target.as_str()) {
            Ok(())
        } else {
            Err(format!("{answer:?}"))
        }
    });
    remove(&["tlsapp"]);
    delete("ssl");
}

/// A service whose certificate is garbage: told at it and its label, the cluster is Ready, and its
/// neighbour is served all the time.
fn garbage(here: IpAddr, neighbour: &Pair, https: u16) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("garbage");
    std::fs::write(&file, "hunter2, which is no certificate").unwrap();
    for name in ["garbage.cert", "garbage.key"] {
        node(0).docker(&["secret", "create", name, file.to_str().unwrap()]);
    }
    create_in(
        "ssl",
        "garbage",
        &[
            "hosts=garbage.example.org",
            "port=8000",
            "ssl_cert=garbage.cert",
            "ssl_key=garbage.key",
        ],
        &["--network", "ssl"],
    );
    eventually("the row of the service says what is wrong", || {
        let told = text(&skep(&["routes", "ssl", "-o", "json"]), "skep routes");
        let told: serde_json::Value = serde_json::from_str(&told).map_err(|e| e.to_string())?;
        let rows = told["routes"].as_array().cloned().unwrap_or_default();
        let refused = rows.iter().any(|row| {
            row["service"] == "garbage"
                && row["host"] == "garbage.example.org"
                && row["state"] == "Refused"
                && row["reason"] == "CertificateUnusable"
                && row["label"] == "com.docker.lb.ssl_cert"
                && row["value"] == "garbage.cert"
        });
        refused.then_some(()).ok_or(format!("{told:#}"))
    });
    ready("ssl");
    let (status, reason, message) = condition(&cluster("ssl"), "Programmed");
    assert_eq!(
        (status.as_str(), reason.as_str()),
        ("True", "RoutesRefused"),
        "{message}"
    );
    assert!(message.contains("service garbage"), "{message}");
    for (args, what) in [
        (&["routes", "ssl", "-o", "wide"][..], "skep routes"),
        (&["describe", "ssl"], "skep describe"),
    ] {
        let told = text(&skep(args), what);
        assert!(
            told.contains("com.docker.lb.ssl_cert=garbage.cert"),
            "{told}"
        );
        assert!(!told.contains("hunter2"), "{told}");
    }
    neighbour
        .ask_at((here, https), "app.example.org", &[])
        .is(200)
        .unwrap();
    let plain = ["-H", "Host: garbage.example.org"];
    let url = format!("http://{here}:{}/ping", https - 1);
    crate::curl::curl(&[&plain[..], &[&url]].concat())
        .is(200)
        .unwrap();
    remove(&["garbage"]);
    eventually("nothing is refused any more", || {
        let (status, reason, message) = condition(&cluster("ssl"), "Programmed");
        let good = status == "True" && reason == "Acknowledged";
        good.then_some(())
            .ok_or(format!("{status} {reason}: {message}"))
    });
}

fn rotation() {
    let (first, second) = (
        Pair::new("rotate.example.org"),
        Pair::new("rotate.example.org"),
    );
    create("rotate", &["hosts=rotate.example.org", "port=8000"], &[]);
    let add = |pair: &Pair| {
        let (cert, key) = (pair.path("cert.pem"), pair.path("key.pem"));
        let (cert, key) = (cert.to_str().unwrap(), key.to_str().unwrap());
        text(
            &skep(&["certs", "add", "rotate", "--cert", cert, "--key", key]),
            "skep certs add",
        )
    };
    add(&first);
    eventually("the certificate is shown", || {
        first.ask("rotate.example.org", &[]).is(200)
    });
    let before = tasks("skep-proxy-interlock");
    add(&second);
    eventually("the next certificate is shown", || {
        second.ask("rotate.example.org", &[]).is(200)
    });
    assert_eq!(
        tasks("skep-proxy-interlock"),
        before,
        "no proxy was restarted for it"
    );
    let listed = text(&skep(&["certs", "ls"]), "skep certs ls");
    assert!(listed.contains("rotate.example.org"), "{listed}");
    remove(&["rotate"]);
    text(&skep(&["certs", "rm", "rotate"]), "skep certs rm");
}

fn passthrough() {
    let pair = Pair::new("pass.example.org");
    pair.secrets("pass.example.org");
    create(
        "pass",
        &[
            "hosts=pass.example.org",
            "port=8000",
            "network=demo",
            "ssl_passthrough=true",
        ],
        &[
            "--secret",
            "source=pass.example.org.cert,target=cert.pem,mode=0444",
            "--secret",
            "source=pass.example.org.key,target=key.pem,mode=0444",
            "--env",
            "TLS_CERT=/run/secrets/cert.pem",
            "--env",
            "TLS_KEY=/run/secrets/key.pem",
        ],
    );
    eventually("the application shows its own certificate", || {
        pair.ask("pass.example.org", &[]).is(200)
    });
    let answer = pair.ask("pass.example.org", &[]);
    assert!(
        answer.header("x-request-id").is_none(),
        "nothing is added: {answer:?}"
    );
    assert!(
        !answer.body.contains("x-forwarded"),
        "nothing is added: {answer:?}"
    );
    get("pass.example.org", "/", &[]).is(404).unwrap();
    remove(&["pass"]);
}
