//! Anything with a name, options, a parent and a runpath.

use std::any::Any;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use miette::Diagnostic;
use standin_config::{ConfigErrors, Lineage, Node, Options, Value};
use standin_sync::Unpoisoned;
use thiserror::Error;

use crate::config::EntityBuilder;
use crate::incident::Subject;
use crate::name::{NameError, check_name};
use crate::report::{Abort, Facts, Report};
use crate::runpath::{Claims, Holder, Runpath};
use crate::timer::Timer;

/// Anything with a name, options, a parent and a runpath. A handle: clones are the
/// same entity, and the entity lives as long as one of them.
///
/// Everything that depends on what it belongs to depends on one thing, its parent: the
/// options that it inherits, where its files are, the report that its own is part of, and
/// whose context values it reads. [`join`](Entity::join) and [`leave`](Entity::leave)
/// change all of that at once.
///
/// ```
/// use std::time::Duration;
///
/// use standin_entity::{Entity, EntityConfig, EntityBuilder};
///
/// let options = EntityBuilder::new().name("Greeting Test").timeout(Duration::from_secs(5));
/// let environment = Entity::with_options("environment", "environment", options)?;
/// let server = Entity::with_kind("tcp-server", "server")?;
/// server.join(&environment)?;
/// assert_eq!(server.to_string(), "tcp-server[server]");
/// assert_eq!(environment.report().children[0].name, "server");
/// let config: EntityConfig = server.options().resolve()?;
/// assert_eq!(config.timeout, Duration::from_secs(5)); // inherited
/// # Ok::<(), standin_entity::Error>(())
/// ```
#[derive(Clone)]
pub struct Entity {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    /// The noun before its name in errors.
    noun: String,
    options: Node,
    /// Its name and kind, and whether it uses its runpath.
    holder: Arc<Holder>,
    place: Mutex<Place>,
    facts: Mutex<Facts>,
}

/// The position of the entity, in the tree and on disk.
#[derive(Default)]
pub(crate) struct Place {
    pub(crate) parent: Option<Entity>,
    pub(crate) children: Vec<Child>,
    pub(crate) runpath: Option<Runpath>,
    pub(crate) scratch: Option<PathBuf>,
    /// The name that errors use, if it is not its own.
    pub(crate) alias: Option<String>,
    /// The value that it provides to its descendants.
    provided: Option<Arc<dyn Any + Send + Sync>>,
    /// The common values of its descendants.
    common: Vec<Arc<dyn Any + Send + Sync>>,
}

/// A child of an entity.
#[derive(Clone)]
pub(crate) enum Child {
    Here(Weak<Inner>),
    /// It no longer exists, but its report is kept.
    Gone(Box<Report>),
}

/// How many children that no longer exist are kept in the report.
pub(crate) const GONE_KEPT: usize = 256;

impl Child {
    /// Puts the report of a child in its place. If there are too many of them, one goes: the
    /// first in which nothing failed, if there is one.
    fn bury(children: &mut Vec<Child>, own: *const Inner, report: Report) {
        let Some(child) = children.iter_mut().find(|child| child.is(own)) else {
            return;
        };
        *child = Child::Gone(Box::new(report));
        let gone = children
            .iter()
            .enumerate()
            .filter_map(|(at, child)| match child {
                Child::Here(_) => None,
                Child::Gone(report) => Some((at, report.passed())),
            });
        let gone: Vec<_> = gone.collect();
        if gone.len() > GONE_KEPT {
            let passed = gone.iter().find(|(_, passed)| *passed);
            children.remove(passed.unwrap_or(&gone[0]).0);
        }
    }

    pub(crate) fn is(&self, inner: *const Inner) -> bool {
        match self {
            Self::Here(child) => child.as_ptr() == inner,
            Self::Gone(_) => false,
        }
    }
}

impl Inner {
    fn report(&self) -> Report {
        let children = self.place.lock().unpoisoned().children.clone();
        let facts = self.facts.lock().unpoisoned();
        let mut report = facts.report(&self.holder.kind, &self.holder.name);
        drop(facts);
        let reports = children.into_iter().filter_map(|child| match child {
            Child::Here(child) => Some(child.upgrade()?.report()),
            Child::Gone(report) => Some(*report),
        });
        report.children = reports.collect();
        report
    }
}

impl Lineage for Inner {
    fn parent(&self) -> Option<Node> {
        let place = self.place.lock().unpoisoned();
        place.parent.as_ref().map(|parent| parent.options().clone())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let own: *const Inner = self;
        let place = self.place.get_mut().unpoisoned();
        if let Some(runpath) = place.runpath.take() {
            Claims::global().release(&runpath.location.real, &self.holder);
        }
        if let Some(parent) = place.parent.take() {
            let report = self.report();
            Child::bury(&mut parent.place().children, own, report);
        }
    }
}

