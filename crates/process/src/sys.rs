//! What the platform provides beyond what `standin-child` does.

pub(crate) use imp::*;

#[cfg(unix)]
mod imp {
    use std::fs::{File, OpenOptions};
    use std::io;
    use std::net::TcpListener;
    use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
    use std::path::Path;

    use rustix::fs::OFlags;
    use standin_child::Command;

    use crate::Signal;

    pub(crate) fn number(signal: Signal) -> i32 {
        use rustix::process::Signal as Raw;
        let raw = match signal {
            Signal::Terminate => Raw::TERM,
            Signal::Interrupt => Raw::INT,
            Signal::Quit => Raw::QUIT,
            Signal::HangUp => Raw::HUP,
            Signal::Kill => Raw::KILL,
            Signal::User1 => Raw::USR1,
            Signal::User2 => Raw::USR2,
        };
        raw.as_raw()
    }

    /// The number of the signal that stops, or continues, a process.
    pub(crate) fn freezing(frozen: bool) -> i32 {
        use rustix::process::Signal as Raw;
        if frozen { Raw::STOP } else { Raw::CONT }.as_raw()
    }

    /// The program inherits the sockets as descriptors 3, 4, ...
    pub(crate) fn pass(command: &mut Command, sockets: Vec<TcpListener>) {
        for socket in sockets {
            command.pass(socket);
        }
    }

    /// Opens a file to read; `None` for a FIFO, whose opening has to wait for a
    /// writer.
    pub(crate) fn open_to_read(path: &Path) -> io::Result<Option<File>> {
        let file_type = std::fs::metadata(path)?.file_type();
        // The system opens one, but each read fails.
        if file_type.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        // Not even for a moment: it would let a writer go on, and then break its pipe.
        if file_type.is_fifo() {
            return Ok(None);
        }
        open(OpenOptions::new().read(true), OFlags::empty(), path).map(Some)
    }

    /// Opens a file to append, and empties it.
    pub(crate) fn open_to_append(path: &Path) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        // The standard library takes the one or the other, the system both.
        open(&mut options, OFlags::APPEND, path)
    }

    /// Opens a file without waiting, for another process that shall wait as usual.
    fn open(options: &mut OpenOptions, more: OFlags, path: &Path) -> io::Result<File> {
        let flags = (OFlags::NONBLOCK | OFlags::NOCTTY | more).bits() as i32;
        let file = options.custom_flags(flags).open(path)?;
        let flags = rustix::fs::fcntl_getfl(&file)?;
        rustix::fs::fcntl_setfl(&file, flags - OFlags::NONBLOCK)?;
        Ok(file)
    }
}

#[cfg(not(unix))]
mod imp {
    use std::fs::File;
    use std::io;
    use std::net::TcpListener;
    use std::path::Path;

    use standin_child::Command;

    use crate::Signal;

    pub(crate) fn number(_signal: Signal) -> i32 {
        0
    }

    pub(crate) fn freezing(_frozen: bool) -> i32 {
        0
    }

    pub(crate) fn pass(_command: &mut Command, _sockets: Vec<TcpListener>) {}

    pub(crate) fn open_to_read(path: &Path) -> io::Result<Option<File>> {
        File::open(path).map(Some)
    }

    pub(crate) fn open_to_append(path: &Path) -> io::Result<File> {
        File::create(path)?;
        File::options().append(true).open(path)
    }
}
