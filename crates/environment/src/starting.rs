//! Starting the drivers of an environment, with replacements for those that
//! do not start.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indexmap::IndexMap;
use standin_driver::{Driver, DriverConfig, Lifecycle};
use standin_entity::{Error, Failovers, Status};

use crate::members::Members;
use crate::plan::{Mode, Plan};
use crate::schedule::{self, OnFailure};
use crate::{Failure, Waiting};

/// What there is to start, and how.
pub(crate) struct Start<'a> {
    members: &'a Arc<Members>,
    failovers: &'a IndexMap<String, Failovers<Arc<dyn Driver>>>,
    plan: &'a Plan,
    drivers: Vec<(String, Arc<dyn Driver>)>,
    /// The places that it came to.
    begun: Vec<AtomicBool>,
}

/// What became of a start that failed.
pub(crate) struct Failed {
    pub(crate) failures: Vec<Failure>,
    /// Who was not started because of them.
    pub(crate) not_started: Vec<String>,
    /// Who of these depends on whom of those that failed.
    pub(crate) waiting: Vec<Waiting>,
}

/// Whether an environment starts the driver, rather than somebody by hand.
fn starts_by_itself(driver: &dyn Driver) -> bool {
    let config = driver.base().options().shared::<DriverConfig>();
    // What is wrong with the options is told by the start itself.
    config.map_or(true, |config| config.resource.auto_start)
}

impl<'a> Start<'a> {
    pub(crate) fn new(
        members: &'a Arc<Members>,
        failovers: &'a IndexMap<String, Failovers<Arc<dyn Driver>>>,
        plan: &'a Plan,
    ) -> Self {
        let drivers: Vec<_> = members.snapshot().into_iter().collect();
        let begun = drivers.iter().map(|_| AtomicBool::new(false)).collect();
        Start {
            members,
            failovers,
            plan,
            drivers,
            begun,
        }
    }

    /// Starts all drivers that start by themselves, until one fails.
    pub(crate) fn run(&self) -> Result<(), Failed> {
        let mut failures = match self.plan.mode {
            Mode::Declared => self.in_order(),
            Mode::Concurrent => schedule::run(
                &self.plan.order,
                self.plan.workers,
                OnFailure::Halt,
                |place| {
                    if !self.begin(place) {
                        return Ok(());
                    }
                    let (name, driver) = &self.drivers[place];
                    start_and_wait(&**driver).or_else(|failure| self.fail_over(name, failure))
                },
            ),
        };
        if failures.is_empty() {
            return Ok(());
        }
        failures.sort_by_key(|(place, _)| *place);
        Err(self.tell(failures))
    }

    /// Whether there is something to start at this place.
    fn begin(&self, place: usize) -> bool {
        self.begun[place].store(true, Ordering::Relaxed);
        !self.plan.is_alias(place) && starts_by_itself(&*self.drivers[place].1)
    }

    /// One driver after the other. Those with `async_start` are waited for at
    /// the end, whether or not one failed.
    fn in_order(&self) -> Vec<(usize, Failure)> {
        let mut failures = Vec::new();
        let mut pending = Vec::new();
        for (place, (name, driver)) in self.drivers.iter().enumerate() {
            if !self.begin(place) {
                continue;
            }
            let started = driver.start().map_err(Failure::Start);
            if let Err(failure) = started.or_else(|failure| self.fail_over(name, failure)) {
                failures.push((place, failure));
                break;
            }
            if driver.status() == Status::Starting {
                pending.push((place, name, driver));
            }
        }
        failures.extend(pending.into_iter().filter_map(|(place, name, driver)| {
            let waited = driver.wait(Status::Started, None).map_err(Failure::Wait);
            let outcome = waited.or_else(|failure| self.fail_over(name, failure));
            outcome.err().map(|failure| (place, failure))
        }));
        failures
    }

    /// Puts the first registered replacement that starts in the place of a
    /// driver that did not.
    fn fail_over(&self, name: &str, failure: Failure) -> Result<(), Failure> {
        let Some(failovers) = self.failovers.get(name) else {
            return Err(failure);
        };
        let is_wanted = || self.members.entity.is_active() && !self.members.turn.is_ending();
        if !is_wanted() {
            return Err(failure);
        }
        tracing::warn!(driver = name, %failure, "the driver did not start: trying its replacements");
        let replacement = failovers.first_that(|member| {
            self.members.trying(member, || {
                self.members.adopt(&**member)?;
                // An abort or a stop that came before does not know it.
                if !is_wanted() {
                    return Err(Error::msg("the environment was aborted or stopped"));
                }
                Ok(start_and_wait(&**member)?)
            })
        });
        match replacement {
            Ok((_, member)) => {
                // Not dropped under the lock: that may be the driver's code.
                let former = self.members.write().insert(name.to_owned(), member);
                drop(former);
                Ok(())
            }
            Err(error) => Err(Failure::Failover {
                first: Box::new(failure),
                cause: error,
            }),
        }
    }

    fn tell(&self, failures: Vec<(usize, Failure)>) -> Failed {
        let is_left = |place: usize| {
            !self.begun[place].load(Ordering::Relaxed) && {
                let driver = &*self.drivers[place].1;
                driver.status() != Status::Started && starts_by_itself(driver)
            }
        };
        let name = |place: usize| self.drivers[place].0.clone();
        let waiting = failures
            .iter()
            .map(|(place, _)| {
                let dependents = self.plan.dependents(*place).into_iter();
                Waiting {
                    driver: name(*place),
                    dependents: dependents
                        .filter(|place| is_left(*place))
                        .map(name)
                        .collect(),
                }
            })
            .filter(|waiting| !waiting.dependents.is_empty())
            .collect();
        Failed {
            not_started: (0..self.drivers.len())
                .filter(|place| is_left(*place))
                .map(name)
                .collect(),
            waiting,
            failures: failures.into_iter().map(|(_, failure)| failure).collect(),
        }
    }
}

fn start_and_wait(driver: &dyn Driver) -> Result<(), Failure> {
    driver.start().map_err(Failure::Start)?;
    if driver.status() == Status::Starting {
        driver.wait(Status::Started, None).map_err(Failure::Wait)?;
    }
    Ok(())
}
