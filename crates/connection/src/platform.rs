//! All that depends on the operating system.

pub use system::listening_addresses;
pub(crate) use system::{open_files, open_sockets};

#[cfg(target_os = "linux")]
mod system {
    use std::collections::HashSet;
    use std::io;
    use std::net::SocketAddr;

    use crate::proc::{self, Process, TcpState};
    use crate::{
        FileAccess, FileRow, ProcessError, ProcessScope, SocketRow, SocketState, Transport,
    };

    pub(crate) fn open_sockets(
        pid: u32,
        scope: ProcessScope,
    ) -> Result<Vec<SocketRow>, ProcessError> {
        let mut rows = Vec::new();
        // A socket that parent and child share is still one socket.
        let mut seen = HashSet::new();
        for_each(pid, scope, |process| {
            let descriptors = process.descriptors()?;
            let sockets = descriptors.iter().filter_map(|open| open.socket());
            let mine: HashSet<u64> = sockets.filter(|inode| seen.insert(*inode)).collect();
            if mine.is_empty() {
                return Ok(());
            }
            let mut tcp = process.tcp()?;
            tcp.retain(|socket| mine.contains(&socket.inode));
            rows.extend(tcp.into_iter().map(|socket| SocketRow {
                transport: Transport::Tcp,
                state: match socket.state {
                    TcpState::Listen => SocketState::Listen,
                    TcpState::Established => SocketState::Established,
                    TcpState::HalfClosed => SocketState::HalfClosed,
                    TcpState::Other => SocketState::Other,
                },
                local: address(socket.local),
                peer: address(socket.peer),
            }));
            let mut udp = process.udp()?;
            udp.retain(|socket| mine.contains(&socket.inode));
            rows.extend(udp.into_iter().map(|socket| SocketRow {
                transport: Transport::Udp,
                state: SocketState::Stateless,
                local: address(socket.local),
                peer: address(socket.peer),
            }));
            Ok(())
        })?;
        Ok(rows)
    }

    pub(crate) fn open_files(pid: u32, scope: ProcessScope) -> Result<Vec<FileRow>, ProcessError> {
        let mut rows = Vec::new();
        let mut seen = HashSet::new();
        for_each(pid, scope, |process| {
            for descriptor in process.descriptors()? {
                let access = match (descriptor.is_readable(), descriptor.is_writable()) {
                    (true, true) => FileAccess::ReadWrite,
                    (true, false) => FileAccess::Read,
                    (false, true) => FileAccess::Write,
                    (false, false) => continue,
                };
                let Some(path) = descriptor.into_path() else {
                    continue;
                };
                let row = FileRow { path, access };
                if row.path.is_file() && seen.insert(row.clone()) {
                    rows.push(row);
                }
            }
            Ok(())
        })?;
        Ok(rows)
    }

    /// Returns the addresses with a TCP listener in this network namespace.
    ///
    /// # Errors
    ///
    /// Returns an error if the system's table cannot be read.
    pub fn listening_addresses() -> io::Result<Vec<SocketAddr>> {
        let sockets = Process::myself().tcp()?.into_iter();
        let listening = sockets.filter(|socket| socket.state == TcpState::Listen);
        Ok(listening.map(|socket| socket.local).collect())
    }

    /// Calls `read` with the process and, if wanted, with each descendant.
    ///
    /// A descendant that ends meanwhile, or that belongs to another user, is skipped; for the
    /// process itself this is an error.
    fn for_each(
        pid: u32,
        scope: ProcessScope,
        mut read: impl FnMut(&Process) -> io::Result<()>,
    ) -> Result<(), ProcessError> {
        let explained = |error| explain(pid, error);
        read(&Process::new(pid)).map_err(explained)?;
        if scope == ProcessScope::Alone {
            return Ok(());
        }
        for descendant in proc::descendants(pid).map_err(explained)? {
            match read(&Process::new(descendant)).map_err(explained) {
                Ok(()) | Err(ProcessError::NotFound { .. } | ProcessError::AccessDenied { .. }) => {
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The tables write an address that is not there as zeros.
    fn address(address: SocketAddr) -> Option<SocketAddr> {
        (address.port() != 0).then_some(address)
    }

    fn explain(pid: u32, error: io::Error) -> ProcessError {
        /// `ESRCH` on every Linux: what the kernel says of a folder that is open while its
        /// process ends.
        const NO_SUCH_PROCESS: i32 = 3;
        match error.kind() {
            io::ErrorKind::NotFound => ProcessError::NotFound { pid },
            io::ErrorKind::PermissionDenied => ProcessError::AccessDenied { pid },
            _ if error.raw_os_error() == Some(NO_SUCH_PROCESS) => ProcessError::NotFound { pid },
            _ => ProcessError::Unreadable {
                pid,
                source: Box::new(error),
            },
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::io;
    use std::net::SocketAddr;

    use crate::{FileRow, ProcessError, ProcessScope, SocketRow};

    pub(crate) fn open_sockets(
        _pid: u32,
        _scope: ProcessScope,
    ) -> Result<Vec<SocketRow>, ProcessError> {
        Err(not_supported())
    }

    pub(crate) fn open_files(
        _pid: u32,
        _scope: ProcessScope,
    ) -> Result<Vec<FileRow>, ProcessError> {
        Err(not_supported())
    }

    /// Returns the addresses with a TCP listener in this network namespace.
    ///
    /// # Errors
    ///
    /// Returns an error on this system, which has no table of them.
    pub fn listening_addresses() -> io::Result<Vec<SocketAddr>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn not_supported() -> ProcessError {
        ProcessError::NotSupported {
            platform: std::env::consts::OS,
        }
    }
}
