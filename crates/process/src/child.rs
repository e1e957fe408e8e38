use std::fmt;
use std::io::{self, Write};
use std::process::{ChildStdin, Command};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::guardian::{Guardian, MARK, new_mark};
use crate::tree::{self, Member};
use crate::{Exit, Signal, sys};

/// How long a process may take to be gone after `SIGKILL`.
const DEATH: Duration = Duration::from_secs(5);

/// A process that runs or has ended, with everything that it has started.
///
/// A thread waits for its end, which is announced at once. The process stays in
/// the system's table until [`Child::finish`], so that its number, which is also
/// that of its group, cannot become another's before. Dropping it ends all.
pub(crate) struct Child {
    pid: u32,
    mark: String,
    started: Instant,
    end: Arc<End>,
    stdin: Mutex<Option<ChildStdin>>,
    /// `None` once it is finished.
    held: Mutex<Option<Held>>,
}

struct Held {
    process: std::process::Child,
    waiter: JoinHandle<()>,
    guardian: Option<Arc<Guardian>>,
}

#[derive(Default)]
struct End {
    state: Mutex<Option<(Exit, Instant)>>,
    reached: Condvar,
}

impl Child {
    /// Starts the process; `on_end` is called from another thread when it ends.
    pub(crate) fn spawn(
        mut command: Command,
        on_end: impl FnOnce() + Send + 'static,
    ) -> io::Result<Self> {
        sys::lead_group(&mut command);
        let mark = new_mark();
        command.env(MARK, &mark);
        // First, so that nothing can go wrong between a start and its registration.
        let guardian = Guardian::get()
            .inspect_err(|error| {
                tracing::warn!(%error, "no guardian: processes may outlive a killed test");
            })
            .ok();
        let started = Instant::now();
        let mut process = spawn_when_not_busy(&mut command)?;
        let pid = process.id();
        if let Some(guardian) = &guardian {
            guardian.add(pid);
        }
        let end = Arc::new(End::default());
        let waiter = std::thread::Builder::new()
            .name(format!("process {pid}"))
            .spawn({
                let end = end.clone();
                move || {
                    // It is our child and not reaped by anybody, so this cannot fail.
                    let exit = sys::wait_for_end(pid).unwrap_or(Exit::Code(-1));
                    *end.lock() = Some((exit, Instant::now()));
                    end.reached.notify_all();
                    on_end();
                }
            });
        match waiter {
            Ok(waiter) => Ok(Self {
                pid,
                mark,
                started,
                end,
                stdin: Mutex::new(process.stdin.take()),
                held: Mutex::new(Some(Held {
                    process,
                    waiter,
                    guardian,
                })),
            }),
            Err(error) => {
                let _ = sys::signal_group(pid, Signal::Kill);
                if let Some(guardian) = &guardian {
                    guardian.remove(pid);
                }
                let _ = process.wait();
                Err(error)
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// How it ended, and how long it ran; `None` while it runs.
    pub(crate) fn exit(&self) -> Option<(Exit, Duration)> {
        let end = *self.end.lock();
        end.map(|(exit, at)| (exit, at.saturating_duration_since(self.started)))
    }

    /// Waits for its end; `None` for the time waits as long as it takes.
    pub(crate) fn wait(&self, until: Option<Instant>) -> Option<Exit> {
        let mut state = self.end.lock();
        loop {
            if let Some((exit, _)) = *state {
                return Some(exit);
            }
            let reached = &self.end.reached;
            state = match until {
                None => reached.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return None;
                    }
                    let waited = reached.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        // Under the lock: it is not finished, so the number is still its own.
        match *self.held() {
            Some(_) if self.exit().is_none() => sys::signal_process(self.pid, signal),
            _ => Err(io::Error::from(io::ErrorKind::NotFound)),
        }
    }

    pub(crate) fn signal_group(&self, signal: Signal) -> io::Result<()> {
        match *self.held() {
            Some(_) => sys::signal_group(self.pid, signal),
            None => Err(io::Error::from(io::ErrorKind::NotFound)),
        }
    }

    pub(crate) fn freeze(&self, frozen: bool) -> io::Result<()> {
        match *self.held() {
            Some(_) => sys::freeze_group(self.pid, frozen),
            None => Err(io::Error::from(io::ErrorKind::NotFound)),
        }
    }

    /// What it has started and is below it now.
    pub(crate) fn descendants(&self) -> Vec<Member> {
        tree::descendants(self.pid)
    }

    /// What it has started and is still there, whether or not it is itself.
    pub(crate) fn members(&self) -> Vec<Member> {
        tree::members(self.pid, &format!("{MARK}={}", self.mark))
    }

    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let mut stdin = self.stdin.lock().unwrap_or_else(PoisonError::into_inner);
        let pipe = stdin
            .as_mut()
            .ok_or_else(|| io::Error::from(io::ErrorKind::BrokenPipe))?;
        pipe.write_all(bytes)?;
        pipe.flush()
    }

    pub(crate) fn close_stdin(&self) {
        let mut stdin = self.stdin.lock().unwrap_or_else(PoisonError::into_inner);
        drop(stdin.take());
    }

    /// Kills it with everything that it has started, at once.
    pub(crate) fn kill(&self) {
        let _ = self.signal_group(Signal::Kill);
        // What has left the group; those that it left behind have ended by now.
        for member in self.members() {
            member.kill();
        }
    }

    /// Takes it out of the system's table, once it has ended. Answers whether
    /// it had; what is still in its group is killed.
    pub(crate) fn finish(&self, until: Instant) -> bool {
        if self.wait(Some(until)).is_none() {
            return false;
        }
        let Some(held) = self.held().take() else {
            return true;
        };
        // Its number is still reserved, so this hits nobody else.
        let _ = sys::signal_group(self.pid, Signal::Kill);
        let Held {
            mut process,
            waiter,
            guardian,
        } = held;
        if let Some(guardian) = &guardian {
            guardian.remove(self.pid);
        }
        let _ = process.wait();
        let _ = waiter.join();
        self.close_stdin();
        true
    }

    fn held(&self) -> MutexGuard<'_, Option<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.held().is_some() {
            self.kill();
            if !self.finish(Instant::now() + DEATH) {
                tracing::warn!(
                    pid = self.pid,
                    "a process does not go away, not even killed"
                );
            }
        }
    }
}

impl End {
    fn lock(&self) -> MutexGuard<'_, Option<(Exit, Instant)>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child")
            .field("pid", &self.pid)
            .field("exit", &self.exit())
            .finish_non_exhaustive()
    }
}

/// A program that another thread has just written may still be open for writing
/// in a child of a third thread, which is about to become another program.
/// Nothing tells when that is over, so it is tried again for a while.
fn spawn_when_not_busy(command: &mut Command) -> io::Result<std::process::Child> {
    let until = Instant::now() + Duration::from_secs(1);
    loop {
        match command.spawn() {
            Err(error)
                if error.kind() == io::ErrorKind::ExecutableFileBusy && Instant::now() < until =>
            {
                std::thread::sleep(Duration::from_millis(2));
            }
            result => return result,
        }
    }
}
