//! Starting the drivers of an environment, with replacements for those that
//! do not start.

use std::sync::Arc;

use indexmap::IndexMap;
use standin_driver::{Driver, Lifecycle};
use standin_entity::{Failovers, Status};

use crate::Failure;
use crate::members::{Member, Members};
use crate::plan::{Mode, Plan};
use crate::schedule::{self, OnFailure};

/// What there is to start, and how.
pub(crate) struct Start<'a> {
    pub(crate) members: &'a Arc<Members>,
    pub(crate) failovers: &'a IndexMap<String, Failovers<Member>>,
    pub(crate) plan: &'a Plan,
}

/// Whether an environment starts the driver, rather than somebody by hand.
pub(crate) fn starts_by_itself(driver: &dyn Driver) -> bool {
    let auto_start = driver.base().node().get("auto_start");
    // What is wrong with the options is told by the start itself.
    auto_start.map_or(true, |value| value.as_bool() != Some(false))
}

impl Start<'_> {
    /// Starts all drivers that start by themselves, until one fails.
    pub(crate) fn run(&self) -> Vec<Failure> {
        let drivers = self.members.named();
        match self.plan.mode {
            Mode::Declared => self.in_order(&drivers),
            Mode::Concurrent => schedule::run(
                &self.plan.order,
                self.plan.workers,
                OnFailure::Halt,
                |place| {
                    let (name, driver) = &drivers[place];
                    if !starts_by_itself(&**driver) {
                        return Ok(());
                    }
                    start_and_wait(&**driver).or_else(|failure| self.fail_over(name, failure))
                },
            )
            .into_iter()
            .map(|(_, failure)| failure)
            .collect(),
        }
    }

    /// One driver after the other. Those with `async_start` are waited for at
    /// the end, whether or not one failed.
    fn in_order(&self, drivers: &[(String, Arc<dyn Driver>)]) -> Vec<Failure> {
        let mut failures = Vec::new();
        let mut pending = Vec::new();
        for (name, driver) in drivers {
            if !starts_by_itself(&**driver) {
                continue;
            }
            let started = driver.start().map_err(Failure::Start);
            if let Err(failure) = started.or_else(|failure| self.fail_over(name, failure)) {
                failures.push(failure);
                break;
            }
            if driver.status() == Status::Starting {
                pending.push((name, driver));
            }
        }
        failures.extend(pending.into_iter().filter_map(|(name, driver)| {
            let waited = driver.wait(Status::Started, None).map_err(Failure::Wait);
            waited
                .or_else(|failure| self.fail_over(name, failure))
                .err()
        }));
        failures
    }

    /// Puts the first registered replacement that starts in the place of a
    /// driver that did not.
    fn fail_over(&self, name: &str, failure: Failure) -> Result<(), Failure> {
        let Some(failovers) = self.failovers.get(name) else {
            return Err(failure);
        };
        if !self.members.entity.is_active() {
            return Err(failure);
        }
        tracing::warn!(driver = name, %failure, "the driver did not start: trying its replacements");
        let replacement = failovers.first_that(|member| {
            self.members.adopt(&*member.driver)?;
            Ok(start_and_wait(&*member.driver)?)
        });
        match replacement {
            Ok((_, member)) => {
                self.members.write().insert(name.to_owned(), member);
                Ok(())
            }
            Err(error) => Err(Failure::Failover {
                first: Box::new(failure),
                cause: error.into_cause(),
            }),
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
