//! The drivers of an environment, shared between the environment, its running
//! guard and the context values of the drivers themselves.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};

use indexmap::IndexMap;
use standin_config::{Node, Value};
use standin_driver::{Attributes, ContextSource, Driver, Lifecycle};
use standin_entity::Entity;

use crate::running::Running;
use crate::{AddError, LookupError};

/// One driver under the name by which the environment knows it.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) driver: Arc<dyn Driver>,
    /// The same driver once more, to get its type back.
    typed: Arc<dyn Any + Send + Sync>,
}

impl Member {
    pub(crate) fn new<D: Driver>(driver: Arc<D>) -> Self {
        Member {
            driver: driver.clone(),
            typed: driver,
        }
    }
}

pub(crate) struct Members {
    pub(crate) entity: Entity,
    pub(crate) node: Node,
    members: RwLock<IndexMap<String, Member>>,
    /// What templates can read beyond what drivers publish.
    initial: RwLock<IndexMap<String, Attributes>>,
    /// The environment that this one belongs to.
    parent: RwLock<Option<Arc<Members>>>,
    /// The running environments that belong to this one.
    nested: Mutex<Vec<Weak<Running>>>,
    /// Replacements that are being tried; they are no members yet.
    trying: Mutex<Vec<Arc<dyn Driver>>>,
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
        }
    }

    pub(crate) fn name(&self) -> &str {
        self.entity.name()
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, IndexMap<String, Member>> {
        self.members.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, IndexMap<String, Member>> {
        self.members.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_initial(&self, name: String, attributes: Attributes) {
        self.initial
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name, attributes);
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
        self.read().contains_key(name)
            || self.is_initial(name)
            || self.parent().is_some_and(|parent| parent.publishes(name))
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

    /// Makes `running` end when this environment does.
    pub(crate) fn nest(&self, running: &Arc<Running>) {
        let mut nested = self.nested.lock().unwrap_or_else(PoisonError::into_inner);
        nested.retain(|known| known.strong_count() > 0);
        nested.push(Arc::downgrade(running));
    }

    /// The environments that belong to this one and run, the latest first.
    pub(crate) fn nested(&self) -> Vec<Arc<Running>> {
        let nested = self.nested.lock().unwrap_or_else(PoisonError::into_inner);
        nested.iter().rev().filter_map(Weak::upgrade).collect()
    }

    /// Lets an abort find `driver` while `work` lasts.
    pub(crate) fn trying<T>(&self, driver: &Arc<dyn Driver>, work: impl FnOnce() -> T) -> T {
        let trying = || self.trying.lock().unwrap_or_else(PoisonError::into_inner);
        trying().push(driver.clone());
        let result = work();
        trying().retain(|other| !Arc::ptr_eq(other, driver));
        result
    }

    /// Every driver that may be up or on its way, in the order in which an
    /// abort ends them.
    pub(crate) fn abortable(&self) -> Vec<Arc<dyn Driver>> {
        let mut drivers: Vec<_> = self
            .nested()
            .iter()
            .flat_map(|nested| nested.members.abortable())
            .collect();
        let trying = self.trying.lock().unwrap_or_else(PoisonError::into_inner);
        drivers.extend(trying.iter().rev().cloned());
        drop(trying);
        drivers.extend(self.drivers().into_iter().rev());
        drivers
    }

    /// All drivers in the order in which they were added.
    pub(crate) fn drivers(&self) -> Vec<Arc<dyn Driver>> {
        self.read()
            .values()
            .map(|member| member.driver.clone())
            .collect()
    }

    /// The same with the names under which they are known here.
    pub(crate) fn named(&self) -> Vec<(String, Arc<dyn Driver>)> {
        self.read()
            .iter()
            .map(|(name, member)| (name.clone(), member.driver.clone()))
            .collect()
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

    pub(crate) fn get<D: Driver>(&self, name: &str) -> Result<Arc<D>, LookupError> {
        let members = self.read();
        let Some(member) = members.get(name) else {
            return Err(LookupError::UnknownDriver {
                environment: self.name().to_owned(),
                name: name.to_owned(),
                known: members.keys().cloned().collect(),
            });
        };
        member
            .typed
            .clone()
            .downcast()
            .map_err(|_| LookupError::OtherType {
                environment: self.name().to_owned(),
                name: name.to_owned(),
                kind: member.driver.base().kind().to_owned(),
                wanted: std::any::type_name::<D>()
                    .rsplit("::")
                    .next()
                    .unwrap_or_default()
                    .to_owned(),
            })
    }
}

impl ContextSource for Members {
    fn attributes(&self, name: &str) -> Option<Attributes> {
        // Not under the lock: attributes are the driver's code.
        let driver = self.read().get(name).map(|member| member.driver.clone());
        match driver {
            Some(driver) => Some(driver.context()),
            None => {
                let initial = self.initial.read().unwrap_or_else(PoisonError::into_inner);
                let own = initial.get(name).cloned();
                drop(initial);
                own.or_else(|| self.parent()?.attributes(name))
            }
        }
    }

    fn attribute(&self, driver: &str, attribute: &str) -> Option<Value> {
        let driver = self.read().get(driver)?.driver.clone();
        // What it publishes beyond what every driver does wins.
        driver.attributes().remove(attribute)
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
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(
                self.read()
                    .iter()
                    .map(|(name, member)| (name.clone(), member.driver.status())),
            )
            .finish()
    }
}
