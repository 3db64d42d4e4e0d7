//! Files that are read whole, and never more of them than was meant to be there.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::path::Path;

/// Most of a key, of a certificate or of Docker's own configuration, in bytes: far more than any
/// of them has.
pub const SMALL: u64 = 1 << 20;

/// The content of a file; `FileTooLarge` when there is more than `most` bytes, whatever its size
/// is said to be: a device or a pipe has none.
pub fn bytes(path: &Path, most: u64) -> Result<Vec<u8>> {
    within(File::open(path)?, most)
}

/// As [`bytes`], as text.
pub fn text(path: &Path, most: u64) -> Result<String> {
    let bytes = bytes(path, most)?;
    String::from_utf8(bytes).map_err(|_| Error::new(ErrorKind::InvalidData, "it is not text"))
}

/// All that there is to read, up to a limit.
pub fn within(from: impl Read, most: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        let told = format!("it is larger than {most} bytes");
        return Err(Error::new(ErrorKind::FileTooLarge, told));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_ends_is_given_up_and_what_fits_is_read_whole() {
        let endless = text(Path::new("/dev/zero"), SMALL).unwrap_err();
        assert_eq!(endless.kind(), ErrorKind::FileTooLarge);
        assert_eq!(within(&[7; 4][..], 4).unwrap(), [7; 4]);
        assert!(within(&[7; 5][..], 4).is_err());
    }
}
