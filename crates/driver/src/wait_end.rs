//! [`WaitEnd`]: why nobody waits on a driver any longer.

use crate::{DriverBase, Explainer};

/// Why nobody waits on a driver any longer: for drivers with waits of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitEnd {
    /// The driver is stopped, and may be started again.
    Stopped,
    /// The test has failed elsewhere: see [`Driver::interrupting`](crate::Driver::interrupting).
    Interrupted,
    /// The driver was aborted.
    Aborted,
}

impl WaitEnd {
    /// Returns whether a failure of the test, an abort, or the stop that is announced for a start
    /// that was given up has ended the waits on a driver. A start asks after it has allowed waits
    /// again: what came before does not end them a second time.
    pub fn of(base: &DriverBase) -> Option<WaitEnd> {
        if base.explainer().test_has_failed() {
            Some(WaitEnd::Interrupted)
        } else if !base.resource().is_active() {
            Some(WaitEnd::Aborted)
        } else if base.resource().is_stop_announced() {
            Some(WaitEnd::Stopped)
        } else {
            None
        }
    }

    /// Returns the reason in words, on separate lines if the environment knows more about it. Must
    /// be called with no lock held: see [`Explainer::explain`].
    pub fn explain(self, driver: &str, explainer: &Explainer) -> String {
        match self {
            WaitEnd::Stopped => "the driver is stopped".to_owned(),
            WaitEnd::Interrupted => explainer.interruption(driver),
            WaitEnd::Aborted => "the driver was aborted".to_owned(),
        }
    }
}
