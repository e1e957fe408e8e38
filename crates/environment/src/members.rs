//! The drivers of an environment, shared between the environment, its running
//! guard and the context values of the drivers themselves.

use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak,
};

use indexmap::IndexMap;
use standin_config::{Node, Value};
use standin_driver::{Attributes, ContextSource, Driver, Lifecycle};
use standin_entity::Entity;

use crate::running::Running;
use crate::turn::Turn;
use crate::{AddError, LookupError, account};

pub(crate) struct Members {
    pub(crate) entity: Entity,
    pub(crate) node: Node,
    members: RwLock<IndexMap<String, Arc<dyn Driver>>>,
    /// What templates can read beyond what drivers publish.
    initial: RwLock<IndexMap<String, Value>>,
    /// The environment that this one belongs to.
    parent: RwLock<Option<Arc<Members>>>,
    /// The environments that belong to this one and have been started.
    nested: Mutex<Nested>,
    /// Replacements that are being tried; they are not members yet.
    trying: Mutex<Vec<Arc<dyn Driver>>>,
    /// Whose turn it is to start or stop the environment.
    pub(crate) turn: Turn,
    /// An operation of a driver has failed.
    errors: AtomicBool,
}

#[derive(Default)]
struct Nested {
    environments: Vec<Weak<Running>>,
    /// This one is stopped, and what belongs to it cannot start.
    is_closed: bool,
}

impl Members {
    pub(crate) fn new(entity: Entity, node: Node) -> Self {
        Members {
            entity,
            node,
            members: RwLock::default(),
            initial: RwLock::default(),
            parent: RwLock::default(),
            nested: Mutex::default(),
            trying: Mutex::default(),
            turn: Turn::new(),
            errors: AtomicBool::new(false),
        }
    }

    /// Whether an operation of a driver has failed while none was starting or stopping.
    pub(crate) fn has_seen_errors(&self) -> bool {
        self.errors.load(Ordering::Relaxed)
    }

