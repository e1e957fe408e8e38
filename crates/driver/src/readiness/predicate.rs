use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use standin_entity::{Check, Result};

use super::Progress;
use super::probe::{Answer, Question};
use crate::Driver;

const INTERVAL: Duration = Duration::from_millis(50);

type Ask = dyn Fn(&dyn Driver) -> Result<Check> + Send + Sync;

/// A function; see [`Readiness::predicate`](super::Readiness::predicate).
#[derive(Clone)]
pub struct Predicate {
    pub(super) what: String,
    pub(super) interval: Duration,
    pub(super) ask: Arc<Ask>,
}

impl Predicate {
    /// As [`Readiness::predicate`](super::Readiness::predicate), with a function
    /// whose error fails the start at once.
    pub fn new(
        what: impl Into<String>,
        ask: impl Fn(&dyn Driver) -> Result<Check> + Send + Sync + 'static,
    ) -> Self {
        Self {
            what: what.into(),
            interval: INTERVAL,
            ask: Arc::new(ask),
        }
    }
}

impl fmt::Debug for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Predicate")
            .field("what", &self.what)
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}

impl Question for Predicate {
    fn ask(&mut self, driver: &dyn Driver, _progress: &mut Progress) -> Result<Answer> {
        Ok(match (self.ask)(driver)? {
            Check::NotYet(seen) if seen.is_empty() => Answer::not_yet(&self.what, "not yet"),
            Check::NotYet(seen) => Answer::not_yet(&self.what, seen),
            Check::Ready => Answer::Met,
        })
    }
}
