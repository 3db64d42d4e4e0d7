//! Manifests from files, folders and standard input, parsed together.

use std::path::{Path, PathBuf};

use super::error::{CliError, Result};
use super::input;
use super::terminal::Terminal;
use crate::api::Diagnostic;
use crate::api::parse::Parsed;

/// A text and the name that faults in it are reported under.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// File name, or `-`.
    pub name: String,
    /// Content.
    pub text: String,
}

/// All resources of all paths, or all faults of all of them. A name that is declared twice, in
/// whatever files, is a fault, because one of the two would silently win.
pub fn resources(paths: &[PathBuf]) -> Result<Parsed> {
    Ok(checked(paths)?.1)
}

/// As [`resources`], and the texts that they were read from.
pub fn checked(paths: &[PathBuf]) -> Result<(Vec<Source>, Parsed)> {
    let (sources, mut faults) = read(paths);
    let texts = sources.iter();
    let texts = texts.map(|source| (source.name.as_str(), source.text.as_str()));
    let mut parsed = crate::api::parse::together(texts);
    faults.append(&mut parsed.faults);
    if faults.is_empty() && parsed.clusters.is_empty() && parsed.sources.is_empty() {
        let mut fault = Diagnostic::at("", "no service cluster is declared here");
        fault.source = sources
            .iter()
            .map(|s| s.name.as_str())
            .collect::<Vec<_>>()
            .join(", ");
        faults.push(fault);
    }
    if faults.is_empty() {
        return Ok((sources, parsed));
    }
    Err(CliError::Invalid(faults))
}

/// As [`resources`], for a verb that writes or judges them: what is deprecated is told.
pub fn warned(terminal: Terminal, paths: &[PathBuf]) -> Result<Parsed> {
    let parsed = resources(paths)?;
    for warning in &parsed.warnings {
        terminal.warning(&warning.to_string());
    }
    Ok(parsed)
}

/// Every text that can be read, and a fault for each path that cannot.
fn read(paths: &[PathBuf]) -> (Vec<Source>, Vec<Diagnostic>) {
    let mut sources: Vec<Source> = Vec::new();
    let mut faults = Vec::new();
    for path in paths {
        let files = expand(path, &mut faults).map_err(|fault| faults.push(fault));
        for file in files.unwrap_or_default() {
            let name = file.display().to_string();
            if sources.iter().any(|known| known.name == name) {
                continue;
            }
            match text(&file) {
                Ok(text) => sources.push(Source { name, text }),
                Err(fault) => faults.push(fault),
            }
        }
    }
    (sources, faults)
}

/// A file is itself; a folder is the manifests in it and below, in order of their names, and
/// faults for what is called like one and is none.
fn expand(
    path: &Path,
    faults: &mut Vec<Diagnostic>,
) -> std::result::Result<Vec<PathBuf>, Diagnostic> {
    if let Some(fault) = url(path) {
        return Err(fault);
    }
    if path == Path::new("-") || !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    folder(path, &mut files).map_err(|error| about(path, &format!("cannot be read: {error}")))?;
    if files.is_empty() {
        let why = "the folder holds no *.yaml, *.yml or *.json file";
        return Err(about(path, why));
    }
    // To open a pipe is to wait for its writer; one that is meant is named itself.
    files.retain(|file| {
        let is_one = file.metadata().map_or(true, |known| known.is_file());
        if !is_one {
            let why = "is a pipe, a socket or a device and no file: take it out of the folder";
            faults.push(about(file, why));
        }
        is_one
    });
    Ok(files)
}

/// A fault for what is a URL, so that nobody looks for a file of that name.
fn url(path: &Path) -> Option<Diagnostic> {
    let text = path.to_str()?;
    let scheme = text.split_once("://")?.0.to_ascii_lowercase();
    let message = match scheme.as_str() {
        "http" | "https" | "ftp" | "git" | "ssh" => "URLs are not read here".to_owned(),
        _ => return None,
    };
    let hint = "fetch it and look at it first, or pipe it in: curl -fsSL URL | skep apply -f -; a repository is followed as a Source (`skep explain source.spec`)";
    let mut fault = Diagnostic::at("", message).hint(hint);
    fault.source = without_user(text);
    Some(fault)
}

/// A URL without user and password.
fn without_user(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let end = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{path}")
}

fn folder(path: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let mut entries = std::fs::read_dir(path)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<Vec<_>>>()?;
    entries.sort();
    for entry in entries {
        let hidden = entry
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let manifest = entry
            .extension()
            .is_some_and(|ext| ext == "yaml" || ext == "yml" || ext == "json");
        // A link to a folder may lead in a circle; a link to a file may not.
        if hidden {
        } else if entry.is_dir() {
            if !entry.is_symlink() {
                folder(&entry, files)?;
            }
        } else if manifest {
            files.push(entry);
        }
    }
    Ok(())
}

/// The text of a file, or of standard input for `-`.
pub(super) fn text(path: &Path) -> std::result::Result<String, Diagnostic> {
    let bytes = input::bytes(path, input::MANIFESTS).map_err(|why| about(path, &why))?;
    let name = path.display().to_string();
    crate::api::parse::text(&name, &bytes).map(str::to_owned)
}

fn about(path: &Path, why: &str) -> Diagnostic {
    let mut fault = Diagnostic::at("", why);
    fault.source = path.display().to_string();
    fault
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_read_in_order_without_hidden_and_foreign_files() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir(at("sub")).unwrap();
        for name in ["b.yml", "a.yaml", ".hidden.yaml", "README.md", "sub/c.json"] {
            std::fs::write(at(name), name).unwrap();
        }
        let (sources, faults) = read(&[dir.path().to_owned(), at("a.yaml")]);
        assert!(faults.is_empty());
        let texts: Vec<&str> = sources.iter().map(|s| s.text.as_str()).collect();
        assert_eq!(texts, ["a.yaml", "b.yml", "sub/c.json"]);
    }

    #[test]
    fn every_unreadable_path_is_told() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("latin1.yaml"), [0xe4]).unwrap();
        let (_, faults) = read(&[dir.path().join("none.yaml"), dir.path().join("latin1.yaml")]);
        assert_eq!(faults.len(), 2);
        assert!(faults[0].message.starts_with("cannot be read"));
        assert!(faults[1].message.contains("UTF-8"));
    }

    #[test]
    fn a_pipe_in_a_folder_is_told_and_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let (pipe, device) = (dir.path().join("pipe.yaml"), dir.path().join("zero.yaml"));
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        std::os::unix::fs::symlink("/dev/zero", &device).unwrap();
        std::fs::write(dir.path().join("east.yaml"), "east").unwrap();
        let (sources, faults) = read(&[dir.path().to_owned()]);
        assert_eq!(sources.len(), 1);
        let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].contains("pipe.yaml: is a pipe"), "{told:?}");
    }

    #[test]
    fn a_url_is_told_what_to_do_instead_and_its_password_is_not_shown() {
        let url = PathBuf::from("https://me:hunter2@example.com/east.yaml");
        let (sources, faults) = read(&[url]);
        assert!(sources.is_empty());
        let told = faults[0].to_string();
        assert!(
            told.starts_with("https://example.com/east.yaml: URLs are not read"),
            "{told}"
        );
        assert!(told.contains("| skep apply -f -"), "{told}");
    }

    #[test]
    fn an_empty_folder_is_a_fault() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(&[dir.path().to_owned()]).1.len(), 1);
    }
}
