use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use standin_sync::operation::{Operation, Thread, Wait, now};
use standin_sync::{Monitor, Unpoisoned};

use crate::stdin::Input;
use crate::sys::{self, Event, Handle, Watch};
use crate::{Descendant, Exit, SpawnError, WriteError};

/// A program that runs or has ended, with everything that it has started.
///
/// Its number, which is also that of its process group, cannot become another's
/// before [`end`](Child::end) has returned `true`. Dropping it ends everything.
pub struct Child {
    handle: Handle,
    started: Instant,
    shared: Arc<Monitor<Progress>>,
    input: Input,
    /// Whether it was made the leader of a process group.
    leads: bool,
    /// `None` once it is joined.
    watcher: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    exit: Option<(Exit, Instant)>,
    /// Nothing of it runs any longer.
    is_over: bool,
    /// Nothing waits for its end any longer.
    is_interrupted: bool,
    /// It was asked to end, so its number may become another's at any time.
    is_ending: bool,
    /// Nothing is left of it.
    is_gone: bool,
}

impl Child {
    /// How long what was killed may take to be gone: 5 s, far more than it takes. A drop
    /// waits that long.
    pub const DEATH: Duration = Duration::from_secs(5);

    pub(crate) fn new(
        handle: Handle,
        watch: Watch,
        started: Instant,
        input: Input,
        leads: bool,
        notify: impl Fn() + Send + 'static,
    ) -> Result<Self, SpawnError> {
        let shared = Arc::new(Monitor::<Progress>::default());
        let watcher = std::thread::Builder::new()
            .name(format!("process {}", handle.pid()))
            .spawn({
                let shared = shared.clone();
                move || follow(&shared, watch, notify)
            });
        match watcher {
            Ok(watcher) => Ok(Self {
                handle,
                started,
                shared,
                input,
                leads,
                watcher: Mutex::new(Some(watcher)),
            }),
            Err(source) => {
                handle.end();
                handle.reap();
                Err(SpawnError::System {
                    program: format!("process {}", handle.pid()),
                    source,
                })
            }
        }
    }

    /// Returns the number of its process.
    pub fn pid(&self) -> u32 {
        self.handle.pid()
    }

    /// Returns the number of a process below which are the child and everything that it has
    /// started. On Linux that of its supervisor, elsewhere its own.
    pub fn root(&self) -> u32 {
        self.handle.root()
    }

    /// Returns how it ended; `None` while it runs.
    pub fn exit(&self) -> Option<Exit> {
        let exit = self.shared.lock().exit;
        exit.map(|(exit, _)| exit)
    }

    /// Returns how long it ran; `None` while it runs.
    pub fn lifetime(&self) -> Option<Duration> {
        let exit = self.shared.lock().exit;
        exit.map(|(_, at)| at.saturating_duration_since(self.started))
    }

    /// Returns whether it and everything that it has started have ended. On systems other than
    /// Linux, whether it has ended.
    pub fn is_over(&self) -> bool {
        self.shared.lock().is_over
    }

    /// Waits for its end, not beyond `until`; `None` waits as long as it takes.
    pub fn wait(&self, until: impl Into<Option<Instant>>) -> Option<Exit> {
        let progress = wait(&self.shared, until.into(), |now| now.exit.is_some());
        progress.exit.map(|(exit, _)| exit)
    }

    /// Waits as [`wait`](Child::wait) does, until [`interrupt`](Child::interrupt) is called; then
    /// it returns the exit only if that had happened before.
    pub fn wait_unless_interrupted(&self, until: impl Into<Option<Instant>>) -> Option<Exit> {
        now(self.wait_unless_interrupted_with(Thread, until))
    }

    /// Waits as [`wait_unless_interrupted`](Child::wait_unless_interrupted) does, with `wait`
    /// to wait for it.
    #[doc(hidden)]
    pub async fn wait_unless_interrupted_with(
        &self,
        wait: impl Wait,
        until: impl Into<Option<Instant>>,
    ) -> Option<Exit> {
        let ended = self.shared.when(until.into(), |now| {
            // An exit after an interruption is not what was waited for: that may be its reason.
            let exit = now.exit.filter(|_| !now.is_interrupted);
            (exit.is_some() || now.is_interrupted || now.is_gone).then_some(exit)
        });
        let (exit, _) = wait.run(ended).await.flatten()?;
        Some(exit)
    }

    /// Ends every [`wait_unless_interrupted`](Child::wait_unless_interrupted) and every
    /// [`write_stdin`](Child::write_stdin), now and in future. The process continues. A wait still
    /// finds the exit of one that has ended before.
    pub fn interrupt(&self) {
        self.shared
            .update(|progress| progress.is_interrupted |= progress.exit.is_none());
        self.input.interrupt();
    }

