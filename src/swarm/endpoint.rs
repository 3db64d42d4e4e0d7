//! Which engine to talk to, found as the docker command line finds it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::error::Error;
use crate::runtime::file;

#[cfg(test)]
mod tests;

/// Where the engine listens unless told otherwise.
pub const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// How to reach an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A socket of this machine.
    Unix(PathBuf),
    /// A TCP port, plain or with TLS.
    Tcp {
        /// Host name or address.
        host: String,
        /// Port.
        port: u16,
        /// Certificates; `None`: plain HTTP.
        tls: Option<TlsFiles>,
    },
    /// Another machine through the `ssh` program, as the docker command line does it.
    Ssh {
        /// `host` or `user@host`.
        target: String,
        /// Port; `None`: ssh's own choice.
        port: Option<u16>,
    },
}

/// The PEM files of a TLS connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// Whom we trust.
    pub ca: PathBuf,
    /// Who we are, when the engine asks: certificate and key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp { host, port, .. } if host.contains(':') => {
                write!(f, "tcp://[{host}]:{port}")
            }
            Self::Tcp { host, port, .. } => write!(f, "tcp://{host}:{port}"),
            Self::Ssh {
                target,
                port: Some(port),
            } => write!(f, "ssh://{target}:{port}"),
            Self::Ssh { target, port: None } => write!(f, "ssh://{target}"),
        }
    }
}

impl Endpoint {
    /// The engine that `docker` would use with these flags: `--host` or `--context`, then
    /// DOCKER_HOST, DOCKER_CONTEXT, the current context of the docker configuration, and at last
    /// the local socket. DOCKER_TLS_VERIFY, DOCKER_CERT_PATH and DOCKER_CONFIG are honoured.
    pub fn from_env(host_flag: Option<&str>, context_flag: Option<&str>) -> Result<Self, Error> {
        let env = std::env::vars().collect();
        Self::resolve(host_flag, context_flag, &env)
    }

    /// [`Endpoint::from_env`] with the environment as a value.
    pub fn resolve(
        host_flag: Option<&str>,
        context_flag: Option<&str>,
        env: &BTreeMap<String, String>,
    ) -> Result<Self, Error> {
        let env = Env(env);
        let context = match (host_flag, context_flag) {
            (Some(_), Some(_)) => {
                return Err(fault("give either --host or --context, not both"));
            }
            (Some(host), None) => return Self::from_host(host, env.tls()?),
            (None, Some(context)) => context.to_owned(),
            (None, None) => match env.get("DOCKER_HOST") {
                Some(host) => return Self::from_host(host, env.tls()?),
                None => match env.get("DOCKER_CONTEXT") {
                    Some(context) => context.to_owned(),
                    None => env.current_context()?,
                },
            },
        };
        if !context.is_empty() && context != "default" {
            return from_context(&env.config_dir()?, &context);
        }
        match env.get("DOCKER_HOST") {
            Some(host) => Self::from_host(host, env.tls()?),
            None => Ok(Self::Unix(DEFAULT_SOCKET.into())),
        }
    }

    /// Reads a host such as `unix:///run/docker.sock`, `tcp://10.0.0.1:2376` or `ssh://user@host`.
    pub fn from_host(text: &str, tls: Option<TlsFiles>) -> Result<Self, Error> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("tcp", text));
        match scheme {
            "unix" if rest.starts_with('/') => Ok(Self::Unix(rest.into())),
            "unix" if rest.is_empty() => Ok(Self::Unix(DEFAULT_SOCKET.into())),
            "unix" => Err(fault(&format!(
                "DOCKER_HOST {text:?}: the socket must be an absolute path, like unix:///var/run/docker.sock"
            ))),
            "https" if tls.is_none() => Err(fault(&format!(
                "DOCKER_HOST {text:?} needs TLS: set DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH to the folder of ca.pem, cert.pem and key.pem"
            ))),
            "tcp" | "http" | "https" => {
                let default = if tls.is_some() { 2376 } else { 2375 };
                let (host, port) = host_and_port(text, rest)?;
                let port = port.unwrap_or(default);
                Ok(Self::Tcp { host, port, tls })
            }
            "ssh" => {
                let rest = rest.split('/').next().unwrap_or_default();
                let (target, port) = host_and_port(text, rest)?;
                if target.starts_with('-') {
                    return Err(fault(&format!("{text:?} names no host")));
                }
                Ok(Self::Ssh { target, port })
            }
            other => Err(fault(&format!(
                "DOCKER_HOST {text:?}: {other}:// is not supported; use unix://, tcp:// or ssh://"
            ))),
        }
    }
}

/// `host`, `host:port` or `[v6]:port`, with anything after a slash ignored.
fn host_and_port(text: &str, rest: &str) -> Result<(String, Option<u16>), Error> {
    let authority = rest.split('/').next().unwrap_or_default();
    let bad = || {
        fault(&format!(
            "{text:?} is not a host and port, like tcp://10.0.0.1:2376"
        ))
    };
    let (host, port) = if let Some(v6) = authority.strip_prefix('[') {
        let (host, after) = v6.split_once(']').ok_or_else(bad)?;
        (host, after.strip_prefix(':'))
    } else {
        match authority.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        }
    };
    if host.is_empty() {
        return Err(bad());
    }
    let port = match port {
        Some(port) => Some(port.parse::<u16>().map_err(|_| bad())?),
        None => None,
    };
    Ok((host.to_owned(), port))
}

