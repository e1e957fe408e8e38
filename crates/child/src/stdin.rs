//! Writing to a program that may not read.

use std::io;

use miette::Diagnostic;
use thiserror::Error;

#[cfg(unix)]
pub(crate) use unix::Input;
#[cfg(not(unix))]
pub(crate) use unsupported::Input;

/// Why not everything was written to the standard input of a program.
#[derive(Error, Diagnostic)]
#[error("{written} of {total} bytes were written to its standard input")]
#[diagnostic(
    code(standin::child::write),
    help("the program must be running and read its standard input")
)]
pub struct WriteError {
    /// How many bytes the system took. The program need not have read them.
    pub written: usize,
    /// How many bytes there were to write.
    pub total: usize,
    /// `TimedOut` if the program did not read in time, `BrokenPipe` if the program has stopped
    /// reading, the pipe was closed, or there never was one; `ConnectionAborted` if the write was
    /// [interrupted](crate::Child::interrupt).
    pub source: io::Error,
}

standin_error::reportable!(WriteError);

impl WriteError {
    /// Returns whether the program did not read in time.
    pub fn is_timeout(&self) -> bool {
        self.source.kind() == io::ErrorKind::TimedOut
    }
}

#[cfg(unix)]
mod unix {
    use std::io::{self, PipeReader, PipeWriter, Write};
    use std::os::fd::AsFd;
    use std::sync::Arc;
    use std::task::Waker;
    use std::time::{Duration, Instant};

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use standin_sync::operation::{Attempt, Descriptor, Interest, Kept, Operation, Waits};
    use standin_sync::{Monitor, long_wait};

    use super::WriteError;

    /// The writing end of a program's standard input.
    ///
    /// Writes come one after the other, each in one piece. A close does not wait for
    /// them: it ends the one that is under way.
    #[derive(Debug, Default)]
    pub(crate) struct Input {
        state: Monitor<State>,
        kept: Kept,
    }

    #[derive(Debug, Default)]
    struct State {
        /// `None` once it is closed.
        pipe: Option<Arc<PipeWriter>>,
        is_busy: bool,
        is_interrupted: bool,
        /// While a write waits: closing this end wakes it.
        waker: Option<PipeWriter>,
    }

    impl Input {
        pub(crate) fn new(pipe: Option<PipeWriter>) -> io::Result<Self> {
            if let Some(pipe) = &pipe {
                rustix::io::ioctl_fionbio(pipe, true)?;
            }
            Ok(Self {
                state: Monitor::new(State {
                    pipe: pipe.map(Arc::new),
                    ..State::default()
                }),
                kept: Kept::default(),
            })
        }

        pub(crate) fn writing<B: AsRef<[u8]>>(
            &self,
            bytes: B,
            until: Option<Instant>,
        ) -> Writing<'_, B> {
            Writing {
                input: self,
                bytes,
                until,
                written: 0,
                has_turn: false,
            }
        }

        pub(crate) fn close(&self) {
            self.state.update(|state| {
                state.pipe = None;
                state.waker = None;
            });
            // The program reads the end only when no handle is left.
            self.kept.close();
        }

        /// Ends all writes, now and in future. The program does not read the end.
        pub(crate) fn interrupt(&self) {
            self.state.update(|state| {
                state.is_interrupted = true;
                state.waker = None;
            });
        }

        fn pipe(&self) -> io::Result<Arc<PipeWriter>> {
            open(&self.state.lock())
        }