    /// Returns whether such waits have been ended.
    pub fn is_interrupted(&self) -> bool {
        self.shared.lock().is_interrupted
    }

    /// Waits until it and everything that it has started have ended, at most until `until`; returns
    /// whether they have.
    pub fn wait_until_over(&self, until: impl Into<Option<Instant>>) -> bool {
        wait(&self.shared, until.into(), |now| now.is_over).is_over
    }

    /// Returns the running processes that it has started, directly or not. Empty on systems other
    /// than Linux, where they cannot be found.
    pub fn below(&self) -> Vec<Descendant> {
        let progress = *self.shared.lock();
        if progress.is_over || progress.is_gone {
            return Vec::new();
        }
        self.handle.below()
    }

    /// Sends it the signal of that number.
    ///
    /// # Errors
    ///
    /// Returns an error if it has ended (`NotFound`), or the system refuses.
    pub fn signal(&self, signal: i32) -> io::Result<()> {
        self.send(
            |progress| progress.exit.is_none(),
            |pid| sys::signal(pid, signal),
        )
    }

    /// Sends its process group the signal of that number; the child alone, if it is in the
    /// [group of the caller](crate::Command::keep_group).
    ///
    /// # Errors
    ///
    /// Returns an error if it was ended (`NotFound`), or the system refuses.
    pub fn signal_group(&self, signal: i32) -> io::Result<()> {
        if !self.leads {
            return self.signal(signal);
        }
        self.send(|_| true, |pid| sys::signal_group(pid, signal))
    }

    fn send(
        &self,
        may: impl FnOnce(&Progress) -> bool,
        send: impl FnOnce(u32) -> io::Result<()>,
    ) -> io::Result<()> {
        // Under the lock, so that nobody has it ended meanwhile and the number is
        // still its own.
        let progress = self.shared.lock();
        if progress.is_ending || progress.is_gone || !may(&progress) {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        }
        send(self.pid())
    }

    /// Writes to its standard input, which must be a [pipe](crate::Stdio::Pipe).
    /// Waits while it does not read, not beyond `until`; `None` waits as long as it
    /// takes, or until its end or [`close_stdin`](Child::close_stdin).
    ///
    /// # Errors
    ///
    /// Returns an error with the number of bytes written if not everything was written.
    pub fn write_stdin(
        &self,
        bytes: impl AsRef<[u8]>,
        until: impl Into<Option<Instant>>,
    ) -> Result<(), WriteError> {
        self.writing_stdin(bytes, until).block()
    }

    /// Does the same as [`write_stdin`](Child::write_stdin), as a value: dropping it cancels the
    /// rest.
    pub fn writing_stdin(
        &self,
        bytes: impl AsRef<[u8]>,
        until: impl Into<Option<Instant>>,
    ) -> impl Operation<Output = Result<(), WriteError>> {
        self.input.writing(bytes, until.into())
    }

    /// Closes its standard input: it reads the end. Does not wait: a write that
    /// another thread is about ends with an error.
    pub fn close_stdin(&self) {
        self.input.close();
    }

    /// Kills it and everything that it has started, and waits until nothing is left, at most until
    /// `until`. Returns whether nothing is left.
    pub fn end(&self, until: Instant) -> bool {
        self.shared.lock().is_ending = true;
        self.handle.end();
        if !wait(&self.shared, Some(until), |now| now.is_gone).is_gone {
            return false;
        }
        // Only one thread finds it here; the others have nothing to wait for.
        let watcher = self.watcher().take();
        if let Some(watcher) = watcher {
            let _ = watcher.join();
            self.handle.reap();
            self.close_stdin();
        }
        true
    }

    fn watcher(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.watcher.lock().unpoisoned()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.watcher().is_some() && !self.end(Instant::now() + Self::DEATH) {
            tracing::warn!(pid = self.pid(), "a process was killed but does not end");
        }
    }
}

/// Waits until `done` or `until`, or until nothing is left; returns what is so then.
fn wait(
    progress: &Monitor<Progress>,
    until: Option<Instant>,
    done: impl Fn(&Progress) -> bool,
) -> Progress {
    let is_under_way = |now: &mut Progress| !done(now) && !now.is_gone;
    *progress.wait_while(progress.lock(), until, is_under_way)
}

fn follow(progress: &Monitor<Progress>, mut watch: Watch, notify: impl Fn()) {
    loop {
        let event = watch.next();
        progress.update(|progress| match event {
            Event::Exited { exit, alone } => {
                progress.exit = Some((exit, Instant::now()));
                progress.is_over = alone;
            }
            Event::Alone => progress.is_over = true,
            Event::Gone => {
                progress.is_over = true;
                progress.is_gone = true;
            }
        });
        notify();
        if event == Event::Gone {
            return;
        }
    }
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child")
            .field("pid", &self.pid())
            .field("exit", &self.exit())
            .finish_non_exhaustive()
    }
}
