//! What the platform provides.
//!
//! - Every Unix: process groups, signals, and waiting for the end of a process
//!   without forgetting it, so that its number is not given to another one
//!   while its group still has to be ended.
//! - Linux in addition: finding the members of a process tree that have left the
//!   group, and waiting for the end of processes that are not our children.
//! - Elsewhere: nothing; a start answers "not supported".

pub(crate) use imp::*;

#[cfg(unix)]
mod imp {
    use std::io;
    use std::process::Command;

    use rustix::process::{Pid, WaitId, WaitIdOptions};

    use crate::{Exit, Signal};

    pub(crate) const IS_SUPPORTED: bool = true;

    fn raw(signal: Signal) -> rustix::process::Signal {
        use rustix::process::Signal as Raw;
        match signal {
            Signal::Terminate => Raw::TERM,
            Signal::Interrupt => Raw::INT,
            Signal::Quit => Raw::QUIT,
            Signal::HangUp => Raw::HUP,
            Signal::Kill => Raw::KILL,
            Signal::User1 => Raw::USR1,
            Signal::User2 => Raw::USR2,
        }
    }

    pub(crate) fn signal_name(signal: i32) -> Option<&'static str> {
        use rustix::process::Signal as Raw;
        let name = match Raw::from_named_raw(signal)? {
            Raw::HUP => "SIGHUP",
            Raw::INT => "SIGINT",
            Raw::QUIT => "SIGQUIT",
            Raw::ILL => "SIGILL",
            Raw::TRAP => "SIGTRAP",
            Raw::ABORT => "SIGABRT",
            Raw::BUS => "SIGBUS",
            Raw::FPE => "SIGFPE",
            Raw::KILL => "SIGKILL",
            Raw::USR1 => "SIGUSR1",
            Raw::SEGV => "SIGSEGV",
            Raw::USR2 => "SIGUSR2",
            Raw::PIPE => "SIGPIPE",
            Raw::ALARM => "SIGALRM",
            Raw::TERM => "SIGTERM",
            Raw::XCPU => "SIGXCPU",
            Raw::XFSZ => "SIGXFSZ",
            Raw::SYS => "SIGSYS",
            _ => return None,
        };
        Some(name)
    }

    fn pid_of(pid: u32) -> io::Result<Pid> {
        i32::try_from(pid)
            .ok()
            .and_then(Pid::from_raw)
            .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    /// The new process leads a group of its own, which has its number.
    pub(crate) fn lead_group(command: &mut Command) {
        std::os::unix::process::CommandExt::process_group(command, 0);
    }

    pub(crate) fn set_first_argument(command: &mut Command, argument: &str) {
        std::os::unix::process::CommandExt::arg0(command, argument);
    }

    /// The process inherits the sockets as descriptors 3, 4, ...
    pub(crate) fn pass(
        command: &mut Command,
        sockets: Vec<std::net::TcpListener>,
    ) -> io::Result<()> {
        use command_fds::{CommandFdExt, FdMapping};
        let mappings = sockets
            .into_iter()
            .zip(3..)
            .map(|(socket, child_fd)| FdMapping {
                parent_fd: socket.into(),
                child_fd,
            })
            .collect();
        command.fd_mappings(mappings).map_err(io::Error::other)?;
        Ok(())
    }

    pub(crate) fn is_executable(metadata: &std::fs::Metadata) -> bool {
        std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o111 != 0
    }

    pub(crate) fn signal_process(pid: u32, signal: Signal) -> io::Result<()> {
        Ok(rustix::process::kill_process(pid_of(pid)?, raw(signal))?)
    }

    pub(crate) fn signal_group(leader: u32, signal: Signal) -> io::Result<()> {
        let leader = pid_of(leader)?;
        Ok(rustix::process::kill_process_group(leader, raw(signal))?)
    }

    pub(crate) fn freeze_group(leader: u32, frozen: bool) -> io::Result<()> {
        let signal = match frozen {
            true => rustix::process::Signal::STOP,
            false => rustix::process::Signal::CONT,
        };
        let leader = pid_of(leader)?;
        Ok(rustix::process::kill_process_group(leader, signal)?)
    }

    /// Blocks until the child has ended. It stays a zombie, so its number and
    /// that of its group are not given to others.
    pub(crate) fn wait_for_end(pid: u32) -> io::Result<Exit> {
        let pid = pid_of(pid)?;
        loop {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            match rustix::process::waitid(WaitId::Pid(pid), options) {
                Ok(Some(status)) => {
                    return Ok(match status.terminating_signal() {
                        Some(signal) => Exit::Signal(signal),
                        None => Exit::Code(status.exit_status().unwrap_or_default()),
                    });
                }
                Ok(None) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(not(unix))]
mod imp {
    use std::io;
    use std::process::Command;

    use crate::{Exit, Signal};

    pub(crate) const IS_SUPPORTED: bool = false;

    fn not_supported<T>() -> io::Result<T> {
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }

    pub(crate) fn signal_name(_signal: i32) -> Option<&'static str> {
        None
    }

    pub(crate) fn lead_group(_command: &mut Command) {}

    pub(crate) fn set_first_argument(_command: &mut Command, _argument: &str) {}

    pub(crate) fn pass(
        _command: &mut Command,
        _sockets: Vec<std::net::TcpListener>,
    ) -> io::Result<()> {
        not_supported()
    }

    pub(crate) fn is_executable(_metadata: &std::fs::Metadata) -> bool {
        true
    }

    pub(crate) fn signal_process(_pid: u32, _signal: Signal) -> io::Result<()> {
        not_supported()
    }

    pub(crate) fn signal_group(_leader: u32, _signal: Signal) -> io::Result<()> {
        not_supported()
    }

    pub(crate) fn freeze_group(_leader: u32, _frozen: bool) -> io::Result<()> {
        not_supported()
    }

    pub(crate) fn wait_for_end(_pid: u32) -> io::Result<Exit> {
        not_supported()
    }
}
