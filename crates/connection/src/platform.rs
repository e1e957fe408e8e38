//! All that depends on the operating system.

pub(crate) use system::{open_files, open_sockets};

#[cfg(target_os = "linux")]
mod system {
    use std::collections::{HashMap, HashSet};
    use std::net::SocketAddr;

    use procfs::ProcError;
    use procfs::net::TcpState;
    use procfs::process::{FDPermissions, FDTarget, Process, all_processes};

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
            let mut mine = HashSet::new();
            for descriptor in process.fd()? {
                // A descriptor that was closed since the folder was listed.
                let Ok(descriptor) = descriptor else { continue };
                if let FDTarget::Socket(inode) = descriptor.target
                    && seen.insert(inode)
                {
                    mine.insert(inode);
                }
            }
            if mine.is_empty() {
                return Ok(());
            }
            // The tables are those of the process's network namespace. Those
            // for IPv6 are missing when the kernel has it switched off.
            let tcp = process.tcp()?.into_iter();
            for entry in tcp.chain(present(process.tcp6())?) {
                if mine.contains(&entry.inode) {
                    rows.push(SocketRow {
                        transport: Transport::Tcp,
                        state: match entry.state {
                            TcpState::Listen => SocketState::Listen,
                            TcpState::Established => SocketState::Established,
                            TcpState::FinWait1 | TcpState::FinWait2 | TcpState::CloseWait => {
                                SocketState::HalfClosed
                            }
                            _ => SocketState::Other,
                        },
                        local: address(entry.local_address),
                        peer: address(entry.remote_address),
                    });
                }
            }
            let udp = process.udp()?.into_iter();
            for entry in udp.chain(present(process.udp6())?) {
                if mine.contains(&entry.inode) {
                    rows.push(SocketRow {
                        transport: Transport::Udp,
                        state: SocketState::Stateless,
                        local: address(entry.local_address),
                        peer: address(entry.remote_address),
                    });
                }
            }
            Ok(())
        })?;
        Ok(rows)
    }

    pub(crate) fn open_files(pid: u32, scope: ProcessScope) -> Result<Vec<FileRow>, ProcessError> {
        let mut rows = Vec::new();
        let mut seen = HashSet::new();
        for_each(pid, scope, |process| {
            for descriptor in process.fd()? {
                let Ok(descriptor) = descriptor else { continue };
                let mode = descriptor.mode();
                let access = match (
                    mode.contains(FDPermissions::READ),
                    mode.contains(FDPermissions::WRITE),
                ) {
                    (true, true) => FileAccess::ReadWrite,
                    (true, false) => FileAccess::Read,
                    (false, true) => FileAccess::Write,
                    (false, false) => continue,
                };
                let FDTarget::Path(path) = descriptor.target else {
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

    /// Calls `read` with the process and, if wanted, with each descendant.
    ///
    /// A descendant that ends meanwhile, or that is somebody else's, has
    /// nothing to show; of the process itself this is an error.
    fn for_each(
        pid: u32,
        scope: ProcessScope,
        mut read: impl FnMut(&Process) -> Result<(), ProcError>,
    ) -> Result<(), ProcessError> {
        // Ids that are no `i32` exist nowhere.
        let id = i32::try_from(pid).map_err(|_| ProcessError::NotFound { pid })?;
        // The kernel takes the id 0 for none, and `/proc/0` is never there.
        let process = Process::new(id).map_err(|error| explain(pid, error))?;
        read(&process).map_err(|error| explain(pid, error))?;
        if scope == ProcessScope::Alone {
            return Ok(());
        }
        for descendant in descendants(id).map_err(|error| explain(pid, error))? {
            let Ok(process) = Process::new(descendant) else {
                continue;
            };
            match read(&process) {
                Ok(()) => {}
                Err(ProcError::NotFound(_) | ProcError::PermissionDenied(_)) => {}
                // The kernel says "no such process" for a folder that is
                // open while its process ends.
                Err(ProcError::Io(error, _)) if is_gone(&error) => {}
                Err(error) => return Err(explain(pid, error)),
            }
        }
        Ok(())
    }

    /// The processes below `root`, nearest first.
    fn descendants(root: i32) -> Result<Vec<i32>, ProcError> {
        let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
        for process in all_processes()? {
            // Any of them may end at any time.
            let Ok(stat) = process.and_then(|process| process.stat()) else {
                continue;
            };
            children.entry(stat.ppid).or_default().push(stat.pid);
        }
        let mut found = vec![root];
        let mut next = 0;
        while let Some(parent) = found.get(next) {
            found.extend(children.remove(parent).unwrap_or_default());
            next += 1;
        }
        found.remove(0);
        Ok(found)
    }

    fn present<T>(table: Result<Vec<T>, ProcError>) -> Result<Vec<T>, ProcError> {
        match table {
            Err(ProcError::NotFound(_)) => Ok(Vec::new()),
            other => other,
        }
    }

    /// The tables write an address that is not there as zeros.
    fn address(address: SocketAddr) -> Option<SocketAddr> {
        (address.port() != 0).then_some(address)
    }

    fn explain(pid: u32, error: ProcError) -> ProcessError {
        match error {
            ProcError::NotFound(_) => ProcessError::NotFound { pid },
            ProcError::PermissionDenied(_) => ProcessError::AccessDenied { pid },
            ProcError::Io(error, _) if is_gone(&error) => ProcessError::NotFound { pid },
            error => ProcessError::Unreadable {
                pid,
                source: Box::new(error),
            },
        }
    }

    fn is_gone(error: &std::io::Error) -> bool {
        /// `ESRCH` on every Linux.
        const NO_SUCH_PROCESS: i32 = 3;
        error.kind() == std::io::ErrorKind::NotFound
            || error.raw_os_error() == Some(NO_SUCH_PROCESS)
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
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

    fn not_supported() -> ProcessError {
        ProcessError::NotSupported {
            platform: std::env::consts::OS,
        }
    }
}
