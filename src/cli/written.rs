//! Files that verbs write: whole or not at all where that is possible, and never over somebody's
//! work unasked.

use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
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
///
/// As editors do it, a file that others have a part in (another owner's, or one with further names)
/// is written in place, and so is what a link leads to that is not there yet.
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
    // A terminal, a pipe or /dev/null cannot be replaced, and a link to nothing is no file.
    let Ok(target) = path.canonicalize().or_else(|error| {
        let is_new = !path.is_symlink();
        is_new.then(|| path.to_owned()).ok_or(error)
    }) else {
        return std::fs::write(path, text).map_err(failed);
    };
    if is_special(path) {
        return std::fs::write(path, text).map_err(failed);
    }
    let file = beside(&target, text).map_err(failed)?;
    if force && is_shared(&target, file.as_file()).map_err(failed)? {
        return std::fs::write(&target, text).map_err(failed);
    }
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

/// Whether a file is there that would lose its owner, its group or another of its names to a new
/// one.
fn is_shared(target: &Path, new: &std::fs::File) -> std::io::Result<bool> {
    let Ok(old) = target.metadata() else {
        return Ok(false);
    };
    let new = new.metadata()?;
    Ok(old.nlink() > 1 || (old.uid(), old.gid()) != (new.uid(), new.gid()))
}

/// Whether it is neither a file nor a folder, or what this process was given to write to.
fn is_special(path: &Path) -> bool {
    let is_given = ["/dev/stdout", "/dev/stderr", "/dev/fd"]
        .iter()
        .any(|given| path.starts_with(given));
    let known = path.metadata();
    is_given || known.is_ok_and(|one| !one.is_file() && !one.is_dir())
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
        let usual = dir.path().join("usual");
        std::fs::File::create(&usual).unwrap();
        assert_eq!(mode(&path), mode(&usual));
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
        write(&link, "text", true).unwrap();
        assert!(link.is_symlink());
        let made = std::fs::read_to_string(dir.path().join("none")).unwrap();
        assert_eq!(made, "text");
        write(Path::new("/dev/null"), "text", false).unwrap();
        let nowhere = dir.path().join("nowhere").join("east.yaml");
        let told = write(&nowhere, "text", false).unwrap_err().to_string();
        assert!(told.contains("cannot be written: No such file"), "{told}");
        assert!(!told.contains(".skep-"), "{told}");
        let folder = write(dir.path(), "text", true).unwrap_err().to_string();
        assert!(folder.contains("is a folder"), "{folder}");
    }

    #[test]
    fn a_file_below_dev_is_a_file() {
        assert!(is_special(Path::new("/dev/null")));
        assert!(is_special(Path::new("/dev/stdout")));
        let Ok(dir) = tempfile::tempdir_in("/dev/shm") else {
            return; // Not every system has it.
        };
        let path = dir.path().join("east.yaml");
        write(&path, "one", false).unwrap();
        write(&path, "two", false).unwrap_err();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one");
    }

    #[test]
    fn a_file_that_others_have_a_part_in_is_written_in_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("east.yaml");
        let other = dir.path().join("other.yaml");
        write(&path, "one", false).unwrap();
        std::fs::hard_link(&path, &other).unwrap();
        write(&path, "two", true).unwrap();
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "two");
        std::fs::remove_file(&other).unwrap();
        // Only root can give a file away.
        if std::os::unix::fs::chown(&path, Some(4_711), None).is_ok() {
            write(&path, "three", true).unwrap();
            assert_eq!(path.metadata().unwrap().uid(), 4_711);
            assert_eq!(std::fs::read_to_string(&path).unwrap(), "three");
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
