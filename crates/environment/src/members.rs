//! The drivers of an environment, shared between the environment, its running
//! guard and the context values of the drivers themselves.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};

use indexmap::IndexMap;
use standin_config::Node;
use standin_driver::{Attributes, ContextSource, Driver, Lifecycle};
use standin_entity::Entity;

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
}

impl Members {
    pub(crate) fn new(entity: Entity, node: Node) -> Self {
        Members {
            entity,
            node,
            members: RwLock::default(),
            initial: RwLock::default(),
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
        if entity
            .parent()
            .is_some_and(|parent| parent.is(&self.entity))
        {
            return Ok(());
        }
        let elsewhere = || AddError::InAnotherEnvironment {
            environment: self.name().to_owned(),
            name: base.name().to_owned(),
        };
        base.node()
            .set_parent(&self.node)
            .map_err(|_| elsewhere())?;
        entity.set_parent(&self.entity).map_err(|_| elsewhere())?;
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
            None => self
                .initial
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .get(name)
                .cloned(),
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