    pub(crate) fn name(&self) -> &str {
        self.entity.name()
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, IndexMap<String, Arc<dyn Driver>>> {
        self.members.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The drivers with their names as they are now: to be asked, which is the user's code,
    /// without the lock.
    pub(crate) fn snapshot(&self) -> IndexMap<String, Arc<dyn Driver>> {
        self.read().clone()
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, IndexMap<String, Arc<dyn Driver>>> {
        self.members.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_initial(&self, name: String, value: Value) {
        self.initial
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name, value);
    }

    pub(crate) fn is_initial(&self, name: &str) -> bool {
        self.initial
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .contains_key(name)
    }

    /// Whether templates can read `name`, of a driver or not, here or in the
    /// environments around this one.
    pub(crate) fn publishes(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    pub(crate) fn parent(&self) -> Option<Arc<Members>> {
        let parent = self.parent.read().unwrap_or_else(PoisonError::into_inner);
        parent.clone()
    }

    /// Makes `parent` the environment that this one belongs to.
    pub(crate) fn set_parent(&self, parent: &Arc<Members>) -> Result<(), AddError> {
        let taken = || AddError::InAnotherEnvironment {
            environment: parent.name().to_owned(),
            name: self.name().to_owned(),
        };
        self.node.set_parent(&parent.node).map_err(|_| taken())?;
        self.entity
            .set_parent(&parent.entity)
            .map_err(|_| taken())?;
        *self.parent.write().unwrap_or_else(PoisonError::into_inner) = Some(parent.clone());
        Ok(())
    }

    fn lock_nested(&self) -> MutexGuard<'_, Nested> {
        self.nested.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets `running` start, and end when this environment does. Whether this one is up, or was
    /// never started.
    pub(crate) fn admit(&self, running: &Arc<Running>) -> bool {
        let mut nested = self.lock_nested();
        if nested.is_closed {
            return false;
        }
        nested.environments.retain(|known| known.strong_count() > 0);
        let running = Arc::downgrade(running);
        if !nested
            .environments
            .iter()
            .any(|known| known.ptr_eq(&running))
        {
            nested.environments.push(running);
        }
        true
    }

    /// Lets what belongs to this environment start again.
    pub(crate) fn open(&self) {
        self.lock_nested().is_closed = false;
    }

    /// Lets nothing start any more that belongs to this environment.
    pub(crate) fn close(&self) {
        self.lock_nested().is_closed = true;
    }

    /// The environments that belong to this one and have been started, the latest first.
    pub(crate) fn nested(&self) -> Vec<Arc<Running>> {
        let nested = self.lock_nested();
        nested
            .environments
            .iter()
            .rev()
            .filter_map(Weak::upgrade)
            .collect()
    }

    /// The same with those that belong to them, and so on; each before the one that it
    /// belongs to.
    pub(crate) fn all_nested(&self) -> Vec<Arc<Running>> {
        let mut all = self.nested();
        let mut next = 0;
        while let Some(running) = all.get(next) {
            let further = running.members.nested();
            all.extend(further);
            next += 1;
        }
        all.reverse();
        all
    }

    fn lock_trying(&self) -> MutexGuard<'_, Vec<Arc<dyn Driver>>> {
        self.trying.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets an abort find `driver` while `work` lasts.
    pub(crate) fn trying<T>(&self, driver: &Arc<dyn Driver>, work: impl FnOnce() -> T) -> T {
        struct Forget<'a>(&'a Members, &'a Arc<dyn Driver>);
        impl Drop for Forget<'_> {
            fn drop(&mut self) {
                self.0
                    .lock_trying()
                    .retain(|other| !Arc::ptr_eq(other, self.1));
            }
        }
        self.lock_trying().push(driver.clone());
        let _forget = Forget(self, driver);
        work()
    }

    /// Every driver of this environment that may be up or on its way, in the order in which an
    /// abort ends them.
    pub(crate) fn active(&self) -> Vec<Arc<dyn Driver>> {
        let mut drivers: Vec<_> = self.lock_trying().iter().rev().cloned().collect();
        drivers.extend(self.drivers().into_iter().rev());
        drivers
    }

    /// All drivers in the order in which they were added.
    pub(crate) fn drivers(&self) -> Vec<Arc<dyn Driver>> {
        self.read().values().cloned().collect()
    }

    /// Makes a driver one of this environment: it inherits options from here,
    /// keeps its files here, and reads the context of the others.
    pub(crate) fn adopt(self: &Arc<Self>, driver: &dyn Driver) -> Result<(), AddError> {
        let base = driver.base();
        let entity = base.resource().entity();
        let elsewhere = || AddError::InAnotherEnvironment {
            environment: self.name().to_owned(),
            name: base.name().to_owned(),
        };
        // A driver that was removed may come back.
        match base.node().parent() {
            Some(parent) if parent.is_same(&self.node) => {}
            _ => base
                .node()
                .set_parent(&self.node)
                .map_err(|_| elsewhere())?,
        }
        let is_child = |parent: Entity| parent.is(&self.entity);
        if !entity.parent().is_some_and(is_child) {
            entity.set_parent(&self.entity).map_err(|_| elsewhere())?;
        }
        let source: Weak<Self> = Arc::downgrade(self);
        base.set_context(source);
        Ok(())
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
    fn find(&self, name: &str) -> Option<Named> {
        if let Some(driver) = self.read().get(name) {
            return Some(Named::Driver(driver.clone()));
        }
        let initial = self.initial.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = initial.get(name) {
            return Some(Named::Value(value.clone()));
        }
        drop(initial);
        self.parent()?.find(name)
    }
}

/// Who answers for a name in a template.
enum Named {
    Driver(Arc<dyn Driver>),
    Value(Value),
}

impl ContextSource for Members {
    fn attributes(&self, name: &str) -> Option<Attributes> {
        // Not under the lock: attributes are the driver's code.
        match self.find(name)? {
            Named::Driver(driver) => Some(driver.context()),
            Named::Value(Value::Map(values)) => {
                let values = values.into_iter();
                Some(values.fold(Attributes::new(), |all, (name, value)| {
                    all.with(name, value)
                }))
            }
            Named::Value(_) => None,
        }
    }

    fn attribute(&self, driver: &str, attribute: &str) -> Option<Value> {
        let driver = self.read().get(driver)?.clone();
        // What it publishes beyond what every driver does wins.
        driver.attributes().remove(attribute)
    }

    fn value(&self, name: &str) -> Option<Value> {
        match self.find(name)? {
            Named::Driver(_) => None,
            Named::Value(value) => Some(value),
        }
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.read().keys().cloned().collect();
        names.extend(
            self.initial
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .keys()
                .cloned(),
        );
        names.extend(self.parent().iter().flat_map(|parent| parent.names()));
        names
    }

    fn explain_failure(&self, driver: &str) -> Option<String> {
        // What fails in a start or a stop is the error of that.
        if !self.turn.is_busy() {
            self.errors.store(true, Ordering::Relaxed);
        }
        account::explanation(self, driver)
    }
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let drivers = self.snapshot();
        let statuses = drivers.iter().map(|(name, driver)| (name, driver.status()));
        f.debug_map().entries(statuses).finish()
    }
}
