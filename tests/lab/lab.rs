//! One lab: `lab.sh` as a Rust value. Dropping it removes the lab.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A running lab.
pub struct Lab {
    name: String,
    /// Address of node 0; node I has the I-th after it.
    first: [u8; 4],
}

/// How a lab is made.
pub struct Wanted<'a> {
    pub name: &'a str,
    pub nodes: usize,
    pub managers: usize,
    pub images: &'a [PathBuf],
}

/// The root of the package.
pub fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs `lab.sh` with these arguments.
pub fn script(args: &[&str]) -> Output {
    Command::new(package().join("tests/lab/lab.sh"))
        .args(args)
        .output()
        .unwrap()
}

/// The standard output of a command that has to succeed.
pub fn text(output: &Output, what: &str) -> String {
    let out = String::from_utf8_lossy(&output.stdout);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{what} failed ({}):\n{out}{err}",
        output.status
    );
    out.trim_end().to_owned()
}

impl Lab {
    /// Starts a lab that lives as long as this process at most.
    pub fn start(wanted: &Wanted) -> Self {
        let owner = std::process::id().to_string();
        let (nodes, managers) = (wanted.nodes.to_string(), wanted.managers.to_string());
        let images: Vec<_> = wanted
            .images
            .iter()
            .map(|path| path.to_str().unwrap())
            .collect();
        let images = images.join(",");
        let up = script(&[
            "up",
            wanted.name,
            "--nodes",
            &nodes,
            "--managers",
            &managers,
            "--images",
            &images,
            "--owner",
            &owner,
        ]);
        text(&up, "starting a lab");
        let name = wanted.name.to_owned();
        let net = std::fs::read_to_string(root().join(&name).join("net")).unwrap();
        let IpAddr::V4(first) = format!("{}.1", net.trim()).parse().unwrap() else {
            panic!("labs have IPv4 addresses")
        };
        Self {
            name,
            first: first.octets(),
        }
    }

    /// A node by its number; node 0 is a manager.
    pub fn node(&self, number: u8) -> Node<'_> {
        Node { lab: self, number }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        text(&script(&["down", &self.name]), "removing a lab");
    }
}

/// Where labs keep their state.
pub fn root() -> PathBuf {
    std::env::var_os("SKEP_LAB_ROOT").map_or_else(|| "/var/lib/skep-lab".into(), PathBuf::from)
}

/// One engine of a lab.
#[derive(Clone, Copy)]
pub struct Node<'a> {
    lab: &'a Lab,
    number: u8,
}

impl Node<'_> {
    /// Its address as this machine reaches it.
    pub fn address(&self) -> IpAddr {
        let [a, b, c, d] = self.lab.first;
        [a, b, c, d + self.number].into()
    }

    /// The engine's socket, as `DOCKER_HOST` wants it.
    pub fn docker_host(&self) -> String {
        let socket = root()
            .join(&self.lab.name)
            .join(format!("node-{}/docker.sock", self.number));
        format!("unix://{}", socket.display())
    }

    /// Runs `docker ARGS` here; it has to succeed.
    pub fn docker(&self, args: &[&str]) -> String {
        text(
            &self.try_docker(args),
            &format!("docker {}", args.join(" ")),
        )
    }

    /// Runs `docker ARGS` here.
    pub fn try_docker(&self, args: &[&str]) -> Output {
        Command::new("docker")
            .args(["-H", &self.docker_host()])
            .args(args)
            .output()
            .unwrap()
    }

    /// Runs a command inside the node's namespaces.
    pub fn run(&self, command: &[&str]) -> String {
        let number = self.number.to_string();
        let args = [&["sh", &self.lab.name, &number], command].concat();
        text(&script(&args), &command.join(" "))
    }
}
