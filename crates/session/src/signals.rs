//! Signals that ask this program to end.

use std::fs;
use std::io;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::exfiltrator::WithRawSiginfo;
use signal_hook::iterator::{Handle, SignalsInfo};
use signal_hook::low_level::emulate_default_handler;

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
pub(crate) struct Requests {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
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
        let mut signals = SignalsInfo::<WithRawSiginfo>::new(signals)?;
        let handle = signals.handle();
        let thread = thread::Builder::new().name("standin-signals".to_owned());
        let thread = thread.spawn(move || {
            let mut last: Option<(i32, Instant)> = None;
            let mut count = 0;
            for info in &mut signals {
                let signal = info.si_signo;
                let now = Instant::now();
                let is_same = |(before, at)| before == signal && now - at < ONE_REQUEST;
                if last.is_some_and(is_same) {
                    continue;
                }
                last = Some((signal, now));
                if count > 0 && once == Some(signal) {
                    continue;
                }
                if count >= 2 {
                    // One whose default is something else than the end leaves us running.
                    let _ = emulate_default_handler(signal);
                }
                let is_key = matches!(signal, SIGINT | SIGQUIT);
                asked(Request {
                    signal,
                    count,
                    is_key: is_key && info.si_code == SI_KERNEL,
                });
                count += 1;
            }
        })?;
        Ok(Self {
            handle,
            thread: Some(thread),
        })
    }
}

impl Drop for Requests {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed already.
            let _ = thread.join();
        }
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
