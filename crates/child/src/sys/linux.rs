use std::ffi::{CString, OsStr, OsString};
use std::io::{self, IoSliceMut, PipeReader, PipeWriter};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitOptions};
use rustix::process::{waitid, waitpid};

use super::message::{Message, Stage};
use super::supervisor::{self, Program};
use super::{Event, Prepared};
use crate::{Exit, SpawnError, below};

/// By which a child is held: its supervisor.
#[derive(Debug)]
pub(crate) struct Handle {
    leader: Pid,
    supervisor: Pid,
    /// The same process, however long ago it ended.
    supervisor_fd: Arc<OwnedFd>,
    control: UnixStream,
}

/// Reports what happens to a child.
#[derive(Debug)]
pub(crate) struct Watch {
    reports: UnixStream,
    leader: Pid,
    /// The supervisor and the leader, if the system has given something to hold them by.
    held: Option<(Arc<OwnedFd>, OwnedFd)>,
    has_exited: bool,
}

impl Handle {
    pub(crate) fn spawn(
        prepared: Prepared,
        joined: Option<&dyn Fn(u32)>,
    ) -> Result<(Self, Watch), SpawnError> {
        let mut program = program(prepared)?;
        let name = String::from_utf8_lossy(program.path.as_bytes()).into_owned();
        let directory = program.directory.clone();
        let failed = |source| SpawnError::System {
            program: name.clone(),
            source,
        };
        let held = match joined {
            Some(joined) => {
                let (hold, release) = io::pipe().map_err(failed)?;
                program.hold = Some(hold.into());
                Some((release, joined))
            }
            None => None,
        };
        let (control, theirs) = UnixStream::pair().map_err(failed)?;
        let reports = control.try_clone().map_err(failed)?;
        let supervisor = supervisor::fork(program, theirs.as_fd()).map_err(failed)?;
        drop(theirs);
        let mut watch = Watch {
            reports,
            leader: supervisor,
            held: None,
            has_exited: false,
        };
        let error = match watch.read_start(held) {
            // It lives, so this is still the same process.
            Some(Message::Starting(pid)) => {
                match rustix::process::pidfd_open(supervisor, PidfdFlags::empty()) {
                    Ok(supervisor_fd) => {
                        let leader = Pid::from_raw(pid).unwrap_or(supervisor);
                        let supervisor_fd = Arc::new(supervisor_fd);
                        watch.leader = leader;
                        // Its supervisor does not reap it.
                        let leader_fd = rustix::process::pidfd_open(leader, PidfdFlags::empty());
                        let held = |leader| (Arc::clone(&supervisor_fd), leader);
                        watch.held = leader_fd.ok().map(held);
                        let handle = Self {
                            leader,
                            supervisor,
                            supervisor_fd,
                            control,
                        };
                        return Ok((handle, watch));
                    }
                    Err(errno) => failed(errno.into()),
                }
            }
            Some(Message::Failed(stage, errno)) => {
                let source = io::Error::from(errno);
                match (stage, &directory) {
                    (Stage::Program, _) => SpawnError::Program {
                        program: name,
                        source,
                    },
                    (Stage::Directory, Some(directory)) => SpawnError::Directory {
                        directory: OsStr::from_bytes(directory.as_bytes()).into(),
                        source,
                    },
                    _ => failed(source),
                }
            }
            _ => failed(io::Error::other("its supervisor was killed")),
        };
        // It ends everything, if there is anything, and then itself.
        let _ = control.shutdown(Shutdown::Both);
        let _ = retry_on_intr(|| waitpid(Some(supervisor), WaitOptions::empty()));
        Err(error)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.leader.as_raw_pid().unsigned_abs()
    }

    pub(crate) fn root(&self) -> u32 {
        self.supervisor.as_raw_pid().unsigned_abs()
    }

    /// The processes below the supervisor, without the program.
    pub(crate) fn below(&self) -> Vec<below::Descendant> {
        let found = below::list(self.root(), self.pid());
        // Then the number has been the supervisor's all the time.
        if has_ended(&self.supervisor_fd) {
            return Vec::new();
        }
        found
    }

    /// Has everything ended. May be called again.
    pub(crate) fn end(&self) {
        // Fails only if it has ended already.
        let _ = self.control.shutdown(Shutdown::Write);
    }

    /// Takes the supervisor out of the system's table, once it is gone.
    pub(crate) fn reap(&self) {
        let supervisor = || WaitId::PidFd(self.supervisor_fd.as_fd());
        // Fails where the test ignores SIGCHLD: then the system has done it.
        let _ = retry_on_intr(|| waitid(supervisor(), WaitIdOptions::EXITED));
    }
}