/// The environment of the process.
struct Env<'a>(&'a BTreeMap<String, String>);

impl Env<'_> {
    /// A variable that is set and not empty: docker treats empty ones as missing.
    fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|v| !v.is_empty())
    }

    fn config_dir(&self) -> Result<PathBuf, Error> {
        if let Some(dir) = self.get("DOCKER_CONFIG") {
            return Ok(dir.into());
        }
        self.get("HOME")
            .map(|home| Path::new(home).join(".docker"))
            .ok_or_else(|| {
                fault("neither DOCKER_CONFIG nor HOME is set, so no docker context can be found; set one or use DOCKER_HOST")
            })
    }

    fn current_context(&self) -> Result<String, Error> {
        #[derive(Deserialize, Default)]
        #[serde(default, rename_all = "camelCase")]
        struct DockerConfig {
            current_context: Option<String>,
        }
        let Ok(dir) = self.config_dir() else {
            return Ok(String::new());
        };
        let path = dir.join("config.json");
        let config: DockerConfig = match file::bytes(&path, file::SMALL) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| unreadable(&path, &e))?,
            Err(error) if is_too_large(&error) => return Err(unreadable(&path, &error)),
            // No file, or not ours to read: docker then uses its defaults as well.
            Err(_) => DockerConfig::default(),
        };
        Ok(config.current_context.unwrap_or_default())
    }

    fn tls(&self) -> Result<Option<TlsFiles>, Error> {
        if self.get("DOCKER_TLS_VERIFY").is_none() {
            return Ok(None);
        }
        let dir = match self.get("DOCKER_CERT_PATH") {
            Some(dir) => dir.into(),
            None => self.config_dir()?,
        };
        tls_files(&dir).map(Some)
    }
}

fn tls_files(dir: &Path) -> Result<TlsFiles, Error> {
    let file = |name: &str| Some(dir.join(name)).filter(|path| path.is_file());
    let ca = file("ca.pem").ok_or_else(|| {
        fault(&format!(
            "no ca.pem in {}: TLS to the engine is never left unverified; put the authority's certificate there",
            dir.display()
        ))
    })?;
    let identity = match (file("cert.pem"), file("key.pem")) {
        (Some(cert), Some(key)) => Some((cert, key)),
        (None, None) => None,
        _ => {
            return Err(fault(&format!(
                "{} holds only one of cert.pem and key.pem; both are needed",
                dir.display()
            )));
        }
    };
    Ok(TlsFiles { ca, identity })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ContextMeta {
    endpoints: BTreeMap<String, ContextEndpoint>,
}

#[derive(Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[derive(Default)]
struct ContextEndpoint {
    host: String,
    #[serde(rename = "SkipTLSVerify")]
    skip_tls_verify: bool,
}

/// A docker context: its folder is named by the SHA-256 of its name.
fn from_context(config_dir: &Path, name: &str) -> Result<Endpoint, Error> {
    let digest = ring::digest::digest(&ring::digest::SHA256, name.as_bytes());
    let folder = digest
        .as_ref()
        .iter()
        .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    let contexts = config_dir.join("contexts");
    let path = contexts.join("meta").join(&folder).join("meta.json");
    let bytes = file::bytes(&path, file::SMALL).map_err(|error| {
        if is_too_large(&error) {
            return unreadable(&path, &error);
        }
        fault(&format!(
            "there is no docker context {name:?} in {}; `docker context ls` lists them",
            config_dir.display()
        ))
    })?;
    let meta: ContextMeta = serde_json::from_slice(&bytes).map_err(|e| unreadable(&path, &e))?;
    let docker = meta.endpoints.get("docker").ok_or_else(|| {
        fault(&format!(
            "the docker context {name:?} has no docker endpoint"
        ))
    })?;
    let folder = contexts.join("tls").join(&folder).join("docker");
    let tls = if docker.skip_tls_verify {
        return Err(fault(&format!(
            "the docker context {name:?} skips TLS verification, which Skep does not; add the authority's certificate (`docker context update {name} --docker host=...,ca=...`)"
        )));
    } else if folder.is_dir() {
        Some(tls_files(&folder)?)
    } else {
        None
    };
    if docker.host.is_empty() {
        return Ok(Endpoint::Unix(DEFAULT_SOCKET.into()));
    }
    Endpoint::from_host(&docker.host, tls)
}

fn is_too_large(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::FileTooLarge
}

fn unreadable(path: &Path, error: &dyn fmt::Display) -> Error {
    fault(&format!("cannot read {}: {error}", path.display()))
}

fn fault(message: &str) -> Error {
    Error::Endpoint {
        message: message.to_owned(),
    }
}
