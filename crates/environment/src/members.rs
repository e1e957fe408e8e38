//! The drivers of an environment, shared between the environment, its running
//! guard and the context values of the drivers themselves.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};

use indexmap::IndexMap;
use standin_config::{OptionValue, Value};
use standin_driver::{Driver, Lifecycle, context_of, provide_context};
use standin_entity::{AnnouncedStop, Entity, JoinError};
use standin_record::Recorder;
use standin_sync::Unpoisoned;

use crate::artifacts::Artifacts;
use crate::error::{AddError, LookupError};
use crate::failure::{Failure, TestFailure};
use crate::record::Record;
use crate::turn::Turn;

/// The kind of entity that an environment is.
pub(crate) const KIND: &str = "environment";

pub(crate) struct Members {
    pub(crate) entity: Entity,
    members: RwLock<IndexMap<String, Arc<dyn Driver>>>,
    /// Names in templates beyond those that drivers publish.
    initial: RwLock<IndexMap<String, Value>>,
    /// Replacements that are being tried; they are not members yet.
    candidates: Mutex<Vec<Arc<dyn Driver>>>,
    /// Whose turn it is to start or stop the environment.
    pub(crate) turn: Arc<Turn>,
    /// Stops the environment, once it has been started.
    running: Mutex<Option<Weak<dyn Running>>>,
    /// It is stopped, and what belongs to it cannot start.
    is_closed: AtomicBool,
    /// An operation of a driver has failed.
    errors: AtomicBool,
    /// The failure of the test that a driver reported.
    broken: Mutex<Option<TestFailure>>,
    /// Ends the starts of the drivers, and the waits for their status, after that.
    ended: Mutex<Vec<AnnouncedStop>>,
    recorder: OnceLock<Recorder>,
    /// The files written because the test has failed, since the latest start.
    artifacts: Mutex<Option<Artifacts>>,
    /// Those that were written before the end.
    early_artifacts: Mutex<Option<Artifacts>>,
}

/// An environment that has been started.
pub(crate) trait Running: Send + Sync {
    /// Stops it, because the environment that it belongs to stops.
    fn stop_within(self: Arc<Self>) -> Vec<Failure>;

    /// Each driver with those that its start waits for.
    fn waits_for(&self) -> Vec<(String, Vec<String>)>;
}

impl Members {
    pub(crate) fn new(entity: Entity) -> Arc<Self> {
        let members = Arc::new(Members {
            entity,
            members: RwLock::default(),
            initial: RwLock::default(),
            candidates: Mutex::default(),
            turn: Arc::default(),
            running: Mutex::default(),
            is_closed: AtomicBool::new(false),
            errors: AtomicBool::new(false),
            broken: Mutex::default(),
            ended: Mutex::default(),
            recorder: OnceLock::new(),
            artifacts: Mutex::default(),
            early_artifacts: Mutex::default(),
        });
        let source: Weak<Self> = Arc::downgrade(&members);
        provide_context(&members.entity, source);
        members
    }

    /// Where what happens to the drivers is kept, from the first time on that something does.
    pub(crate) fn recorder(&self) -> &Recorder {
        let make = || self.record().recorder(self.name());
        self.recorder.get_or_init(make)
    }

    /// What is kept, and written. What is wrong with the options is the error of the start.
    pub(crate) fn record(&self) -> Record {
        let record = self.entity.options().get("record").ok();
        let record = record.and_then(|record| Record::from_value(&record).ok());
        record.unwrap_or_default()
    }

    /// What `write` has written because the test has failed; it is asked once in each life of the
    /// environment.
    pub(crate) fn artifacts(&self, write: impl FnOnce() -> Artifacts) -> Artifacts {
        let mut artifacts = self.artifacts.lock().unpoisoned();
        artifacts.get_or_insert_with(write).clone()
    }

    /// What `write` writes before the end of the environment, given what was written there before.
    pub(crate) fn write_early(
        &self,
        write: impl FnOnce(Option<&Artifacts>) -> Artifacts,
    ) -> Artifacts {
        let mut early = self.early_artifacts.lock().unpoisoned();
        let written = write(early.as_ref());
        early.insert(written).clone()
    }

    /// What was written before the end of the environment.
    pub(crate) fn early_artifacts(&self) -> Option<Artifacts> {
        self.early_artifacts.lock().unpoisoned().clone()
    }

    /// Those of the environment that is `entity`, or the nearest around it.
    fn of(entity: &Entity) -> Option<Arc<Self>> {
        let source: Arc<dyn Any + Send + Sync> = context_of(entity)?.upgrade()?;
        source.downcast().ok()
    }

