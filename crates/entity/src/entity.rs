//! Anything with a name, a parent and a runpath.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use miette::Diagnostic;
use standin_config::Constraint;
use thiserror::Error;

use crate::incident::Subject;
use crate::report::{Node, Report};
use crate::runpath::{Claims, Location, Runpath, RunpathError};
use crate::timer::Timer;

/// Anything with a name, a parent and a runpath. A handle: clones are the
/// same entity, and the entity lives as long as one of them.
///
/// ```
/// use standin_entity::Entity;
///
/// let environment = Entity::with_kind("environment", "Greeting Test")?;
/// let server = Entity::with_kind("tcp-server", "server")?;
/// server.set_parent(&environment)?;
/// assert_eq!(server.to_string(), "tcp-server[server]");
/// assert_eq!(environment.report().children[0].name, "server");
/// # Ok::<(), standin_entity::Error>(())
/// ```
#[derive(Clone)]
pub struct Entity {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    kind: String,
    place: Mutex<Place>,
    node: Arc<Node>,
    abort: AtomicU8,
    /// [`Use`] of the runpath.
    usage: AtomicU8,
}

/// What an entity does with its runpath.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// Nothing: others may have it.
    Free,
    /// Between making the directories and the end of the stop.
    Used,
    /// It is emptying or removing the directory.
    Clearing,
}

/// Where the entity stands, in the tree and on disk.
#[derive(Default)]
struct Place {
    parent: Option<Entity>,
    runpath: Option<Runpath>,
    scratch: Option<PathBuf>,
    known_as: Option<(&'static str, String)>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        let place = self.place.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(runpath) = &place.runpath {
            Claims::global().forget(&runpath.location.real);
        }
    }
}

const ACTIVE: u8 = 0;
const ABORTING: u8 = 1;
const ABORTED: u8 = 2;

impl Entity {
    /// An entity of the kind `entity`.
    ///
    /// # Errors
    ///
    /// As [`with_kind`](Entity::with_kind).
    pub fn new(name: impl Into<String>) -> Result<Self, NameError> {
        Self::with_kind("entity", name)
    }

    /// An entity of some kind; errors and reports call it `kind[name]`.
    ///
    /// # Errors
    ///
    /// [`NameError`] when `name` cannot be a file name.
    pub fn with_kind(kind: impl Into<String>, name: impl Into<String>) -> Result<Self, NameError> {
        let name = name.into();
        check_name(&name)?;
        let kind = kind.into();
        let node = Arc::new(Node::new(&kind, &name));
        Ok(Self {
            inner: Arc::new(Inner {
                name,
                kind,
                place: Mutex::default(),
                node,
                abort: AtomicU8::new(ACTIVE),
                usage: AtomicU8::new(Use::Free as u8),
            }),
        })
    }

    /// The name, as given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The unique identifier among the children of one parent: the name.
    #[must_use]
    pub fn uid(&self) -> &str {
        &self.inner.name
    }

