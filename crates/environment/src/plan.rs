//! The order in which the drivers of an environment start, and its obstacles.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use indexmap::IndexMap;
use standin_config::ReferenceBy;
use standin_driver::{Driver, DriverConfig};

use crate::order::Order;
use crate::schedule::{Job, OnFailure, by_order, one_by_one};
use crate::{DependencyError, Environment, EnvironmentConfig, Failure};

/// How the drivers of an environment start and stop.
#[derive(Debug)]
pub(crate) struct Plan {
    mode: Mode,
    /// How many may be under way at once in concurrent mode.
    workers: Option<NonZeroUsize>,
    /// Which driver waits for which, by place in the environment. A stop reverses it.
    order: Order,
    /// Which driver depends on which, regardless of the order.
    needs: Order,
    /// Places of drivers that are at an earlier place, too: nothing is done
    /// there.
    aliases: Vec<bool>,
}

/// One after the other, or as early as dependencies allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Declared,
    Concurrent,
}

impl Plan {
    /// Reads the present configuration of the drivers.
    pub(crate) fn new(
        environment: &Environment,
        config: &EnvironmentConfig,
    ) -> Result<Self, DependencyError> {
        let names = Names::new(environment);
        let (references, mut mistakes) = names.references();
        mistakes.extend(names.mistakes(config, &references));
        if let Some(mistake) = mistakes.into_iter().next() {
            return Err(mistake.error);
        }
        let needs = names.needs(&references);
        let mode = names.mode(config);
        Ok(Plan {
            mode,
            workers: config.workers.and_then(NonZeroUsize::new),
            order: match mode {
                Mode::Declared => Order::chain(names.len()),
                Mode::Concurrent => needs.clone(),
            },
            needs,
            aliases: (0..names.len())
                .map(|place| names.first_place(place) != place)
                .collect(),
        })
    }

    /// Everything that keeps the drivers from being brought into an order.
    pub(crate) fn mistakes(
        environment: &Environment,
        config: &EnvironmentConfig,
    ) -> Vec<OrderMistake> {
        let names = Names::new(environment);
        let (references, mut mistakes) = names.references();
        mistakes.extend(names.mistakes(config, &references));
        mistakes
    }

    /// The dependencies, with their reasons.
    pub(crate) fn all_needs(environment: &Environment) -> Vec<Need> {
        let names = Names::new(environment);
        let declared = environment.dependencies.iter().map(|(needs, driver)| Need {
            driver: driver.to_owned(),
            needs: needs.to_owned(),
            option: "after".to_owned(),
        });
        let (references, _) = names.references();
        let read = references.iter().map(|reference| Need {
            driver: names.name(reference.reader),
            needs: names.name(reference.read),
            option: reference.option.clone(),
        });
        declared.chain(read).collect()
    }

    /// Starts the drivers with `job`, until one fails.
    pub(crate) fn start(&self, job: &dyn Job) -> Vec<(usize, Failure)> {
        match self.mode {
            Mode::Declared => one_by_one(self.places(), OnFailure::Halt, job),
            Mode::Concurrent => by_order(&self.order, self.workers, OnFailure::Halt, job),
        }
    }

    /// Stops the drivers with `job` in reverse order, all of them whatever fails.
    pub(crate) fn stop(&self, job: &dyn Job) -> Vec<(usize, Failure)> {
        let on_failure = OnFailure::Continue;
        match self.mode {
            Mode::Declared => one_by_one(self.places().rev(), on_failure, job),
            Mode::Concurrent => by_order(&self.order.reversed(), self.workers, on_failure, job),
        }
    }

    fn places(&self) -> std::ops::Range<usize> {
        0..self.order.len()
    }

    /// Whether the driver at `place` is at an earlier place, too.
    pub(crate) fn is_alias(&self, place: usize) -> bool {
        self.aliases.get(place).copied().unwrap_or_default()
    }

