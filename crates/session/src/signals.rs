//! Signals that ask this program to end.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::marker::PhantomData;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::backend::{Handle, SignalDelivery};
use signal_hook::iterator::exfiltrator::WithRawSiginfo;
use signal_hook::low_level::emulate_default_handler;
use standin_sync::Monitor;

use crate::watch::OnDrop;

/// Those by which people, shells, terminals and systems ask a program to end.
const SIGNALS: [i32; 4] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM];

/// One request may come as two signals: timeout(1) sends its to the process, and to its group.
const ONE_REQUEST: Duration = Duration::from_millis(50);

/// What `siginfo_t` has as the origin of a signal that the system itself sends: for these it is a
/// terminal that does.
const SI_KERNEL: i32 = 0x80;

/// A request to end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) signal: i32,
    /// How many requests there were before it.
    pub(crate) count: usize,
    /// Whether it is a key of the terminal, which sends it to a whole process group. The end of a
    /// terminal may reach a single process.
    pub(crate) is_key: bool,
}

/// Calls a function for each request to end, until it is dropped.
///
/// One thread alone gets the signals: they are blocked in the caller and in the threads that it
/// starts from now on. Threads that were there before may get them, too, and pass them on.
pub(crate) struct Requests {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
    rounds: Arc<Monitor<Rounds>>,
    /// Wakes the thread.
    wake: UnixStream,
    /// Which signals the caller blocked before. It stays in that thread.
    mask: (SigSet, PhantomData<*const ()>),
}

/// The thread takes what has come in rounds, each of which ends the waits that began before it.
#[derive(Debug, Default)]
struct Rounds {
    wanted: u64,
    done: u64,
}

impl Requests {
    /// After two requests the next one does what its signal does by itself. The signal `once` is
    /// a request only if it is the first one.
    pub(crate) fn listen(
        once: Option<i32>,
        asked: impl Fn(Request) + Send + 'static,
    ) -> io::Result<Self> {
        let ignored = ignored();
        let signals = SIGNALS.iter().filter(|signal| !ignored.contains(signal));
        let set: SigSet = signals
            .clone()
            .map(|signal| Signal::try_from(*signal))
            .collect::<Result<_, _>>()?;
        let (read, write) = UnixStream::pair()?;
        let wake = write.try_clone()?;
        let mut signals = SignalDelivery::with_pipe(read, write, WithRawSiginfo, signals)?;
        let handle = signals.handle();
        let rounds = Arc::new(Monitor::new(Rounds::default()));
        let mask = set.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        let thread = thread::Builder::new().name("standin-signals".to_owned());
        let thread = thread.spawn({
            let rounds = rounds.clone();
            move || {
                let _ends = OnDrop(|| rounds.update(|rounds| rounds.done = u64::MAX));
                if let Err(error) = set.thread_unblock() {
                    tracing::warn!(%error, "no signal is listened to");
                }
                let mut count = Counted::default();
                loop {
                    let wanted = rounds.lock().wanted;
                    // It calls the system first, so that what came before that is there.
                    for info in signals.pending() {
                        if let Some(request) = count.request(info.si_signo, info.si_code, once) {
                            asked(request);
                        }
                    }
                    rounds.update(|rounds| rounds.done = wanted);
                    if signals.handle().is_closed() {
                        return;
                    }
                    // Nothing but an interruption by a signal is an error of it.
                    let _ = signals.get_read_mut().read(&mut [0]);
                }
            }
        });
        let mut requests = Self {
            handle,
            thread: None,
            rounds,
            wake,
            mask: (mask, PhantomData),
        };
        requests.thread = Some(thread?);
        Ok(requests)
    }

    /// Returns when all signals have been handled that came before.
    pub(crate) fn settle(&self) {
        let round = self.rounds.update(|rounds| {
            rounds.wanted += 1;
            rounds.wanted
        });
        // If it is full, the thread is awake.
        let _ = (&self.wake).write(&[0]);
        let is_ahead = |rounds: &mut Rounds| rounds.done < round;
        drop(self.rounds.wait_while(self.rounds.lock(), None, is_ahead));
    }
}

impl Drop for Requests {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed already.
            let _ = thread.join();
        }
        if let Err(error) = self.mask.0.thread_set_mask() {
            tracing::warn!(%error, "signals stay blocked");
        }
    }
}

/// Which signals are requests.
#[derive(Debug, Default)]
struct Counted {
    last: Option<(i32, Instant)>,
    count: usize,
}

impl Counted {
    fn request(&mut self, signal: i32, origin: i32, once: Option<i32>) -> Option<Request> {
        let now = Instant::now();
        let is_same = |(before, at)| before == signal && now - at < ONE_REQUEST;
        if self.last.is_some_and(is_same) {
            return None;
        }
        self.last = Some((signal, now));
        let count = self.count;
        if count > 0 && once == Some(signal) {
            return None;
        }
        if count >= 2 {
            // One whose default is something else than the end leaves us running.
            let _ = emulate_default_handler(signal);
        }
        self.count += 1;
        let is_key = matches!(signal, SIGINT | SIGQUIT) && origin == SI_KERNEL;
        Some(Request {
            signal,
            count,
            is_key,
        })
    }
}

/// Does something that may take its time, while the next request is waited for. Without another
/// thread there is none.
pub(crate) fn beside(work: impl Fn() + Clone + Send + 'static) {
    let spawned = thread::Builder::new().name("standin-abort".to_owned());
    if let Err(error) = spawned.spawn(work.clone()) {
        tracing::warn!(%error, "no further signal is listened to");
        work();
    }
}

/// The signals that the parent of this program wants it to ignore, as nohup(1) does; none where the
/// system does not report them.
fn ignored() -> Vec<i32> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status
        .lines()
        .find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    let mask = mask.unwrap_or(0);
    let is_ignored = |signal: &i32| mask >> (signal - 1) & 1 == 1;
    SIGNALS.into_iter().filter(is_ignored).collect()
}
