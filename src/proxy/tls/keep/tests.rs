use rcgen::{CertificateParams, KeyPair};

use super::*;

/// A folder of secrets, and what is kept of it.
struct Folder {
    dir: tempfile::TempDir,
    keep: Keep,
}

impl Folder {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let keep = Keep::new(dir.path());
        Self { dir, keep }
    }

    /// Writes a certificate for hosts, with its key.
    fn write(&self, secret: &str, hosts: &[&str]) {
        let key = KeyPair::generate().unwrap();
        let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        params.not_after = rcgen::date_time_ymd(2049, 2, 3);
        let chain = params.self_signed(&key).unwrap().pem();
        let put = |name: String, text: String| std::fs::write(self.dir.path().join(name), text);
        put(format!("{secret}.crt"), chain).unwrap();
        put(format!("{secret}.key"), key.serialize_pem()).unwrap();
    }

    /// Asks for a certificate of a secret at hosts, in a turn.
    fn set(&mut self, name: &str, secret: &str, hosts: &[&str], turn: u32) -> Result<bool, String> {
        let all = || hosts.iter().map(ToString::to_string);
        let wanted = Certificate {
            hosts: all().filter(|_| turn == 0).collect(),
            stands_in: all().filter(|_| turn > 0).map(|it| (it, turn)).collect(),
            awaited: false,
            source: CertificateSource::Files {
                chain: format!("{secret}.crt"),
                key: format!("{secret}.key"),
            },
        };
        self.keep.set_certificate(name, wanted)
    }

    /// The name of the certificate that is shown at a host.
    fn shown(&mut self, host: &str) -> Option<String> {
        let table = self.keep.table();
        Some(table.certificates.get(host)?.name.to_string())
    }

    /// What the operator is told: names, and the hosts that each does not name.
    fn told(&mut self) -> Vec<(String, Vec<String>)> {
        let table = self.keep.table();
        let told = table.from_files.iter();
        told.map(|one| (one.name.clone(), one.uncovered.clone()))
            .collect()
    }
}

fn told(name: &str, uncovered: &[&str]) -> (String, Vec<String>) {
    let uncovered = uncovered.iter().map(ToString::to_string).collect();
    (name.to_owned(), uncovered)
}

#[test]
fn one_whose_newer_version_is_refused_gives_way_to_one_that_is_as_it_should_be() {
    let mut folder = Folder::new();
    folder.write("a", &["x.test"]);
    folder.write("b", &["x.test"]);
    // Both in the same turn, as it is for a moment when a host changes hands.
    folder.set("a", "a", &["x.test"], 0).unwrap();
    folder.set("b", "b", &["x.test"], 0).unwrap();
    assert_eq!(folder.shown("x.test").unwrap(), "a", "the first by name");
    folder.set("a", "nowhere", &["other.test"], 0).unwrap_err();
    assert_eq!(folder.shown("x.test").unwrap(), "b");
    folder.keep.remove_certificate("b");
    assert_eq!(folder.shown("x.test").unwrap(), "a", "better than none");
}

#[test]
fn one_that_is_shown_nowhere_is_not_told_of() {
    let mut folder = Folder::new();
    folder.write("first", &["x.test"]);
    folder.write("second", &["y.test"]);
    folder.set("first", "first", &["x.test"], 0).unwrap();
    folder.set("second", "second", &["x.test"], 1).unwrap();
    assert_eq!(folder.told(), [told("first", &[])]);
    // It stands in now, and clients do not take it there.
    folder.keep.remove_certificate("first");
    assert_eq!(folder.told(), [told("second", &["x.test"])]);
}

#[test]
fn one_for_all_hosts_has_no_host_to_be_held_against() {
    let mut folder = Folder::new();
    folder.write("all", &["x.test"]);
    folder.set("all", "all", &["*", "*.x.test"], 1).unwrap();
    assert_eq!(folder.told(), [told("all", &["*.x.test"])]);
}