        /// Takes the turn to write, once nobody else has it; an error once it is closed.
        fn taking_turn(
            &self,
            until: Option<Instant>,
        ) -> impl Operation<Output = Option<io::Result<()>>> {
            self.state.when(until, |state| match open(state) {
                Ok(_) if state.is_busy => None,
                Ok(_) => {
                    state.is_busy = true;
                    Some(Ok(()))
                }
                Err(error) => Some(Err(error)),
            })
        }
    }

    /// A write.
    pub(crate) struct Writing<'i, B> {
        input: &'i Input,
        bytes: B,
        until: Option<Instant>,
        written: usize,
        has_turn: bool,
    }

    impl<B: AsRef<[u8]>> Writing<'_, B> {
        fn run(&mut self) -> io::Result<()> {
            self.has_turn(self.input.taking_turn(self.until).block())?;
            let mut waiting: Option<PipeReader> = None;
            while !self.write()? {
                let pipe = self.input.pipe()?;
                let waiting = match &waiting {
                    Some(waiting) => waiting,
                    None => {
                        let (reader, writer) = io::pipe()?;
                        let mut state = self.input.state.lock();
                        open(&state)?;
                        state.waker = Some(writer);
                        waiting.insert(reader)
                    }
                };
                wait(&pipe, waiting, self.until)?;
            }
            Ok(())
        }

        fn try_once(&mut self, waker: &Waker) -> io::Result<Option<Waits>> {
            let Self { input, until, .. } = *self;
            if !self.has_turn {
                match input.taking_turn(until).attempt(waker) {
                    Attempt::Done(taken) => self.has_turn(taken)?,
                    Attempt::Waits(waits) => return Ok(Some(waits)),
                }
            }
            if self.write()? {
                return Ok(None);
            }
            // A close wakes it, too.
            let mut closed = input.state.when(until, |state| open(state).err());
            match closed.attempt(waker) {
                Attempt::Waits(waits) => Ok(Some(Waits {
                    readiness: Some(Interest::Writable),
                    ..waits
                })),
                Attempt::Done(Some(error)) => Err(error),
                Attempt::Done(None) => Err(io::ErrorKind::TimedOut.into()),
            }
        }

        fn has_turn(&mut self, taken: Option<io::Result<()>>) -> io::Result<()> {
            taken.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))?;
            self.has_turn = true;
            Ok(())
        }

        /// Writes what the pipe takes; says whether that is all.
        fn write(&mut self) -> io::Result<bool> {
            let bytes = self.bytes.as_ref();
            while let Some(rest) = bytes.get(self.written..).filter(|rest| !rest.is_empty()) {
                match (&*self.input.pipe()?).write(rest) {
                    Ok(count) => self.written += count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                    Err(error) => return Err(error),
                }
            }
            Ok(true)
        }

        fn error(&self, source: io::Error) -> WriteError {
            WriteError {
                written: self.written,
                total: self.bytes.as_ref().len(),
                source,
            }
        }
    }

    impl<B: AsRef<[u8]>> Operation for Writing<'_, B> {
        type Output = Result<(), WriteError>;

        fn block(mut self) -> Self::Output {
            self.run().map_err(|source| self.error(source))
        }

        fn attempt(&mut self, waker: &Waker) -> Attempt<Self::Output> {
            match self.try_once(waker) {
                Ok(Some(waits)) => Attempt::Waits(waits),
                Ok(None) => Attempt::Done(Ok(())),
                Err(source) => Attempt::Done(Err(self.error(source))),
            }
        }

        fn fail(&mut self, error: io::Error) -> Self::Output {
            Err(self.error(error))
        }

        fn interest(&self) -> Option<Interest> {
            self.has_turn.then_some(Interest::Writable)
        }

        fn descriptor(&self) -> io::Result<Descriptor> {
            self.input.pipe()?.as_fd().try_clone_to_owned()
        }

        fn kept(&self) -> &Kept {
            &self.input.kept
        }
    }

    impl<B> Drop for Writing<'_, B> {
        fn drop(&mut self) {
            if self.has_turn {
                self.input.state.update(|state| {
                    state.is_busy = false;
                    state.waker = None;
                });
            }
        }
    }

    fn open(state: &State) -> io::Result<Arc<PipeWriter>> {
        let pipe = state.pipe.clone();
        let pipe = pipe.ok_or_else(|| io::Error::from(io::ErrorKind::BrokenPipe))?;
        match state.is_interrupted {
            true => Err(io::ErrorKind::ConnectionAborted.into()),
            false => Ok(pipe),
        }
    }

    fn left(until: Option<Instant>) -> io::Result<Option<Duration>> {
        let Some(until) = until else { return Ok(None) };
        match until.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Err(io::Error::from(io::ErrorKind::TimedOut)),
            left => Ok(Some(left)),
        }
    }

    /// Until the pipe takes more, or breaks, or is closed by another thread.
    fn wait(pipe: &PipeWriter, waker: &PipeReader, until: Option<Instant>) -> io::Result<()> {
        let left = left(until)?.map(|left| left + Duration::from_micros(1));
        let time = long_wait::at_once(left);
        let timeout = Timespec::try_from(time).ok();
        let mut fds = [
            PollFd::new(pipe, PollFlags::OUT),
            PollFd::new(waker, PollFlags::IN),
        ];
        match poll(&mut fds, timeout.as_ref()) {
            Ok(0) if left != Some(time) => {
                long_wait::goes_on();
                Ok(())
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(not(unix))]
mod unsupported {
    use std::io::{self, PipeWriter};
    use std::task::Waker;
    use std::time::Instant;

    use standin_sync::operation::{Attempt, Descriptor, Interest, Kept, Operation};

    use super::WriteError;

    #[derive(Debug, Default)]
    pub(crate) struct Input {
        kept: Kept,
    }

    impl Input {
        pub(crate) fn new(_pipe: Option<PipeWriter>) -> io::Result<Self> {
            Ok(Self::default())
        }

        pub(crate) fn writing<B: AsRef<[u8]>>(
            &self,
            bytes: B,
            _until: Option<Instant>,
        ) -> Writing<'_, B> {
            Writing { input: self, bytes }
        }

        pub(crate) fn close(&self) {}

        pub(crate) fn interrupt(&self) {}
    }

    /// A write.
    pub(crate) struct Writing<'i, B> {
        input: &'i Input,
        bytes: B,
    }

    impl<B: AsRef<[u8]>> Operation for Writing<'_, B> {
        type Output = Result<(), WriteError>;

        fn block(mut self) -> Self::Output {
            self.fail(io::ErrorKind::Unsupported.into())
        }

        fn attempt(&mut self, _: &Waker) -> Attempt<Self::Output> {
            Attempt::Done(self.fail(io::ErrorKind::Unsupported.into()))
        }

        fn fail(&mut self, source: io::Error) -> Self::Output {
            Err(WriteError {
                written: 0,
                total: self.bytes.as_ref().len(),
                source,
            })
        }

        fn interest(&self) -> Option<Interest> {
            None
        }

        fn descriptor(&self) -> io::Result<Descriptor> {
            Err(io::ErrorKind::Unsupported.into())
        }

        fn kept(&self) -> &Kept {
            &self.input.kept
        }
    }
}