impl Watch {
    /// Waits for what happens next.
    pub(crate) fn next(&mut self) -> Event {
        match Message::read(&mut self.reports) {
            Some(Message::Exited { exit, alone }) => {
                self.has_exited = true;
                Event::Exited { exit, alone }
            }
            Some(Message::Alone) => Event::Alone,
            _ if self.has_exited => Event::Gone,
            _ => {
                self.has_exited = true;
                self.end_without_supervisor()
            }
        }
    }

    /// Waits until the program runs, or it is known why it does not.
    fn read_start(&mut self, held: Option<(PipeWriter, &dyn Fn(u32))>) -> Option<Message> {
        match self.read_with_pipe()? {
            (Message::Starting(pid), Some(mut pipe)) => {
                let mut report = Message::read(&mut pipe);
                if let (Some(Message::Joined), Some((release, joined))) = (report, held) {
                    joined(pid.unsigned_abs());
                    drop(release);
                    report = Message::read(&mut pipe);
                }
                report.or(Some(Message::Starting(pid)))
            }
            // There was no descriptor left for the pipe.
            (Message::Starting(_), None) => Some(Message::Failed(Stage::Supervisor, Errno::MFILE)),
            (failed, _) => Some(failed),
        }
    }

    /// A message, and what is attached to it.
    fn read_with_pipe(&mut self) -> Option<(Message, Option<PipeReader>)> {
        let mut bytes = [0; Message::SIZE];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut attached = RecvAncillaryBuffer::new(&mut space);
        let into = &mut [IoSliceMut::new(&mut bytes)];
        // Written in one piece, it also comes in one.
        let flags = RecvFlags::CMSG_CLOEXEC;
        let received = retry_on_intr(|| recvmsg(&self.reports, into, &mut attached, flags)).ok()?;
        let pipe = attached.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        });
        if received.bytes < Message::SIZE {
            return None;
        }
        Some((Message::decode(bytes)?, pipe.map(PipeReader::from)))
    }

    /// The supervisor was killed, and by the system the program with it.
    /// What else there is is found by its group only.
    fn end_without_supervisor(&self) -> Event {
        let pid = self.leader.as_raw_pid();
        tracing::warn!(
            pid,
            "the supervisor of a process was killed: what it started may still be running"
        );
        if let Some((supervisor, leader)) = &self.held {
            let members = below::group(pid.unsigned_abs());
            let _ = rustix::process::pidfd_send_signal(leader, Signal::KILL);
            for member in &members {
                member.kill();
            }
            let mut orphans = vec![leader];
            orphans.extend(members.iter().map(|member| member.handle()));
            // A process has another parent only when its own is gone, which may be after its own
            // end. So all of them end first.
            wait_for_end(supervisor);
            orphans.iter().for_each(|orphan| wait_for_end(orphan));
            orphans.into_iter().for_each(reap_orphan);
        }
        Event::Exited {
            exit: Exit::Signal(Signal::KILL.as_raw()),
            alone: true,
        }
    }
}

fn wait_for_end(process: &OwnedFd) {
    let mut fds = [PollFd::new(process, PollFlags::IN)];
    let _ = retry_on_intr(|| poll(&mut fds, None));
}

/// Reaps a process that has ended and lost its parent, if that made it a child of this process, as
/// it does when this one is a child subreaper.
fn reap_orphan(process: &OwnedFd) {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    let _ = waitid(WaitId::PidFd(process.as_fd()), options);
}

fn has_ended(process: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(process, PollFlags::IN)];
    let now = rustix::event::Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    poll(&mut fds, Some(&now)).is_ok_and(|ready| ready > 0)
}

fn program(prepared: Prepared) -> Result<Program, SpawnError> {
    let text = |what: &'static str, text: OsString| {
        CString::new(text.into_vec()).map_err(|_| SpawnError::Nul { what })
    };
    let mut variables = Vec::new();
    for (name, value) in prepared.variables {
        let begin = variables.len();
        variables.extend_from_slice(name.as_bytes());
        variables.push(b'=');
        variables.extend_from_slice(value.as_bytes());
        if variables.iter().skip(begin).any(|byte| *byte == 0) {
            return Err(SpawnError::Variable {
                name: name.to_string_lossy().into_owned(),
            });
        }
        variables.push(0);
    }
    let arguments = prepared.arguments.into_iter();
    Ok(Program {
        path: text("the path of the program", prepared.path.into_os_string())?,
        arguments: arguments
            .map(|argument| text("an argument", argument))
            .collect::<Result<_, _>>()?,
        variables,
        directory: prepared
            .directory
            .map(|directory| text("the working directory", directory.into_os_string()))
            .transpose()?,
        files: prepared.files.into_iter().map(OwnedFd::from).collect(),
        group: prepared.keeps_group.then(rustix::process::getpgrp),
        hold: None,
    })
}
