//! Files that verbs write: whole or not at all, and never over somebody's work unasked.

use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

use super::error::{CliError, Result};

/// What a new file may be read by, before the process's mask takes its part.
const MODE: u32 = 0o666;

/// Fails where [`write`] would refuse, before there is anything to write.
pub fn free(path: &Path, force: bool) -> Result {
    if path.is_dir() {
        let shown = path.display();
        return Err(CliError::Failed(format!(
            "{shown} is a folder: name a file in it"
        )));
    }
    let is_there = path.exists() || path.is_symlink();
    if is_there && !force && !is_special(path) {
        return Err(taken(path));
    }
    Ok(())
}

/// Writes a file by way of another one beside it. One that is there stays, unless `force`.
pub fn write(path: &Path, text: &str, force: bool) -> Result {
    free(path, force)?;
    let failed = |error: std::io::Error| {
        if error.kind() == ErrorKind::AlreadyExists {
            return taken(path);
        }
        // Without the name of the file beside it.
        let text = error.to_string();
        let cause = text.split(" at path ").next().unwrap_or_default();
        CliError::Failed(format!("{} cannot be written: {cause}", path.display()))
    };
    // A terminal, a pipe or /dev/null cannot be replaced.
    if is_special(path) {
        return std::fs::write(path, text).map_err(failed);
    }
    // What a link leads to is replaced, not the link.
    let target = match path.canonicalize() {
        Ok(target) => target,
        Err(_) => path.to_owned(),
    };
    let file = beside(&target, text).map_err(failed)?;
    let kept = if force {
        file.persist(&target)
    } else {
        file.persist_noclobber(&target)
    };
    kept.map(drop).map_err(|error| failed(error.error))
}

/// A temporary file in the same folder, with the text and the mode that the target has or gets.
fn beside(target: &Path, text: &str) -> std::io::Result<NamedTempFile> {
    let mode = target.metadata().map(|one| one.permissions());
    let new = std::fs::Permissions::from_mode(MODE);
    let folder = target.parent().filter(|one| !one.as_os_str().is_empty());
    let folder = folder.map_or_else(|| PathBuf::from("."), Path::to_owned);
    let mut file = Builder::new()
        .prefix(".skep-")
        .permissions(new)
        .tempfile_in(folder)?;
    if let Ok(mode) = mode {
        file.as_file().set_permissions(mode)?;
    }
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Whether it is neither a file nor a folder, or one that the system hands out (/dev/stdout).
fn is_special(path: &Path) -> bool {
    let known = path.metadata();
    path.starts_with("/dev") || known.is_ok_and(|one| !one.is_file() && !one.is_dir())
}

fn taken(path: &Path) -> CliError {
    CliError::Failed(format!(
        "{} is there already: remove it, name another one with -o, or overwrite it with --force",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_file_that_is_there_stays_unless_it_is_forced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("east.yaml");
        write(&path, "one", false).unwrap();
        let told = write(&path, "two", false).unwrap_err().to_string();
        assert!(told.contains("is there already"), "{told}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one");
        write(&path, "two", true).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_mode_of_an_overwritten_file_and_the_link_to_it_stay() {
        let dir = tempfile::tempdir().unwrap();
        let (path, link) = (dir.path().join("east.yaml"), dir.path().join("link.yaml"));
        write(&path, "one", false).unwrap();
        assert_ne!(mode(&path), 0o600, "the mask alone decides over a new one");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(free(&link, false).is_err());
        write(&link, "two", true).unwrap();
        assert!(link.is_symlink());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(mode(&path), 0o640);
    }

    #[test]
    fn a_link_to_nothing_is_taken_and_a_device_is_written_to() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("link.yaml");
        std::os::unix::fs::symlink(dir.path().join("none"), &link).unwrap();
        assert!(free(&link, false).is_err());
        write(Path::new("/dev/null"), "text", false).unwrap();
        let nowhere = dir.path().join("none").join("east.yaml");
        let told = write(&nowhere, "text", false).unwrap_err().to_string();
        assert!(told.contains("cannot be written: No such file"), "{told}");
        assert!(!told.contains(".skep-"), "{told}");
        let folder = write(dir.path(), "text", true).unwrap_err().to_string();
        assert!(folder.contains("is a folder"), "{folder}");
    }
}
