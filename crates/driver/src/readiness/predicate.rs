use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use standin_entity::{Check, Result};

use super::{Probe, Progress, not_yet};
use crate::Driver;

const INTERVAL: Duration = Duration::from_millis(50);

type Ask = dyn Fn(&dyn Driver) -> Result<Check> + Send + Sync;

/// A function says so; see [`Readiness::predicate`](super::Readiness::predicate).
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

    pub(super) fn probe(&self) -> Box<dyn Probe> {
        Box::new(PredicateProbe(self.clone()))
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

#[derive(Debug)]
struct PredicateProbe(Predicate);

impl Probe for PredicateProbe {
    fn check(&mut self, driver: &dyn Driver, _progress: &mut Progress) -> Result<Check> {
        Ok(match (self.0.ask)(driver)? {
            Check::NotYet(seen) if seen.is_empty() => not_yet(&self.0.what, "not yet"),
            Check::NotYet(seen) => not_yet(&self.0.what, seen),
            Check::Ready => Check::Ready,
        })
    }
}
