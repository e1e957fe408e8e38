//! A child and its process group, for Unixes that are not Linux.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use command_fds::{CommandFdExt, FdMapping};
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid,
};
use standin_sync::Unpoisoned;

use super::{Event, Prepared};
use crate::below::Descendant;
use crate::{Exit, SpawnError};

/// By which a child is held: as long as it is not reaped, its number, which is
/// also that of its group, is its own.
#[derive(Debug)]
pub(crate) struct Handle {
    pid: u32,
    /// Whether the group of that number is its own.
    leads: bool,
    process: Mutex<std::process::Child>,
    end: Mutex<Sender<()>>,
}

/// Reports what happens to a child.
#[derive(Debug)]
pub(crate) struct Watch {
    pid: u32,
    has_exited: bool,
    end: Receiver<()>,
}

impl Handle {
    pub(crate) fn spawn(
        prepared: Prepared,
        joined: Option<&dyn Fn(u32)>,
    ) -> Result<(Self, Watch), SpawnError> {
        let program = prepared.path.display().to_string();
        let failed = |source| SpawnError::Program {
            program: program.clone(),
            source,
        };
        let mut command = Command::new(&prepared.path);
        let mut arguments = prepared.arguments.into_iter();
        if let Some(name) = arguments.next() {
            command.arg0(name);
        }
        command.args(arguments).env_clear().envs(prepared.variables);
        if !prepared.keeps_group {
            command.process_group(0);
        }
        if let Some(directory) = &prepared.directory {
            command.current_dir(directory);
        }
        let mut files = prepared.files.into_iter();
        let mut stream = || files.next().map_or_else(Stdio::null, Stdio::from);
        command.stdin(stream()).stdout(stream()).stderr(stream());
        let passed = files.zip(3..).map(|(file, child_fd)| FdMapping {
            parent_fd: OwnedFd::from(file),
            child_fd,
        });
        let passed = passed.collect();
        command
            .fd_mappings(passed)
            .map_err(|error| failed(io::Error::other(error)))?;
        let process = command.spawn().map_err(failed)?;
        let pid = process.id();
        if let Some(joined) = joined {
            joined(pid);
        }
        let (end, ended) = channel();
        let handle = Self {
            pid,
            leads: !prepared.keeps_group,
            process: Mutex::new(process),
            end: Mutex::new(end),
        };
        let watch = Watch {
            pid,
            has_exited: false,
            end: ended,
        };
        Ok((handle, watch))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) fn root(&self) -> u32 {
        self.pid
    }

    pub(crate) fn below(&self) -> Vec<Descendant> {
        Vec::new()
    }

    /// Has the group ended. May be called again until it is reaped.
    pub(crate) fn end(&self) {
        let kill = if self.leads {
            kill_process_group
        } else {
            kill_process
        };
        if let Some(pid) = number(self.pid) {
            let _ = kill(pid, Signal::KILL);
        }
        let end = self.end.lock().unpoisoned();
        // Nobody hears it who knows it already.
        let _ = end.send(());
    }

    pub(crate) fn reap(&self) {
        let mut process = self.process.lock().unpoisoned();
        // Where the caller ignores SIGCHLD the system has done it.
        let _ = process.wait();
    }
}

impl Watch {
    /// Waits for what happens next.
    pub(crate) fn next(&mut self) -> Event {
        if !self.has_exited {
            self.has_exited = true;
            let exit = self.wait();
            return Event::Exited { exit, alone: true };
        }
        let _ = self.end.recv();
        Event::Gone
    }

    /// Blocks until the child has ended. It stays a zombie, so its number and that
    /// of its group are not given to others.
    fn wait(&self) -> Exit {
        let unknown = Exit::Signal(Signal::KILL.as_raw());
        let Some(pid) = number(self.pid) else {
            return unknown;
        };
        loop {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            match waitid(WaitId::Pid(pid), options) {
                Ok(Some(status)) => {
                    return Exit::of(status.terminating_signal(), status.exit_status());
                }
                Ok(None) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => {
                    // The caller ignores SIGCHLD, or has reaped what is not its own.
                    tracing::warn!(pid = self.pid, %error, "nobody knows how a process ended");
                    return unknown;
                }
            }
        }
    }
}

fn number(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}