impl Entity {
    /// Creates an entity of the kind `entity`.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`with_kind`](Entity::with_kind).
    pub fn new(name: impl Into<String>) -> Result<Self, NameError> {
        Self::with_kind("entity", name)
    }

    /// Creates an entity of some kind, with no option set but its name; errors and reports call it
    /// `kind[name]`.
    ///
    /// # Errors
    ///
    /// Returns an error if `name` cannot be a file name.
    pub fn with_kind(kind: impl Into<String>, name: impl Into<String>) -> Result<Self, NameError> {
        let (kind, name) = (kind.into(), name.into());
        check_name(&name)?;
        let options = EntityBuilder::new().name(name.clone());
        let node = Node::new(owner(&kind, &kind, Some(&name)), options)
            .expect("the name was checked, and no other option is set");
        Ok(Self::of(kind.clone(), kind, name, node))
    }

    /// Creates an entity from its options, which contain its name. Errors call it `noun "name"`,
    /// those about the status and the report `kind[name]`.
    ///
    /// # Errors
    ///
    /// Returns an error if an option is missing or has a value that is not allowed.
    pub fn with_options(
        kind: impl Into<String>,
        noun: impl Into<String>,
        options: impl Options,
    ) -> Result<Self, BuildError> {
        let (kind, noun) = (kind.into(), noun.into());
        let layer = options.into_layer();
        let name = layer.get("name");
        let name = name.as_ref().and_then(Value::as_str);
        let node = Node::new(owner(&kind, &noun, name), layer)?;
        let name = match node.get("name").map_err(ConfigErrors::from)? {
            Value::String(name) => name,
            other => other.to_string(),
        };
        check_name(&name)?;
        Ok(Self::of(kind, noun, name, node))
    }

    fn of(kind: String, noun: String, name: String, options: Node) -> Self {
        let inner = Arc::new(Inner {
            noun,
            options: options.clone(),
            holder: Arc::new(Holder::new(kind, name)),
            place: Mutex::default(),
            facts: Mutex::default(),
        });
        let lineage: Weak<Inner> = Arc::downgrade(&inner);
        options
            .set_lineage(lineage)
            .expect("a node that was just made has no parent");
        Self { inner }
    }

