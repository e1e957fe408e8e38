//! A fault that may happen, and how often it has.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use standin_driver::{Explainer, WaitEnd};
use standin_sync::Monitor;
use standin_sync::operation::{Thread, Wait, now};

use crate::fault::Point;
use crate::{Fault, ProxyError};

/// A fault that may happen, and how often it has.
pub(crate) struct Rule {
    pub(crate) fault: Fault,
    pub(crate) point: Point,
    fired: Monitor<Fired>,
}

#[derive(Default)]
struct Fired {
    count: usize,
    /// Why all waits for it end.
    over: Option<WaitEnd>,
}

impl Rule {
    /// What is wrong with the fault comes back: the key, and what that is.
    pub(crate) fn new(fault: Fault) -> Result<Rule, (&'static str, String)> {
        Ok(Rule {
            point: fault.point()?,
            fault,
            fired: Monitor::new(Fired::default()),
        })
    }

    pub(crate) fn has_fired(&self) {
        self.fired.update(|fired| fired.count += 1);
    }

    pub(crate) fn fired(&self) -> usize {
        self.fired.lock().count
    }

    /// It is a new test.
    pub(crate) fn renew(&self) {
        self.fired.update(|fired| *fired = Fired::default());
    }

    /// Ends every wait for it.
    pub(crate) fn is_over(&self, over: WaitEnd) {
        self.fired.update(|fired| {
            fired.over.get_or_insert(over);
        });
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule")
            .field("fault", &self.fault)
            .field("fired", &self.fired())
            .finish_non_exhaustive()
    }
}

/// A fault that was put into a proxy while it runs.
#[derive(Clone, Debug)]
pub struct Injected {
    pub(crate) rule: Arc<Rule>,
    pub(crate) proxy: Arc<str>,
    pub(crate) explainer: Explainer,
}

impl Injected {
    /// Returns the fault.
    pub fn fault(&self) -> &Fault {
        &self.rule.fault
    }

    /// Returns on how many connections it has happened.
    pub fn count(&self) -> usize {
        self.rule.fired()
    }

    /// Waits until it has happened; at once if it has. With `None` for as long as it takes.
    ///
    /// # Errors
    ///
    /// Returns an error if the time is up, the proxy is stopped or aborted, or the test has failed
    /// elsewhere.
    pub fn wait(&self, timeout: impl Into<Option<Duration>>) -> Result<(), ProxyError> {
        now(self.wait_with(Thread, timeout))
    }

    /// Does the same as [`wait`](Injected::wait), waiting with `wait`.
    #[doc(hidden)]
    pub async fn wait_with(
        &self,
        wait: impl Wait,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<(), ProxyError> {
        let timeout = timeout.into();
        let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let has_fired = self.rule.fired.when(until, |fired| match fired.over {
            _ if fired.count > 0 => Some(None),
            over => over.map(Some),
        });
        let outcome = wait.run(has_fired).await;
        let reason = match &outcome {
            Some(None) => return Ok(()),
            Some(Some(over @ WaitEnd::Interrupted)) => {
                return Err(ProxyError::interrupted(&self.proxy, &self.explainer, *over));
            }
            Some(Some(over)) => over.explain(&self.proxy, &self.explainer),
            None => match timeout {
                Some(timeout) => format!("waited {timeout:?}"),
                None => "the wait was given up".to_owned(),
            },
        };
        Err(ProxyError::NotYet {
            proxy: self.proxy.to_string(),
            fault: self.rule.fault.to_string(),
            reason,
            timed_out: outcome.is_none(),
        })
    }
}