    /// What sort of thing it is: `tcp-server`, `environment`, ...
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.inner.kind
    }

    /// What errors call it: `what "name"`. Without this they take kind and name.
    pub fn set_known_as(&self, what: &'static str, name: impl Into<String>) {
        self.place().known_as = Some((what, name.into()));
    }

    /// Whom errors are about, when they are about this.
    #[must_use]
    pub fn subject(&self) -> Subject {
        let (what, name) = match &self.place().known_as {
            Some((what, name)) => ((*what).to_owned(), name.clone()),
            None => (self.inner.kind.clone(), self.inner.name.clone()),
        };
        Subject {
            entity: self.to_string(),
            what,
            name,
        }
    }

    /// The entity that this one belongs to.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.place().parent.clone()
    }

    /// Makes this a child of `parent`, and its report a part of the parent's.
    /// A child that had another parent moves.
    ///
    /// # Errors
    ///
    /// [`ParentError`] when `parent` is this entity or one of its descendants.
    pub fn set_parent(&self, parent: &Self) -> Result<(), ParentError> {
        let mut ancestor = Some(parent.clone());
        while let Some(entity) = ancestor {
            if entity.is(self) {
                return Err(ParentError {
                    entity: self.to_string(),
                    parent: parent.to_string(),
                });
            }
            ancestor = entity.parent();
        }
        let former = self.place().parent.replace(parent.clone());
        if let Some(former) = former {
            former.inner.node.remove_child(&self.inner.node);
        }
        parent.inner.node.add_child(&self.inner.node);
        Ok(())
    }

    /// Leaves the parent, taking the report along.
    pub fn clear_parent(&self) {
        let former = self.place().parent.take();
        if let Some(former) = former {
            former.inner.node.remove_child(&self.inner.node);
        }
    }

    /// Whether both handles are of one entity.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// Decides on the runpath, makes nothing, and answers with it, as an absolute
    /// path.
    ///
    /// 1. `explicit`, when it is given and not empty;
    /// 2. else the parent's runpath, if it has one, and below it the
    ///    [slug](crate::slugify) of the uid;
    /// 3. else [`default_root`](crate::default_root) and below it the slug.
    ///
    /// A slug that is empty becomes `unnamed`; one that another live entity
    /// uses in the same place gets `-2`, `-3`, ..., and in the default root so
    /// does one that an entity before has left files in. An explicit runpath
    /// stands as it is; a relative one starts at the present current directory.
    /// Asking again gives the same answer as long as the explicit path and the
    /// parent's runpath are the same.
    ///
    /// # Errors
    ///
    /// Returns an error if the default root cannot be determined, or if the path
    /// is not valid UTF-8 or cannot be made absolute.
    pub fn define_runpath(&self, explicit: Option<PathBuf>) -> Result<PathBuf, RunpathError> {
        let defined = Runpath::define(self, explicit)?;
        let path = defined.location.path.clone();
        let mut place = self.place();
        match &place.runpath {
            // What is known of the directory stays known.
            Some(former) if former.location == defined.location => {}
            _ => {
                let now = defined.location.real.clone();
                let former = place.runpath.replace(defined);
                place.scratch = None;
                drop(place);
                let former = former.map(|former| former.location.real);
                self.set_use(Use::Free);
                if let Some(former) = former.filter(|former| *former != now) {
                    Claims::global().release(&former, self);
                }
            }
        }
        Ok(path)
    }

    /// Makes the directories of the runpath (defined before, or now with no
    /// explicit path) and of the scratch below it, and keeps others from emptying
    /// them until [`release_runpath`](Entity::release_runpath), which the end of a
    /// stop does: other entities, and other processes.
    ///
    /// With `cleanup` what was in them goes, if it may: standin empties a
    /// directory only if it made it, found it empty or has left its marker in it,
    /// the file `.standin`. Behind a link it is the directory that the link leads
    /// to; links in it are not followed. Without `cleanup` what is there stays.
    /// While the entity is using its runpath nothing is emptied either.
    ///
    /// # Errors
    ///
    /// Returns an error if the file system refuses; if something that is not a
    /// directory is in its place; if another process is using the directory; or
    /// if `cleanup` would empty what standin did not make, what another entity is
    /// using, or the root, the home or the current directory.
    pub fn make_runpath_dirs(&self, cleanup: bool) -> Result<PathBuf, RunpathError> {
        let runpath = match self.runpath() {
            Some(path) => path,
            None => self.define_runpath(None)?,
        };
        Runpath::make(self, cleanup)?;
        tracing::debug!(entity = %self, runpath = %runpath.display(), "made the runpath");
        Ok(runpath)
    }

    /// Removes the runpath with all that is in it, for those who have no use for
    /// the files any more. If it is a link, the directory that it leads to goes,
    /// and the link stays. Without a runpath it does nothing.
    ///
    /// # Errors
    ///
    /// Returns an error as [`make_runpath_dirs`](Entity::make_runpath_dirs) does,
    /// and if something else was put in the place of the directory; nothing is
    /// removed then.
    pub fn remove_runpath(&self) -> Result<(), RunpathError> {
        Runpath::remove(self)?;
        self.place().scratch = None;
        Ok(())
    }

    /// Ends the use of the runpath, and removes what is empty in it: directories
    /// without files, and the runpath itself when that leaves nothing in it. Answers
    /// whether files are left.
    ///
    /// With `content_only` the runpath also goes when all files in it are empty.
    ///
    /// # Errors
    ///
    /// Returns an error as [`remove_runpath`](Entity::remove_runpath) does.
    pub fn tidy_runpath(&self, content_only: bool) -> Result<bool, RunpathError> {
        let is_left = Runpath::tidy(self, content_only)?;
        if !is_left {
            self.place().scratch = None;
        }
        Ok(is_left)
    }

    /// Where this entity keeps its files; `None` before it is defined.
    #[must_use]
    pub fn runpath(&self) -> Option<PathBuf> {
        let place = self.place();
        let runpath = place.runpath.as_ref();
        runpath.map(|runpath| runpath.location.path.clone())
    }

    /// The temporary part of the runpath; `None` before it is made.
    #[must_use]
    pub fn scratch(&self) -> Option<PathBuf> {
        self.place().scratch.clone()
    }

    /// Says that the runpath is not in use any more, so that another entity
    /// may be given the same one. The end of a stop does it.
    pub fn release_runpath(&self) {
        Runpath::release(self);
    }

    pub(crate) fn usage(&self) -> Use {
        match self.inner.usage.load(Ordering::Acquire) {
            used if used == Use::Used as u8 => Use::Used,
            clearing if clearing == Use::Clearing as u8 => Use::Clearing,
            _ => Use::Free,
        }
    }

    pub(crate) fn set_use(&self, usage: Use) {
        self.inner.usage.store(usage as u8, Ordering::Release);
    }

    pub(crate) fn location(&self) -> Option<Location> {
        self.with_runpath(|runpath| Some(runpath.location.clone()))
    }

    /// Reads or changes what is known of the runpath, if it is defined.
    pub(crate) fn with_runpath<T>(
        &self,
        work: impl FnOnce(&mut Runpath) -> Option<T>,
    ) -> Option<T> {
        self.place().runpath.as_mut().and_then(work)
    }

    pub(crate) fn set_scratch(&self, scratch: PathBuf) {
        self.place().scratch = Some(scratch);
    }

    /// The parent, its parent, and so on.
    pub(crate) fn ancestors(&self) -> impl Iterator<Item = Self> {
        std::iter::successors(self.parent(), Self::parent)
    }

    /// Neither aborting nor aborted.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.inner.abort.load(Ordering::Acquire) == ACTIVE
    }

    /// Whether an abort has been completed.
    #[must_use]
    pub fn is_aborted(&self) -> bool {
        self.inner.abort.load(Ordering::Acquire) == ABORTED
    }

    /// Marks the entity as aborting. [`Resource::abort`](crate::Resource::abort)
    /// does it for resources; this is for entities that are none.
    pub fn set_aborting(&self) {
        let _ = self.inner.abort.compare_exchange(
            ACTIVE,
            ABORTING,
            Ordering::AcqRel,
            Ordering::Acquire,
        );
    }

    /// Marks the entity as aborted, in the report too.
    pub fn set_aborted(&self) {
        self.inner.abort.store(ABORTED, Ordering::Release);
        self.inner.node.set_aborted();
    }

    /// What happened to this entity and to its children, as a value.
    #[must_use]
    pub fn report(&self) -> Report {
        self.inner.node.report()
    }

    /// A copy of the timer as it is now.
    #[must_use]
    pub fn timer(&self) -> Timer {
        self.inner.node.timer()
    }

    /// Runs `work` and records its duration under `name`, also when it panics.
    pub fn record<T>(&self, name: &str, work: impl FnOnce() -> T) -> T {
        struct End<'a>(&'a Node, &'a str);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.with_timer(|timer| timer.close(self.1));
            }
        }
        self.inner.node.with_timer(|timer| timer.start(name));
        let _end = End(&self.inner.node, name);
        work()
    }

    /// Adds a failure to the report: where it happened, and the error's text.
    pub fn record_failure(&self, during: impl Into<String>, message: impl Into<String>) {
        self.inner.node.add_failure(during.into(), message.into());
    }

    /// Adds a note to the report: something worth knowing that is not a failure.
    pub fn note(&self, text: impl Into<String>) {
        self.inner.node.add_note(text.into());
    }

    pub(crate) fn node(&self) -> &Node {
        &self.inner.node
    }

    pub(crate) fn downgrade(&self) -> WeakEntity {
        WeakEntity(Arc::downgrade(&self.inner))
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        self.inner
            .place
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.inner.kind, self.inner.name)
    }
}