    /// Each driver with those that its start waits for: those that it depends on, and in declared
    /// order the one before.
    pub(crate) fn waits_for(
        &self,
        drivers: &IndexMap<String, Arc<dyn Driver>>,
    ) -> Vec<(String, Vec<String>)> {
        let name = |place: usize| {
            let (name, _) = drivers.get_index(place)?;
            Some(name.clone())
        };
        let mut former = None;
        let places = self.places().filter(|place| !self.is_alias(*place));
        let waits = places.filter_map(|place| {
            let starts = drivers
                .get_index(place)
                .is_some_and(|(_, d)| starts_by_itself(&**d));
            let mut before = self.needs.before(place);
            if self.mode == Mode::Declared && starts {
                let former = former
                    .replace(place)
                    .filter(|former| !before.contains(former));
                before.extend(former);
            }
            let before = before.into_iter().filter_map(name).collect();
            Some((name(place)?, before))
        });
        waits.collect()
    }

    /// All who cannot start without `place`, directly or not, smallest first.
    pub(crate) fn dependents(&self, place: usize) -> Vec<usize> {
        self.needs.all_then(place)
    }
}

/// A driver that needs another one to be up.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Need {
    /// The driver that needs the other one.
    pub driver: String,
    /// The one that is needed.
    pub needs: String,
    /// The option that reads from it, or `after` for a declared dependency.
    pub option: String,
}

/// Why drivers cannot be ordered.
pub(crate) struct OrderMistake {
    /// The driver that it is about.
    pub(crate) driver: String,
    /// The option that it comes from; `after` for a declared dependency.
    pub(crate) option: String,
    /// The driver that this one would have to wait for, if it is about one.
    pub(crate) needs: Option<String>,
    pub(crate) error: DependencyError,
}

/// A driver that reads the context of another one, by place.
#[derive(PartialEq)]
struct Reference {
    reader: usize,
    option: String,
    read: usize,
}

/// The drivers of an environment as they were when it was asked, by place.
struct Names<'a> {
    environment: &'a Environment,
    members: IndexMap<String, Arc<dyn Driver>>,
    /// For each place, the first place of the same driver.
    first_places: Vec<usize>,
}

impl<'a> Names<'a> {
    fn new(environment: &'a Environment) -> Self {
        let members = environment.members.snapshot();
        let mut known = HashMap::new();
        let first_places = members
            .values()
            .enumerate()
            .map(|(place, driver)| *known.entry(address(driver)).or_insert(place))
            .collect();
        Names {
            environment,
            members,
            first_places,
        }
    }

    fn len(&self) -> usize {
        self.members.len()
    }

    fn name(&self, place: usize) -> String {
        self.members
            .get_index(place)
            .map(|(name, _)| name.clone())
            .unwrap_or_default()
    }

    fn known(&self) -> Vec<String> {
        self.members.keys().cloned().collect()
    }

    /// The first place of the driver that is at `place`.
    fn first_place(&self, place: usize) -> usize {
        self.first_places.get(place).copied().unwrap_or(place)
    }

    /// The first place of the driver of that name.
    fn place(&self, name: &str) -> Option<usize> {
        let place = self.members.get_index_of(name)?;
        Some(self.first_place(place))
    }

    fn mode(&self, config: &EnvironmentConfig) -> Mode {
        if config.concurrent || !self.environment.dependencies.is_empty() {
            Mode::Concurrent
        } else {
            Mode::Declared
        }
    }

    /// Everything that drivers read of each other, as far as their options say, and what
    /// cannot be read.
    fn references(&self) -> (Vec<Reference>, Vec<OrderMistake>) {
        let (mut references, mut mistakes) = (Vec::new(), Vec::new());
        for (reader, (name, driver)) in self.members.iter().enumerate() {
            let reader = self.first_place(reader);
            let base = driver.base();
            let first = references.len();
            for (option, reference) in base.references() {
                let is_context = reference.by == ReferenceBy::ContextValue;
                let driver = reference.name;
                match self.place(&driver) {
                    // What a driver publishes itself it may read in a template.
                    Some(read) if read == reader && !is_context => {}
                    Some(read) => {
                        let reference = Reference {
                            reader,
                            option,
                            read,
                        };
                        if !references[first..].contains(&reference) {
                            references.push(reference);
                        }
                    }
                    // In a template, a name that is not there may never be rendered, and is
                    // reported when it is.
                    None if !is_context || self.environment.members.publishes(&driver) => {}
                    None => mistakes.push(OrderMistake {
                        driver: name.clone(),
                        option: option.clone(),
                        needs: Some(driver.clone()),
                        error: DependencyError::UnknownContext {
                            environment: self.environment.name().to_owned(),
                            reader: name.clone(),
                            option,
                            name: driver,
                            known: self.known(),
                        },
                    }),
                }
            }
        }
        (references, mistakes)
    }

