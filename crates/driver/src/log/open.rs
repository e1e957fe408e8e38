use std::fs::{self, File, FileType, OpenOptions};
use std::io;
use std::path::Path;

/// Opens a file to read it, if it is one that opening and reading does not wait for.
///
/// # Errors
///
/// Returns an error if it cannot be opened, and also if it is a directory, a FIFO, a socket or a
/// disk.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    // Before it is opened: a program that waits at the other end of a FIFO would notice.
    check(fs::metadata(path)?.file_type())?;
    open_with(File::options().read(true), path)
}

/// Opens a file to add to it, which is made if need be; else as [`open`].
pub(crate) fn open_to_append(path: &Path) -> io::Result<File> {
    if let Ok(metadata) = fs::metadata(path) {
        check(metadata.file_type())?;
    }
    open_with(File::options().append(true).create(true), path)
}

fn open_with(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // Something else may take its place in between.
        let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
        options.custom_flags(flags.bits().cast_signed());
    }
    let file = options.open(path)?;
    check(file.metadata()?.file_type())?;
    Ok(file)
}

fn check(found: FileType) -> io::Result<()> {
    #[cfg(unix)]
    let is_device = std::os::unix::fs::FileTypeExt::is_char_device(&found);
    #[cfg(not(unix))]
    let is_device = false;
    if found.is_file() || is_device {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("it is {}, not a regular file", described(found)),
    ))
}

fn described(found: FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if found.is_fifo() {
            return "a FIFO";
        }
        if found.is_socket() {
            return "a socket";
        }
        if found.is_block_device() {
            return "a disk";
        }
    }
    if found.is_dir() {
        "a directory"
    } else {
        "something else"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_it_would_have_to_wait_for() {
        let folder = tempfile::tempdir().unwrap();
        assert!(
            open(folder.path())
                .unwrap_err()
                .to_string()
                .contains("a directory")
        );
        #[cfg(unix)]
        {
            use rustix::fs::{CWD, FileType, Mode, mknodat};
            let fifo = folder.path().join("fifo");
            mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
            for opened in [open(&fifo), open_to_append(&fifo)] {
                assert_eq!(
                    opened.unwrap_err().to_string(),
                    "it is a FIFO, not a regular file"
                );
            }
            // Nobody waits for these: they are not worse than an endless file.
            open(Path::new("/dev/null")).unwrap();
        }
    }

    #[test]
    fn opens_what_is_a_file() {
        use std::io::Write;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        assert_eq!(open(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
        for _ in 0..2 {
            open_to_append(&path).unwrap().write_all(b"x").unwrap();
        }
        assert_eq!(io::read_to_string(open(&path).unwrap()).unwrap(), "xx");
    }
}
