//! Aborting on signals that end the program.

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread::{self, JoinHandle};

use miette::Diagnostic;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::{Handle, Signals};
use signal_hook::{flag, low_level};
use standin_process::Signal;
use standin_sync::Unpoisoned;
use thiserror::Error;

use crate::AbortHandle;

impl AbortHandle {
    /// Aborts the environment when this program gets one of these signals, as
    /// long as the guard lives.
    ///
    /// The program continues: waits end with an error, and so the test fails and
    /// stops what it has started. When the same guard sees a second signal, it
    /// does what it does without all this, which for most is to end the program
    /// at once. Several environments of one program can listen to one signal.
    ///
    /// ```no_run
    /// use standin_environment::Environment;
    /// use standin_process::Signal;
    ///
    /// # fn main() -> standin_entity::Result<()> {
    /// let env = Environment::new("by hand");
    /// let _guard = env.abort_handle().on_signals([Signal::Interrupt, Signal::Terminate])?;
    /// let env = env.start()?; // Ctrl-C ends it, and everything after it
    /// # drop(env);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if one of them cannot be caught, or the system refuses.
    pub fn on_signals(
        &self,
        signals: impl IntoIterator<Item = Signal>,
    ) -> Result<SignalGuard, SignalError> {
        let refused = |source| SignalError {
            environment: self.name().to_owned(),
            source,
        };
        let numbers = signals
            .into_iter()
            .map(number)
            .collect::<io::Result<BTreeSet<i32>>>()
            .map_err(refused)?;
        for number in &numbers {
            keep_default(*number).map_err(refused)?;
        }
        let mut signals = Signals::new(&numbers).map_err(refused)?;
        let handle = signals.handle();
        let listening = Listening::begin();
        let environment = self.clone();
        let thread = thread::Builder::new()
            .name("standin-signals".to_owned())
            .spawn(move || {
                let _listening = listening;
                let mut seen = false;
                for signal in &mut signals {
                    if std::mem::replace(&mut seen, true) {
                        // It cannot be ended for good, then it continues.
                        let _ = low_level::emulate_default_handler(signal);
                    } else {
                        tracing::warn!(environment = environment.name(), signal, "aborting");
                        let environment = environment.clone();
                        // Here the next signal is waited for meanwhile.
                        let abort = thread::Builder::new().name("standin-abort".to_owned());
                        if abort.spawn(move || environment.abort()).is_err() {
                            let _ = low_level::emulate_default_handler(signal);
                        }
                    }
                }
            })
            .map_err(refused)?;
        Ok(SignalGuard {
            handle,
            thread: Some(thread),
        })
    }
}

/// Ends [`AbortHandle::on_signals`] when it is dropped.
#[derive(Debug)]
#[must_use = "dropping it makes signals do again what they do by themselves"]
pub struct SignalGuard {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl Drop for SignalGuard {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed already.
            let _ = thread.join();
        }
    }
}

/// Signals cannot be listened to.
#[derive(Error, Diagnostic)]
#[error("environment \"{environment}\" cannot listen to these signals")]
#[diagnostic(
    code(standin::environment::signals),
    help("all signals but `SIGKILL` can be listened to")
)]
#[non_exhaustive]
pub struct SignalError {
    /// The environment.
    pub environment: String,
    /// The system's error.
    pub source: io::Error,
}

standin_error::reportable!(SignalError);

/// How many guards there are.
static GUARDS: Mutex<usize> = Mutex::new(0);
/// Whether there are none, for the signal handler. Changed under the lock of their number.
static NO_GUARDS: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| Arc::new(AtomicBool::new(true)));

struct Listening;

impl Listening {
    fn begin() -> Self {
        let mut guards = GUARDS.lock().unpoisoned();
        *guards += 1;
        NO_GUARDS.store(false, Ordering::SeqCst);
        Listening
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut guards = GUARDS.lock().unpoisoned();
        *guards -= 1;
        NO_GUARDS.store(*guards == 0, Ordering::SeqCst);
    }
}

/// A signal that was once listened to does nothing afterwards, unless a caller
/// does in its name what the system would.
fn keep_default(signal: i32) -> io::Result<()> {
    static KEPT: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());
    let mut kept = KEPT.lock().unpoisoned();
    if !kept.contains(&signal) {
        flag::register_conditional_default(signal, NO_GUARDS.clone())?;
        kept.insert(signal);
    }
    Ok(())
}

fn number(signal: Signal) -> io::Result<i32> {
    Ok(match signal {
        Signal::Terminate => SIGTERM,
        Signal::Interrupt => SIGINT,
        Signal::Quit => SIGQUIT,
        Signal::HangUp => SIGHUP,
        Signal::User1 => SIGUSR1,
        Signal::User2 => SIGUSR2,
        // SIGKILL, for one.
        other => return Err(io::Error::other(format!("{other} cannot be caught"))),
    })
}
