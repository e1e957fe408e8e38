//! Reading the files that a test names.

use std::fs;
use std::io;
use std::path::Path;

/// Reads a whole file, which must be a regular one: a FIFO would keep its reader waiting, and
/// a device may have no end.
///
/// # Errors
///
/// Returns an error if the file does not exist, is not a regular file, or cannot be read.
pub fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let metadata = fs::metadata(path)?;
    match (metadata.is_file(), metadata.is_dir()) {
        (true, _) => fs::read(path),
        (_, true) => Err(io::ErrorKind::IsADirectory.into()),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is not a regular file",
        )),
    }
}