    /// Returns the name, as given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.holder.name
    }

    /// Returns the unique identifier among the children of one parent: the name.
    #[must_use]
    pub fn uid(&self) -> &str {
        self.name()
    }

    /// Returns its kind: `tcp-server`, `environment`, ...
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.inner.holder.kind
    }

    /// Returns its options, with where each value comes from. What is not set is inherited from the
    /// options of its [`parent`](Entity::parent).
    #[must_use]
    pub fn options(&self) -> &Node {
        &self.inner.options
    }

    /// Returns its name in errors: its own name, or another one that was
    /// [set](Entity::set_known_as).
    #[must_use]
    pub fn known_as(&self) -> String {
        let alias = self.place().alias.clone();
        alias.unwrap_or_else(|| self.name().to_owned())
    }

    /// Sets another name for errors than its own.
    pub fn set_known_as(&self, name: impl Into<String>) {
        self.place().alias = Some(name.into());
    }

    /// Returns the subject of errors about this entity.
    #[must_use]
    pub fn subject(&self) -> Subject {
        Subject {
            entity: self.to_string(),
            what: self.inner.noun.clone(),
            name: self.known_as(),
        }
    }

    /// Returns the entity that this one belongs to: see [`join`](Entity::join).
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.place().parent.clone()
    }

    /// Returns the parent, its parent, and so on.
    pub fn ancestors(&self) -> impl Iterator<Item = Self> + use<> {
        std::iter::successors(self.parent(), Self::parent)
    }

    /// Returns the children of this entity, in the order in which they joined.
    #[must_use]
    pub fn children(&self) -> Vec<Self> {
        let place = self.place();
        let entities = place.children.iter().filter_map(|child| match child {
            Child::Here(child) => child.upgrade().map(|inner| Self { inner }),
            Child::Gone(_) => None,
        });
        entities.collect()
    }

    /// Returns whether both handles are of one entity.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// Provides `value` to the descendants of this entity: an environment provides the published
    /// values of its drivers. It replaces an earlier value.
    pub fn provide(&self, value: impl Any + Send + Sync) {
        let former = self.place().provided.replace(Arc::new(value));
        drop(former);
    }

    /// Returns the value that this entity itself [provides](Entity::provide), if it is a `T`.
    #[must_use]
    pub fn provided<T: Any + Clone>(&self) -> Option<T> {
        let provided = self.place().provided.clone()?;
        provided.downcast_ref::<T>().cloned()
    }

    /// Returns the common value of this entity and all its descendants, one of each type: created
    /// by `make` on first use. It is dropped with the entity.
    pub fn common<T: Any + Send + Sync>(&self, make: impl FnOnce() -> T) -> Arc<T> {
        let find = |place: &Place| {
            let mut common = place.common.iter();
            common.find_map(|value| Arc::clone(value).downcast::<T>().ok())
        };
        let known = find(&self.place());
        known.unwrap_or_else(|| {
            // Not under the lock: it is a user's code.
            let made = Arc::new(make());
            let mut place = self.place();
            find(&place).unwrap_or_else(|| {
                place.common.push(Arc::clone(&made) as _);
                made
            })
        })
    }

    /// Neither aborting nor aborted.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.facts().abort() == Abort::No
    }

    /// Returns whether an abort has been completed.
    #[must_use]
    pub fn is_aborted(&self) -> bool {
        self.facts().abort() == Abort::Done
    }

    /// Marks the entity as aborting. [`Resource::abort`](crate::Resource::abort)
    /// does it for resources; this is for other entities.
    pub fn set_aborting(&self) {
        let mut facts = self.facts();
        if facts.abort() == Abort::No {
            facts.set_abort(Abort::Running);
        }
    }

    /// Marks the entity as aborted, in the report too.
    pub fn set_aborted(&self) {
        self.facts().set_abort(Abort::Done);
    }

    /// Returns the report of this entity and its children, as a value.
    #[must_use]
    pub fn report(&self) -> Report {
        self.inner.report()
    }

    /// Returns a copy of the timer as it is now.
    #[must_use]
    pub fn timer(&self) -> Timer {
        self.facts().timer.clone()
    }

    /// Runs `work` and records its duration under `name`, also when it panics.
    pub fn record<T>(&self, name: &str, work: impl FnOnce() -> T) -> T {
        struct End<'a>(&'a Entity, &'a str);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.facts().timer.close(self.1);
            }
        }
        self.facts().timer.start(name);
        let _end = End(self, name);
        work()
    }

    /// Adds a failure to the report: where it happened, and the error's text.
    pub fn record_failure(&self, during: impl Into<String>, message: impl Into<String>) {
        self.facts().add_failure(during.into(), message.into());
    }

    /// Adds a note to the report: something worth knowing that is not a failure.
    pub fn note(&self, text: impl Into<String>) {
        self.facts().add_note(text.into());
    }

    pub(crate) fn holder(&self) -> &Arc<Holder> {
        &self.inner.holder
    }

    pub(crate) fn place(&self) -> MutexGuard<'_, Place> {
        self.inner.place.lock().unpoisoned()
    }

    pub(crate) fn facts(&self) -> MutexGuard<'_, Facts> {
        self.inner.facts.lock().unpoisoned()
    }
}

/// The name in errors about options.
fn owner(kind: &str, noun: &str, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("{noun} \"{name}\""),
        None => format!("a {kind}"),
    }
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.holder.fmt(f)
    }
}

impl fmt::Debug for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.place();
        let runpath = place.runpath.as_ref();
        f.debug_struct("Entity")
            .field("kind", &self.kind())
            .field("name", &self.name())
            .field("runpath", &runpath.map(|runpath| &runpath.location.path))
            .finish_non_exhaustive()
    }
}

/// An entity cannot be created from its options.
#[derive(Error, Diagnostic)]
#[non_exhaustive]
pub enum BuildError {
    /// An option is missing, or its value is not allowed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Options(#[from] ConfigErrors),
    /// The name cannot name an entity.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Name(#[from] NameError),
}

standin_error::reportable!(BuildError { Options, Name });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_send_and_sync() {
        fn check<T: Send + Sync + fmt::Debug + Clone + 'static>() {}
        check::<Entity>();
    }

    #[test]
    fn a_recorded_interval_ends_when_the_work_panics() {
        let entity = Entity::new("e").unwrap();
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            entity.record("work", || panic!("no"));
        }));
        assert!(result.is_err());
        assert!(entity.timer().last("work").unwrap().has_ended());
    }

    #[test]
    fn errors_about_options_name_the_entity() {
        let options = EntityBuilder::new().name("a/b");
        let error = Entity::with_options("tcp-server", "driver", options).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("driver \"a/b\": option \"name\""),
            "{error}"
        );
        let error = Entity::with_options("tcp-server", "driver", EntityBuilder::new()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a tcp-server: option \"name\" is missing"
        );
    }
}
