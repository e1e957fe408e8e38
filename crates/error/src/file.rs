//! Opening and reading the files that a test names, without ever waiting for another program.

use std::fs::{self, File, FileType, OpenOptions};
use std::io::{self, Read as _};
use std::path::Path;

/// The largest file that is read as a whole. A file of the system may say that it is empty, and
/// have no end.
const LARGEST: u64 = 1 << 30;

/// Reads a whole file, which must be a regular one, and not larger than 1 GiB.
///
/// # Errors
///
/// Returns the errors of [`open_file`] and [`read_open_file`].
pub fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    read_open_file(open_file(path)?)
}

/// Opens a file to read it, which must be a regular one: a FIFO would keep its reader waiting, and
/// a device may have no end.
///
/// # Errors
///
/// Returns an error if it cannot be opened, or is not a regular file.
pub fn open_file(path: &Path) -> io::Result<File> {
    open_checked(File::options().read(true), path, FileType::is_file)
}

/// Opens a file, which must be a regular one or a character device, such as `/dev/null`.
///
/// # Errors
///
/// Returns an error if it cannot be opened, or is something else.
pub fn open_file_or_device(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    open_checked(options, path, |found| {
        found.is_file() || is_character_device(found)
    })
}

fn open_checked(
    options: &mut OpenOptions,
    path: &Path,
    is_allowed: impl Fn(&FileType) -> bool,
) -> io::Result<File> {
    let check = |metadata: fs::Metadata| match metadata.file_type() {
        found if is_allowed(&found) => Ok(()),
        found => Err(io::Error::new(
            if found.is_dir() {
                io::ErrorKind::IsADirectory
            } else {
                io::ErrorKind::InvalidInput
            },
            format!("it is {}, not a regular file", described(&found)),
        )),
    };
    // Before it is opened: a program at the other end of a FIFO would notice, and so would some
    // devices. What is not there may be created.
    if let Ok(metadata) = fs::metadata(path) {
        check(metadata)?;
    }
    let file = open_without_waiting(options, path)?;
    // Something else may have taken its place in between.
    check(file.metadata()?)?;
    Ok(file)
}

/// Opens whatever is at a path, but does not wait, and does not wait to read or write it either.
///
/// # Errors
///
/// Returns an error if it cannot be opened, or not without waiting for another program.
pub fn open_without_waiting(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
        options.custom_flags(flags.bits().cast_signed());
    }
    options.open(path)
}

/// Reads the rest of a file that was opened without waiting.
///
/// # Errors
///
/// Returns an error if it cannot be read, or not to its end without waiting, and if there is more
/// than 1 GiB.
pub fn read_open_file(file: File) -> io::Result<Vec<u8>> {
    read_at_most(file, LARGEST)
}

fn read_at_most(file: File, limit: u64) -> io::Result<Vec<u8>> {
    let too_large = || {
        let reason = format!("it is larger than {} MiB", limit >> 20);
        Err(io::Error::new(io::ErrorKind::FileTooLarge, reason))
    };
    // Not to begin with one that has no chance.
    let size = file.metadata()?.len();
    if size > limit {
        return too_large();
    }
    let mut bytes = Vec::new();
    // With room for all of it, it is not read piece by piece.
    bytes.try_reserve_exact(usize::try_from(size).unwrap_or(usize::MAX))?;
    match file.take(limit + 1).read_to_end(&mut bytes) {
        Ok(count) if count as u64 > limit => too_large(),
        Ok(_) => Ok(bytes),
        // What the system itself writes, such as `/proc/kmsg`, may pass for a regular file.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(io::Error::new(
            error.kind(),
            "it cannot be read to its end without waiting",
        )),
        Err(error) => Err(error),
    }
}

fn is_character_device(found: &FileType) -> bool {
    #[cfg(unix)]
    return std::os::unix::fs::FileTypeExt::is_char_device(found);
    #[cfg(not(unix))]
    return false;
}

fn described(found: &FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt as _;
        if found.is_fifo() {
            return "a FIFO";
        }
        if found.is_socket() {
            return "a socket";
        }
        if found.is_block_device() {
            return "a block device";
        }
    }
    match (found.is_dir(), is_character_device(found)) {
        (true, _) => "a directory",
        (_, true) => "a character device",
        _ => "something else",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_file_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        assert_eq!(
            read_file(&path).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
        for text in ["", "text"] {
            fs::write(&path, text).unwrap();
            assert_eq!(read_file(&path).unwrap(), text.as_bytes());
        }
        let refused = read_file(folder.path()).unwrap_err();
        assert_eq!(refused.to_string(), "it is a directory, not a regular file");
        assert_eq!(refused.kind(), io::ErrorKind::IsADirectory);
    }

    #[test]
    fn creates_a_file_if_it_is_asked_to() {
        use std::io::Write as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        for _ in 0..2 {
            let mut options = File::options();
            let mut file = open_file_or_device(options.append(true).create(true), &path).unwrap();
            file.write_all(b"x").unwrap();
        }
        assert_eq!(read_file(&path).unwrap(), b"xx");
    }

    #[test]
    fn reads_no_more_than_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, [b'x'; 9]).unwrap();
        let read = |limit| read_at_most(open_file(&path).unwrap(), limit);
        assert_eq!(read(9).unwrap().len(), 9);
        assert_eq!(read(8).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        // It takes no room on the disk, and would take all memory.
        let sparse = File::create(&path).unwrap();
        sparse.set_len(1 << 42).unwrap();
        let refused = read_file(&path).unwrap_err();
        assert_eq!(refused.to_string(), "it is larger than 1024 MiB");
    }

    #[cfg(unix)]
    #[test]
    fn refuses_what_it_would_have_to_wait_for() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&fifo, &link).unwrap();
        for (path, what) in [
            (&*fifo, "a FIFO"),
            (&link, "a FIFO"),
            (&socket, "a socket"),
            (folder.path(), "a directory"),
            (Path::new("/dev/zero"), "a character device"),
        ] {
            let expected = format!("it is {what}, not a regular file");
            assert_eq!(read_file(path).unwrap_err().to_string(), expected);
            let mut options = File::options();
            let opened = open_file_or_device(options.append(true).create(true), path);
            match path == Path::new("/dev/zero") {
                true => drop(opened.unwrap()),
                false => assert_eq!(opened.unwrap_err().to_string(), expected),
            }
        }
        // No reader: the system says so at once.
        open_without_waiting(File::options().write(true), &fifo).unwrap_err();
    }

    /// What the system makes says that it is a regular file without content.
    #[cfg(target_os = "linux")]
    #[test]
    fn reads_files_of_the_system_as_far_as_they_have_an_end() {
        let status = read_file(Path::new("/proc/self/status")).unwrap();
        assert!(status.starts_with(b"Name:"));
        let status = open_file(Path::new("/proc/self/status")).unwrap();
        let refused = read_at_most(status, 8).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::FileTooLarge);
        // A pipe that somebody writes to is like `/proc/kmsg`, whose messages are others'.
        let (reader, _writer) = io::pipe().unwrap();
        rustix::io::ioctl_fionbio(&reader, true).unwrap();
        let file = File::from(std::os::fd::OwnedFd::from(reader));
        let refused = read_open_file(file).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "it cannot be read to its end without waiting"
        );
    }
}
