//! Starting the drivers of an environment, with replacements for those that
//! do not start, and stopping them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indexmap::IndexMap;
use standin_driver::{Driver, Lifecycle};
use standin_entity::{AnnouncedStop, Error, Failovers, StartError, Status, WaitError};

use crate::members::Members;
use crate::plan::{Plan, starts_by_itself};
use crate::schedule::{Job, Progress};
use crate::{Failure, Waiting};

/// What there is to start, and how.
pub(crate) struct Start<'a> {
    members: &'a Arc<Members>,
    failovers: &'a IndexMap<String, Failovers<Arc<dyn Driver>>>,
    plan: &'a Plan,
    drivers: Vec<(String, Arc<dyn Driver>)>,
    /// The places that it came to.
    begun: Vec<AtomicBool>,
    /// Its time is over.
    is_ended: AtomicBool,
}

/// What became of a start that failed.
pub(crate) struct Failed {
    pub(crate) failures: Vec<Failure>,
    /// Who was not started because of them.
    pub(crate) not_started: Vec<String>,
    /// Who of these depends on whom of those that failed.
    pub(crate) waiting: Vec<Waiting>,
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
            is_ended: AtomicBool::new(false),
        }
    }

    /// Starts all drivers that start by themselves, until one fails.
    pub(crate) fn run(&self) -> Result<(), Failed> {
        let mut failures = self.plan.start(self);
        let broken = self.members.broken();
        if failures.is_empty() && broken.is_none() {
            return Ok(());
        }
        failures.sort_by_key(|(place, _)| *place);
        let mut failed = self.failed(failures);
        if let Some(failure) = broken {
            // Others were only interrupted because of it.
            let is_of_its_own = |failure: &Failure| {
                !matches!(
                    failure,
                    Failure::Test(_)
                        | Failure::Start(StartError::Interrupted { .. })
                        | Failure::Wait(
                            WaitError::Interrupted { .. }
                                | WaitError::Start(StartError::Interrupted { .. })
                        )
                )
            };
            failed.failures.retain(is_of_its_own);
            failed.failures.insert(0, Failure::Test(failure));
        }
        Err(failed)
    }

    /// Ends the start: what is not up yet fails, and nothing else is begun.
    pub(crate) fn end(&self) -> Vec<AnnouncedStop> {
        self.is_ended.store(true, Ordering::SeqCst);
        let drivers = self.members.active().into_iter();
        drivers
            .map(|driver| driver.base().resource().announce_stop())
            .collect()
    }

    /// Whether there is something to start at this place.
    fn is_wanted(&self, place: usize) -> bool {
        self.begun[place].store(true, Ordering::Relaxed);
        !self.plan.is_alias(place) && starts_by_itself(&*self.drivers[place].1)
    }

    /// Puts the first registered replacement that starts in the place of a
    /// driver that did not.
    fn fail_over(&self, name: &str, failure: Failure) -> Result<Progress, Failure> {
        let Some(failovers) = self.failovers.get(name) else {
            return Err(failure);
        };
        let is_wanted = || {
            self.members.entity.is_active()
                && self.members.broken().is_none()
                && !self.members.turn.is_ending()
                && !self.is_ended.load(Ordering::SeqCst)
        };
        if !is_wanted() {
            return Err(failure);
        }
        tracing::warn!(driver = name, %failure, "the driver did not start: trying its replacements");
        let replacement = failovers.first_that(|member| {
            self.members.with_candidate(member, || {
                self.members.adopt(&**member)?;
                // What came before and ends starts does not know it.
                if !is_wanted() {
                    return Err(Error::msg("the start was over by then"));
                }
                match start(&**member)? {
                    Progress::Done => Ok(()),
                    Progress::UnderWay => Ok(wait(&**member, Status::Started)?),
                }
            })
        });
        match replacement {
            Ok((_, member)) => {
                member.base().entity().set_known_as(name);
                // Not dropped under the lock: that may be the driver's code.
                let former = self.members.write().insert(name.to_owned(), member);
                drop(former);
                Ok(Progress::Done)
            }
            Err(error) => Err(Failure::Failover {
                first: Box::new(failure),
                cause: error,
            }),
        }
    }

    fn failed(&self, failures: Vec<(usize, Failure)>) -> Failed {
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

impl Job for Start<'_> {
    fn begin(&self, place: usize) -> Result<Progress, Failure> {
        if let Some(failure) = self.members.broken() {
            return Err(Failure::Test(failure));
        }
        if !self.is_wanted(place) {
            return Ok(Progress::Done);
        }
        let (name, driver) = &self.drivers[place];
        start(&**driver).or_else(|failure| self.fail_over(name, failure))
    }

    fn wait(&self, place: usize) -> Result<(), Failure> {
        let (name, driver) = &self.drivers[place];
        wait(&**driver, Status::Started).or_else(|failure| self.fail_over(name, failure).map(drop))
    }
}

/// What there is to stop.
pub(crate) struct Stop<'a> {
    plan: &'a Plan,
    drivers: Vec<Arc<dyn Driver>>,
}

impl<'a> Stop<'a> {
    pub(crate) fn new(members: &Members, plan: &'a Plan) -> Self {
        Stop {
            plan,
            drivers: members.drivers(),
        }
    }

    /// Stops all drivers that are up, in the reverse order of the start, whatever fails.
    pub(crate) fn run(&self) -> Vec<Failure> {
        let failures = self.plan.stop(self).into_iter();
        failures.map(|(_, failure)| failure).collect()
    }
}

impl Job for Stop<'_> {
    fn begin(&self, place: usize) -> Result<Progress, Failure> {
        if self.plan.is_alias(place) {
            return Ok(Progress::Done);
        }
        let driver = &self.drivers[place];
        driver.stop().map_err(Failure::Stop)?;
        Ok(match driver.status() {
            Status::Stopping => Progress::UnderWay,
            _ => Progress::Done,
        })
    }

    fn wait(&self, place: usize) -> Result<(), Failure> {
        wait(&*self.drivers[place], Status::Stopped)
    }
}

fn start(driver: &dyn Driver) -> Result<Progress, Failure> {
    driver.start().map_err(Failure::Start)?;
    Ok(match driver.status() {
        Status::Starting => Progress::UnderWay,
        _ => Progress::Done,
    })
}

fn wait(driver: &dyn Driver, status: Status) -> Result<(), Failure> {
    driver.wait(status, None).map_err(Failure::Wait)
}