impl fmt::Debug for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entity")
            .field("kind", &self.inner.kind)
            .field("name", &self.inner.name)
            .field("runpath", &self.runpath())
            .finish_non_exhaustive()
    }
}

/// Does not keep the entity alive.
#[derive(Clone)]
pub(crate) struct WeakEntity(Weak<Inner>);

impl WeakEntity {
    pub(crate) fn upgrade(&self) -> Option<Entity> {
        self.0.upgrade().map(|inner| Entity { inner })
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.0.strong_count() > 0
    }

    /// The entity, if it is there and not `entity`.
    pub(crate) fn other_than(&self, entity: &Entity) -> Option<Entity> {
        if self.is(entity) {
            None
        } else {
            self.upgrade()
        }
    }

    pub(crate) fn is(&self, entity: &Entity) -> bool {
        std::ptr::eq(self.0.as_ptr(), Arc::as_ptr(&entity.inner))
    }
}

/// The rule that names of entities keep, for the option of a config.
///
/// ```
/// use standin_config::{ConfigDescription, Kind, Layer, Node, OptionDescription};
///
/// let name = OptionDescription::required("name", Kind::String);
/// let peer = ConfigDescription::builder("peer")
///     .option(name.constraint(standin_entity::name_rule()))
///     .build();
/// let mut layer = Layer::new(&peer);
/// layer.set("name", "a/b")?;
/// let error = Node::new("peer", layer).unwrap_err();
/// assert!(error.to_string().ends_with("but it has a path separator"));
/// # Ok::<(), standin_config::OptionError>(())
/// ```
pub fn name_rule() -> Constraint {
    Constraint::check(|name: &String| check_name(name).map_err(|error| error.reason))
        .with_pattern(
            r"^(?:[^/\\\x00-\x1f\x7f-\x9f]*[^\s./\\\x00-\x1f\x7f-\x9f][^/\\\x00-\x1f\x7f-\x9f]*|\.{3,})$",
        )
}