    /// The dependencies: by context values and by declaration.
    fn needs(&self, references: &[Reference]) -> Order {
        let mut needs = Order::new(self.len());
        for (first, then) in self.environment.dependencies.iter() {
            // Both were drivers when it was declared, and who is removed takes it along.
            if let (Some(first), Some(then)) = (self.place(first), self.place(then)) {
                needs.add(first, then);
            }
        }
        for reference in references {
            needs.add(reference.read, reference.reader);
        }
        needs
    }

    /// What cannot be brought into an order.
    fn mistakes(&self, config: &EnvironmentConfig, references: &[Reference]) -> Vec<OrderMistake> {
        match self.mode(config) {
            Mode::Declared => {
                let too_late = |reference: &&Reference| reference.read >= reference.reader;
                let mut too_late = references.iter().filter(too_late).peekable();
                if too_late.peek().is_none() {
                    return Vec::new();
                }
                let needs = self.needs(references);
                too_late
                    .map(|reference| self.too_late(reference, &needs))
                    .collect()
            }
            Mode::Concurrent => {
                let mut mistakes: Vec<_> = self.needless_async_starts().collect();
                mistakes.extend(self.circle(references));
                mistakes
            }
        }
    }

    /// A driver reads one that does not start before it.
    fn too_late(&self, reference: &Reference, needs: &Order) -> OrderMistake {
        let (reader, read) = (self.name(reference.reader), self.name(reference.read));
        OrderMistake {
            driver: reader.clone(),
            option: reference.option.clone(),
            needs: Some(read.clone()),
            error: match needs.way(reference.reader, reference.read) {
                // No order helps.
                Some(circle) => DependencyError::Cycle {
                    drivers: circle.into_iter().map(|place| self.name(place)).collect(),
                },
                None => DependencyError::StartsLater {
                    reader,
                    option: reference.option.clone(),
                    later: read,
                },
            },
        }
    }

    /// Each driver starts when it can: there is nothing for `async_start` to say.
    fn needless_async_starts(&self) -> impl Iterator<Item = OrderMistake> {
        let setting = self
            .members
            .iter()
            .filter(|(_, driver)| sets_async_start(&***driver));
        setting.map(|(name, _)| OrderMistake {
            driver: name.clone(),
            option: "async_start".to_owned(),
            needs: None,
            error: DependencyError::AsyncStart {
                environment: self.environment.name().to_owned(),
                driver: name.clone(),
            },
        })
    }

    /// Drivers that wait for each other, if there are any.
    fn circle(&self, references: &[Reference]) -> Option<OrderMistake> {
        let circle = self.needs(references).cycle()?;
        let (first, last) = (*circle.first()?, *circle.last()?);
        let closes = |reference: &&Reference| reference.read == last && reference.reader == first;
        let option = references
            .iter()
            .find(closes)
            .map_or("after", |reference| &reference.option);
        Some(OrderMistake {
            driver: self.name(first),
            option: option.to_owned(),
            needs: Some(self.name(last)),
            error: DependencyError::Cycle {
                drivers: circle.into_iter().map(|place| self.name(place)).collect(),
            },
        })
    }
}

/// Whether an environment starts the driver, rather than the user by hand.
pub(crate) fn starts_by_itself(driver: &dyn Driver) -> bool {
    let config = driver.base().options().shared::<DriverConfig>();
    // What is wrong with the options is the error of the start itself.
    config.map_or(true, |config| config.resource.auto_start)
}

/// Whether the driver itself says something about `async_start`.
pub(crate) fn sets_async_start(driver: &dyn Driver) -> bool {
    let async_start = driver.base().options().get_local("async_start");
    async_start.is_some_and(|value| !value.is_null())
}

/// What distinguishes one driver from another.
fn address(driver: &Arc<dyn Driver>) -> *const () {
    Arc::as_ptr(driver).cast()
}
