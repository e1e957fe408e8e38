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
    help("the program must read its standard input, and not have ended")
)]
pub struct WriteError {
    /// How many bytes the system took. The program need not have read them.
    pub written: usize,
    /// How many bytes there were to write.
    pub total: usize,
    /// `TimedOut` if the program did not read in time, `BrokenPipe` if nobody reads
    /// any more, it was closed, or there never was a pipe.
    pub source: io::Error,
}

standin_error::reportable!(WriteError);

impl WriteError {
    /// Whether the program did not read in time.
    pub fn is_timeout(&self) -> bool {
        self.source.kind() == io::ErrorKind::TimedOut
    }
}

#[cfg(unix)]
mod unix {
    use std::io::{self, PipeReader, PipeWriter, Write};
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use standin_sync::Monitor;

    use super::WriteError;

    /// The writing end of a program's standard input.
    ///
    /// Writes come one after the other, each in one piece. A close does not wait for
    /// them: it ends the one that is under way.
    #[derive(Debug, Default)]
    pub(crate) struct Input {
        state: Monitor<State>,
    }

    #[derive(Debug, Default)]
    struct State {
        /// `None` once it is closed.
        pipe: Option<Arc<PipeWriter>>,
        is_busy: bool,
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
            })
        }

        pub(crate) fn write(&self, bytes: &[u8], until: Option<Instant>) -> Result<(), WriteError> {
            let mut written = 0;
            let result = self.take_turn(until).and_then(|()| {
                let result = self.write_all(bytes, until, &mut written);
                self.state.update(|state| {
                    state.is_busy = false;
                    state.waker = None;
                });
                result
            });
            result.map_err(|source| WriteError {
                written,
                total: bytes.len(),
                source,
            })
        }

        pub(crate) fn close(&self) {
            self.state.update(|state| {
                state.pipe = None;
                state.waker = None;
            });
        }

        fn take_turn(&self, until: Option<Instant>) -> io::Result<()> {
            let others_write = |state: &mut State| state.is_busy && state.pipe.is_some();
            let mut state = self
                .state
                .wait_while(self.state.lock(), until, others_write);
            open(&state)?;
            if state.is_busy {
                return Err(io::ErrorKind::TimedOut.into());
            }
            state.is_busy = true;
            Ok(())
        }

        fn write_all(
            &self,
            bytes: &[u8],
            until: Option<Instant>,
            written: &mut usize,
        ) -> io::Result<()> {
            let mut waiting: Option<PipeReader> = None;
            while let Some(rest) = bytes.get(*written..).filter(|rest| !rest.is_empty()) {
                let pipe = open(&self.state.lock())?;
                match (&*pipe).write(rest) {
                    Ok(count) => *written += count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        let waiting = match &waiting {
                            Some(waiting) => waiting,
                            None => {
                                let (reader, writer) = io::pipe()?;
                                let mut state = self.state.lock();
                                open(&state)?;
                                state.waker = Some(writer);
                                waiting.insert(reader)
                            }
                        };
                        wait(&pipe, waiting, until)?;
                    }
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        }
    }

    fn open(state: &State) -> io::Result<Arc<PipeWriter>> {
        let pipe = state.pipe.clone();
        pipe.ok_or_else(|| io::Error::from(io::ErrorKind::BrokenPipe))
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
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        let mut fds = [
            PollFd::new(pipe, PollFlags::OUT),
            PollFd::new(waker, PollFlags::IN),
        ];
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(not(unix))]
mod unsupported {
    use std::io::{self, PipeWriter};
    use std::time::Instant;

    use super::WriteError;

    #[derive(Debug)]
    pub(crate) struct Input;

    impl Input {
        pub(crate) fn new(_pipe: Option<PipeWriter>) -> io::Result<Self> {
            Ok(Self)
        }

        pub(crate) fn write(
            &self,
            bytes: &[u8],
            _until: Option<Instant>,
        ) -> Result<(), WriteError> {
            Err(WriteError {
                written: 0,
                total: bytes.len(),
                source: io::Error::from(io::ErrorKind::Unsupported),
            })
        }

        pub(crate) fn close(&self) {}
    }
}