/// The parts of a name that no file name may have, whatever the platform.
fn check_name(name: &str) -> Result<(), NameError> {
    let reason = if name.trim().is_empty() {
        "it is empty"
    } else if name == "." || name == ".." {
        "it stands for a directory"
    } else if name.chars().any(|c| matches!(c, '/' | '\\')) {
        "it has a path separator"
    } else if name.chars().any(char::is_control) {
        "it has a control character"
    } else if name.len() > 255 {
        "it is longer than 255 bytes"
    } else {
        return Ok(());
    };
    Err(NameError {
        name: name.to_owned(),
        reason,
    })
}

/// A name that cannot be a file name, and so names no runpath.
#[derive(Clone, PartialEq, Eq, Error, Diagnostic)]
#[error("{name:?} cannot be the name of an entity: {reason}")]
#[diagnostic(
    code(standin::entity::bad_name),
    help(
        "names become names of directories; letters, digits, spaces, `-`, `_` and `.` are always good"
    )
)]
#[non_exhaustive]
pub struct NameError {
    /// The name.
    pub name: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

standin_error::reportable!(NameError);

/// A parent that would make a circle.
#[derive(Clone, PartialEq, Eq, Error, Diagnostic)]
#[error(
    "{parent} cannot be the parent of {entity}: it is {entity} itself or one of its descendants"
)]
#[diagnostic(
    code(standin::entity::parent_cycle),
    help("give {entity} a parent that does not belong to it")
)]
#[non_exhaustive]
pub struct ParentError {
    /// The child.
    pub entity: String,
    /// The parent it was to get.
    pub parent: String,
}

standin_error::reportable!(ParentError);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_send_and_sync() {
        fn check<T: Send + Sync + fmt::Debug + Clone + 'static>() {}
        check::<Entity>();
    }

    #[test]
    fn refuses_names_that_are_no_file_names() {
        for name in [
            "",
            "  ",
            ".",
            "..",
            "a/b",
            "a\\b",
            "a\0",
            "a\n",
            &"x".repeat(256),
        ] {
            assert!(Entity::new(name).is_err(), "{name:?}");
        }
        for name in ["a", "My Driver!", "日本", "v1.2", "a b"] {
            assert!(Entity::new(name).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn refuses_a_parent_that_makes_a_circle() {
        let [a, b, c] = ["a", "b", "c"].map(|name| Entity::new(name).unwrap());
        b.set_parent(&a).unwrap();
        c.set_parent(&b).unwrap();
        let error = a.set_parent(&c).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("entity[c] cannot be the parent of entity[a]")
        );
        assert!(a.set_parent(&a).is_err());
    }

    #[test]
    fn a_child_that_moves_takes_its_report_along() {
        let [a, b, c] = ["a", "b", "c"].map(|name| Entity::new(name).unwrap());
        c.set_parent(&a).unwrap();
        c.set_parent(&b).unwrap();
        assert!(a.report().children.is_empty());
        assert_eq!(b.report().children.len(), 1);
        c.clear_parent();
        assert!(b.report().children.is_empty() && c.parent().is_none());
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
}
