use super::*;

fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect()
}

fn unix(path: &str) -> Endpoint {
    Endpoint::Unix(path.into())
}

/// A docker configuration folder with one context.
fn config(context: &str, host: &str, current: bool) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let digest = ring::digest::digest(&ring::digest::SHA256, context.as_bytes());
    let folder = digest
        .as_ref()
        .iter()
        .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    let meta = dir.path().join("contexts/meta").join(folder);
    std::fs::create_dir_all(&meta).unwrap();
    let text = format!(
        r#"{{"Name":"{context}","Metadata":{{}},"Endpoints":{{"docker":{{"Host":"{host}","SkipTLSVerify":false}}}}}}"#
    );
    std::fs::write(meta.join("meta.json"), text).unwrap();
    if current {
        let text = format!(r#"{{"auths":{{}},"currentContext":"{context}"}}"#);
        std::fs::write(dir.path().join("config.json"), text).unwrap();
    }
    dir
}

#[test]
fn without_anything_it_is_the_local_socket() {
    let endpoint = Endpoint::resolve(None, None, &env(&[])).unwrap();
    assert_eq!(endpoint, unix("/var/run/docker.sock"));
    let empty = env(&[("DOCKER_HOST", ""), ("DOCKER_CONTEXT", "default")]);
    let endpoint = Endpoint::resolve(None, None, &empty).unwrap();
    assert_eq!(endpoint, unix("/var/run/docker.sock"));
}

#[test]
fn flags_win_over_variables_and_variables_over_the_current_context() {
    let dir = config("lab", "unix:///lab.sock", true);
    let path = dir.path().to_str().unwrap();
    let vars = env(&[("DOCKER_CONFIG", path), ("DOCKER_HOST", "unix:///var.sock")]);
    let get =
        |host, context, vars: &BTreeMap<_, _>| Endpoint::resolve(host, context, vars).unwrap();
    assert_eq!(
        get(Some("unix:///flag.sock"), None, &vars),
        unix("/flag.sock")
    );
    assert_eq!(get(None, Some("lab"), &vars), unix("/lab.sock"));
    assert_eq!(get(None, None, &vars), unix("/var.sock"));
    let vars = env(&[("DOCKER_CONFIG", path)]);
    assert_eq!(get(None, None, &vars), unix("/lab.sock"));
    assert_eq!(
        get(None, Some("default"), &vars),
        unix("/var/run/docker.sock")
    );
    let vars = env(&[("DOCKER_CONFIG", path), ("DOCKER_CONTEXT", "default")]);
    assert_eq!(get(None, None, &vars), unix("/var/run/docker.sock"));
}

#[test]
fn an_unknown_context_says_how_to_list_them() {
    let dir = tempfile::tempdir().unwrap();
    let vars = env(&[("DOCKER_CONFIG", dir.path().to_str().unwrap())]);
    let error = Endpoint::resolve(None, Some("nope"), &vars).unwrap_err();
    assert!(error.to_string().contains("docker context ls"), "{error}");
}

#[test]
fn host_and_context_together_are_refused() {
    assert!(Endpoint::resolve(Some("unix:///a"), Some("b"), &env(&[])).is_err());
}

#[test]
fn tls_takes_its_files_from_the_certificate_folder_and_insists_on_the_authority() {
    let dir = tempfile::tempdir().unwrap();
    let vars = env(&[
        ("DOCKER_HOST", "tcp://10.0.0.1"),
        ("DOCKER_TLS_VERIFY", "1"),
        ("DOCKER_CERT_PATH", dir.path().to_str().unwrap()),
    ]);
    let error = Endpoint::resolve(None, None, &vars).unwrap_err();
    assert!(error.to_string().contains("ca.pem"), "{error}");
    for name in ["ca.pem", "cert.pem", "key.pem"] {
        std::fs::write(dir.path().join(name), "").unwrap();
    }
    let endpoint = Endpoint::resolve(None, None, &vars).unwrap();
    let Endpoint::Tcp { host, port, tls } = endpoint else {
        panic!("{endpoint:?}");
    };
    assert_eq!((host.as_str(), port), ("10.0.0.1", 2376));
    assert_eq!(tls.unwrap().identity.unwrap().1, dir.path().join("key.pem"));
}

#[test]
fn hosts_are_read_with_default_ports_and_brackets() {
    let read = |text| Endpoint::from_host(text, None).unwrap().to_string();
    assert_eq!(read("tcp://engine"), "tcp://engine:2375");
    assert_eq!(read("tcp://[::1]:99"), "tcp://[::1]:99");
    assert_eq!(read("10.0.0.1:2375"), "tcp://10.0.0.1:2375");
    assert_eq!(
        read("ssh://me@engine:2222/run/docker.sock"),
        "ssh://me@engine:2222"
    );
    for bad in [
        "unix://relative",
        "npipe:////./pipe/x",
        "tcp://:1",
        "tcp://a:b",
        "ssh://-o",
    ] {
        assert!(Endpoint::from_host(bad, None).is_err(), "{bad}");
    }
}

#[test]
fn a_configuration_without_end_is_told_and_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().display().to_string();
    std::os::unix::fs::symlink("/dev/zero", dir.path().join("config.json")).unwrap();
    let told = Endpoint::resolve(None, None, &env(&[("DOCKER_CONFIG", &path)]));
    let told = told.unwrap_err().to_string();
    assert!(told.contains("config.json: it is larger than"), "{told}");
}