    /// Notes that an operation of a driver has failed. What fails in a start or a stop is the
    /// error of that.
    pub(crate) fn note_error(&self) {
        if !self.turn.is_busy() {
            self.errors.store(true, Ordering::Relaxed);
        }
    }

    /// The names of drivers and of other values, here and in the environments around this one.
    pub(crate) fn all_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.read().keys().cloned().collect();
        names.extend(self.initial.read().unpoisoned().keys().cloned());
        names.extend(self.parent().iter().flat_map(|parent| parent.all_names()));
        names
    }

    /// Whether an operation of a driver has failed while none was starting or stopping.
    pub(crate) fn has_seen_errors(&self) -> bool {
        self.errors.load(Ordering::Relaxed)
    }

    pub(crate) fn name(&self) -> &str {
        self.entity.name()
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, IndexMap<String, Arc<dyn Driver>>> {
        self.members.read().unpoisoned()
    }

    /// The drivers with their names as they are now: to be asked, which is the user's code,
    /// without the lock.
    pub(crate) fn snapshot(&self) -> IndexMap<String, Arc<dyn Driver>> {
        self.read().clone()
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, IndexMap<String, Arc<dyn Driver>>> {
        self.members.write().unpoisoned()
    }

    pub(crate) fn set_initial(&self, name: String, value: Value) {
        self.initial.write().unpoisoned().insert(name, value);
    }

    pub(crate) fn is_initial(&self, name: &str) -> bool {
        self.initial.read().unpoisoned().contains_key(name)
    }

    /// Whether templates can read `name`, of a driver or not, here or in the
    /// environments around this one.
    pub(crate) fn publishes(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// The environment that this one belongs to.
    pub(crate) fn parent(&self) -> Option<Arc<Members>> {
        Self::of(&self.entity.parent()?)
    }

    /// Notes that the environment starts, so that it ends when the one around it does.
    ///
    /// # Errors
    ///
    /// Returns the name of the environment around it, when that was stopped or is gone.
    pub(crate) fn begin(&self, running: Weak<dyn Running>) -> Result<(), String> {
        // Before the look at the parent, which looks here when it has closed itself: one of
        // the two sees the other.
        *self.running.lock().unpoisoned() = Some(running);
        let Some(parent) = self.entity.parent() else {
            return Ok(());
        };
        let is_open = match Self::of(&parent) {
            Some(around) => !around.is_closed.load(Ordering::SeqCst),
            // It is below something else than an environment, unless that is gone.
            None => context_of(&parent).is_none_or(|source| source.strong_count() > 0),
        };
        if is_open {
            Ok(())
        } else {
            Err(parent.name().to_owned())
        }
    }

    /// Allows the members of this environment to start again.
    pub(crate) fn open(&self) {
        self.is_closed.store(false, Ordering::SeqCst);
        *self.artifacts.lock().unpoisoned() = None;
        *self.early_artifacts.lock().unpoisoned() = None;
        *self.broken.lock().unpoisoned() = None;
        self.release();
    }

    /// A driver of this environment has failed the test: ends every wait on a driver of it, of
    /// those around it and of those that belong to them.
    pub(crate) fn fail(&self, broken: TestFailure) {
        let top = std::iter::successors(self.parent(), |members| members.parent()).last();
        let around = top.as_deref().unwrap_or(self);
        // First, so that an environment that begins meanwhile knows it.
        let (broken, is_first) = around.note_broken(broken);
        let nested = around.all_nested();
        let mut all: Vec<&Members> = nested.iter().map(|members| &**members).collect();
        // Of all before any wait ends: who notices the end of another's connection asks why.
        all.retain(|members| members.note_broken(broken.clone()).1);
        all.extend(is_first.then_some(around));
        for members in all {
            let drivers = members.active();
            // Of all: one that is not starting may be about to.
            let ended = drivers
                .iter()
                .map(|driver| driver.base().resource().interrupt());
            members.ended.lock().unpoisoned().extend(ended);
            for driver in &drivers {
                // Code of a user's: the others come to an end in any case.
                if catch_unwind(AssertUnwindSafe(|| driver.interrupt())).is_err() {
                    tracing::warn!(driver = driver.name(), "its `interrupting` panicked");
                }
            }
        }
    }

    /// Notes a failure of the test, unless there was one before; says which was the first, and
    /// whether it is this one.
    fn note_broken(&self, broken: TestFailure) -> (TestFailure, bool) {
        let mut first = self.broken.lock().unpoisoned();
        let is_first = first.is_none();
        (first.get_or_insert(broken).clone(), is_first)
    }

    /// The failure of the test, reported here, below, or in an environment around this one.
    pub(crate) fn broken(&self) -> Option<TestFailure> {
        let own = self.broken.lock().unpoisoned().clone();
        own.or_else(|| self.parent()?.broken())
    }

    /// Allows the drivers to start again.
    pub(crate) fn release(&self) {
        let ended = std::mem::take(&mut *self.ended.lock().unpoisoned());
        drop(ended);
    }

    /// Prevents all members of this environment from starting.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
    }

    /// What stops the environment, if it has been started.
    pub(crate) fn running(&self) -> Option<Arc<dyn Running>> {
        self.running.lock().unpoisoned().as_ref()?.upgrade()
    }

    /// The environments that belong to this one and have been started, the latest first.
    pub(crate) fn nested(&self) -> Vec<Arc<Members>> {
        let environments = self.entity.children().into_iter().rev();
        environments
            // Of a driver it gives this environment.
            .filter_map(|child| Self::of(&child).filter(|members| members.entity.is(&child)))
            .filter(|members| members.running().is_some())
            .collect()
    }

    /// The same with those that belong to them, and so on; each before the one that it
    /// belongs to.
    pub(crate) fn all_nested(&self) -> Vec<Arc<Members>> {
        let mut all = self.nested();
        let mut next = 0;
        while let Some(members) = all.get(next) {
            let further = members.nested();
            all.extend(further);
            next += 1;
        }
        all.reverse();
        all
    }

    /// Lets an abort find `driver`, which may replace another one, while `work` lasts.
    pub(crate) fn with_candidate<T>(
        &self,
        driver: &Arc<dyn Driver>,
        work: impl FnOnce() -> T,
    ) -> T {
        struct Forget<'a>(&'a Members, &'a Arc<dyn Driver>);
        impl Drop for Forget<'_> {
            fn drop(&mut self) {
                let is_other = |other: &Arc<dyn Driver>| !Arc::ptr_eq(other, self.1);
                self.0.candidates.lock().unpoisoned().retain(is_other);
            }
        }
        self.candidates.lock().unpoisoned().push(driver.clone());
        let _forget = Forget(self, driver);
        work()
    }

    /// Every driver of this environment that may be up or on its way, in the order in which an
    /// abort ends them.
    pub(crate) fn active(&self) -> Vec<Arc<dyn Driver>> {
        let candidates = self.candidates.lock().unpoisoned();
        let mut drivers: Vec<_> = candidates.iter().rev().cloned().collect();
        drop(candidates);
        drivers.extend(self.drivers().into_iter().rev());
        drivers
    }

    /// All drivers in the order in which they were added.
    pub(crate) fn drivers(&self) -> Vec<Arc<dyn Driver>> {
        self.read().values().cloned().collect()
    }

    /// Makes a driver one of this environment: it inherits options from here,
    /// keeps its files here, and reads the context of the others.
    pub(crate) fn adopt(&self, driver: &dyn Driver) -> Result<(), AddError> {
        let joined = driver.base().entity().join(&self.entity);
        joined.map_err(|error| match error {
            JoinError::Elsewhere { .. } => AddError::InAnotherEnvironment {
                environment: self.name().to_owned(),
                name: driver.base().name().to_owned(),
            },
            error => AddError::Parent(error),
        })
    }

    /// The driver of that name.
    pub(crate) fn driver(&self, name: &str) -> Result<Arc<dyn Driver>, LookupError> {
        let driver = self.read().get(name).cloned();
        driver.ok_or_else(|| LookupError::UnknownDriver {
            environment: self.name().to_owned(),
            name: name.to_owned(),
            known: self.read().keys().cloned().collect(),
        })
    }

    /// The same with its type.
    pub(crate) fn get<D: Driver>(&self, name: &str) -> Result<Arc<D>, LookupError> {
        let driver = self.driver(name)?;
        let any: Arc<dyn Any + Send + Sync> = driver.clone();
        any.downcast().map_err(|_| LookupError::OtherType {
            environment: self.name().to_owned(),
            name: name.to_owned(),
            kind: driver.base().kind().to_owned(),
            wanted: std::any::type_name::<D>()
                .rsplit("::")
                .next()
                .unwrap_or_default()
                .to_owned(),
        })
    }

    /// Who has that name, here or in the environments around this one.
    pub(crate) fn find(&self, name: &str) -> Option<Named> {
        if let Some(driver) = self.read().get(name) {
            return Some(Named::Driver(driver.clone()));
        }
        let initial = self.initial.read().unpoisoned();
        if let Some(value) = initial.get(name) {
            return Some(Named::Value(value.clone()));
        }
        drop(initial);
        self.parent()?.find(name)
    }
}

/// Who answers for a name in a template.
pub(crate) enum Named {
    Driver(Arc<dyn Driver>),
    Value(Value),
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let drivers = self.snapshot();
        let statuses = drivers.iter().map(|(name, driver)| (name, driver.status()));
        f.debug_map().entries(statuses).finish()
    }
}
