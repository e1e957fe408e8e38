//! The tree of entities.

use std::sync::{Arc, Mutex};

use miette::Diagnostic;
use standin_sync::Unpoisoned;
use thiserror::Error;

use crate::entity::{Child, Entity};
use crate::runpath::{Claims, Use};

/// Held while an entity joins or leaves another one, so that no thread sees an intermediate state
/// and two threads cannot close a cycle together.
static TREE: Mutex<()> = Mutex::new(());

impl Entity {
    /// Makes this entity a child of `parent`: it inherits options from there, its report becomes a
    /// part of the parent's, its files are below the parent's unless it has its own runpath, and it
    /// reads the context that the parent provides. Does nothing if it already is a child of
    /// `parent`.
    ///
    /// ```
    /// use standin_entity::Entity;
    ///
    /// let [first, second] = ["first", "second"].map(Entity::new);
    /// let (first, second) = (first?, second?);
    /// let driver = Entity::new("driver")?;
    /// driver.join(&first)?;
    /// assert!(driver.join(&second).is_err()); // it is elsewhere already
    /// driver.leave();
    /// driver.join(&second)?;
    /// # Ok::<(), standin_entity::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if it is the child of another entity, or if `parent` is this entity
    /// or one of its descendants. Nothing has changed then.
    pub fn join(&self, parent: &Self) -> Result<(), JoinError> {
        let _tree = TREE.lock().unpoisoned();
        match self.parent() {
            Some(present) if present.is(parent) => return Ok(()),
            Some(present) => {
                return Err(JoinError::Elsewhere {
                    entity: self.to_string(),
                    parent: parent.to_string(),
                    present: present.to_string(),
                });
            }
            None => {}
        }
        if parent.is(self) || parent.ancestors().any(|ancestor| ancestor.is(self)) {
            return Err(JoinError::Cycle {
                entity: self.to_string(),
                parent: parent.to_string(),
            });
        }
        {
            let mut place = self.place();
            let child = Child::Here(Arc::downgrade(&self.inner));
            parent.place().children.push(child);
            place.parent = Some(parent.clone());
        }
        self.moved();
        Ok(())
    }

    /// Leaves the parent, if there is one: options, report, files and context are no longer
    /// connected with it, and errors use the entity's own name. It can then join another parent.
    pub fn leave(&self) {
        let tree = TREE.lock().unpoisoned();
        let former = {
            let mut place = self.place();
            let Some(former) = place.parent.take() else {
                return;
            };
            place.alias = None;
            let own = Arc::as_ptr(&self.inner);
            former.place().children.retain(|child| !child.is(own));
            former
        };
        self.moved();
        drop(tree);
        // What it provides may be dropped with it, and is the user's.
        drop(former);
    }

    /// Resets what depended on the former position. A runpath that is in use stays until its use
    /// ends.
    fn moved(&self) {
        self.options().moved();
        if self.holder().usage() != Use::Free {
            return;
        }
        let runpath = {
            let mut place = self.place();
            place.scratch = None;
            place.runpath.take()
        };
        if let Some(runpath) = runpath {
            Claims::global().release(&runpath.location.real, self.holder());
        }
    }
}

/// An entity cannot become the child of another one.
#[derive(Clone, PartialEq, Eq, Error, Diagnostic)]
#[non_exhaustive]
pub enum JoinError {
    /// It would belong to itself.
    #[error(
        "{parent} cannot be the parent of {entity}: it is {entity} itself or one of its descendants"
    )]
    #[diagnostic(
        code(standin::entity::parent_cycle),
        help("give {entity} a parent that does not belong to it")
    )]
    Cycle {
        /// The child.
        entity: String,
        /// The parent it was to get.
        parent: String,
    },
    /// It has another parent.
    #[error("{parent} cannot be the parent of {entity}: it belongs to {present}")]
    #[diagnostic(
        code(standin::entity::has_parent),
        help("remove {entity} from {present} first")
    )]
    Elsewhere {
        /// The child.
        entity: String,
        /// The parent it was to get.
        parent: String,
        /// The parent that it has.
        present: String,
    },
}

standin_error::reportable!(JoinError);

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use super::*;
    use crate::config::{EntityBuilder, EntityConfig};
    use crate::entity::GONE_KEPT;
    use crate::report::Report;

    fn named<const N: usize>(names: [&str; N]) -> [Entity; N] {
        names.map(|name| Entity::new(name).unwrap())
    }

    /// Everything that depends on the parent.
    #[derive(Debug, PartialEq)]
    struct Seen {
        parent: Option<String>,
        timeout: Duration,
        runpath: Option<PathBuf>,
        provided: Option<u32>,
        reports: Vec<Report>,
    }

    fn seen(entity: &Entity, around: &[&Entity]) -> Seen {
        let provided = entity.ancestors().find_map(|ancestor| ancestor.provided());
        Seen {
            parent: entity.parent().map(|parent| parent.to_string()),
            timeout: entity.options().shared::<EntityConfig>().unwrap().timeout,
            runpath: entity.runpath(),
            provided,
            reports: around.iter().map(|entity| entity.report()).collect(),
        }
    }

    fn around(name: &str, seconds: u64) -> Entity {
        let timeout = Duration::from_secs(seconds);
        let options = EntityBuilder::new().name(name).timeout(timeout);
        let entity = Entity::with_options("environment", "environment", options).unwrap();
        entity.provide(u32::try_from(seconds).unwrap());
        entity
    }

    #[test]
    fn everything_that_depends_on_the_parent_follows() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (around("first", 1), around("second", 2));
        first.define_runpath(Some(folder.path().join("1"))).unwrap();
        second
            .define_runpath(Some(folder.path().join("2")))
            .unwrap();
        let driver = Entity::new("driver").unwrap();
        for (parent, other, number) in [(&first, &second, 1), (&second, &first, 2)] {
            driver.join(parent).unwrap();
            driver.define_runpath(None).unwrap();
            let now = seen(&driver, &[]);
            assert_eq!(now.parent, Some(parent.to_string()));
            assert_eq!(now.timeout, Duration::from_secs(number));
            assert_eq!(now.provided.map(u64::from), Some(number));
            assert_eq!(
                now.runpath,
                parent.runpath().map(|path| path.join("driver"))
            );
            assert_eq!(parent.report().children.len(), 1);
            assert!(other.report().children.is_empty() && other.children().is_empty());
            driver.set_known_as("peer");
            assert_eq!(driver.subject().name(), "peer");
            driver.leave();
            assert_eq!(driver.subject().name(), "driver");
            let now = seen(&driver, &[]);
            let nothing = (now.parent, now.runpath, now.provided);
            assert_eq!(nothing, (None, None, None));
            assert_eq!(now.timeout, Duration::from_secs(300));
        }
        // The place that it has left is free.
        let other = Entity::new("driver").unwrap();
        other.join(&first).unwrap();
        let runpath = other.define_runpath(None).unwrap();
        assert_eq!(runpath, folder.path().join("1").join("driver"));
    }

    #[test]
    fn a_join_that_fails_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (around("first", 1), around("second", 2));
        first.define_runpath(Some(folder.path().join("1"))).unwrap();
        let [driver, child] = named(["driver", "child"]);
        driver.join(&first).unwrap();
        driver.define_runpath(None).unwrap();
        child.join(&driver).unwrap();
        let all = [&first, &second, &driver, &child];
        let before = seen(&driver, &all);

        let error = driver.join(&second).unwrap_err();
        assert_eq!(
            error.to_string(),
            "environment[second] cannot be the parent of entity[driver]: it belongs to environment[first]"
        );
        assert_eq!(seen(&driver, &all), before);

        let before = seen(&first, &all);
        for below in [&child, &first] {
            let error = first.join(below).unwrap_err();
            assert!(matches!(error, JoinError::Cycle { .. }), "{error}");
            assert_eq!(seen(&first, &all), before);
        }
        driver.join(&first).unwrap();
        assert_eq!(
            seen(&first, &all),
            before,
            "to join a second time does nothing"
        );
    }

    #[test]
    fn what_happened_to_a_child_that_is_gone_stays_in_the_report() {
        let [parent, driver, other, child] = named(["parent", "driver", "other", "child"]);
        for entity in [&driver, &other] {
            entity.join(&parent).unwrap();
        }
        child.join(&driver).unwrap();
        child.record_failure("start", "broken");
        let before = parent.report();
        drop((driver, child));
        assert_eq!(parent.report(), before);
        assert_eq!(parent.children().len(), 1);
        other.leave();
        assert_eq!(parent.report().children.len(), 1);
    }

    /// Changes the tree when it is dropped.
    struct Joins;

    impl Drop for Joins {
        fn drop(&mut self) {
            let [parent, child] = named(["other", "child"]);
            child.join(&parent).unwrap();
        }
    }

    #[test]
    fn what_a_parent_has_provided_may_change_the_tree_at_its_end() {
        let [parent, child] = named(["parent", "driver"]);
        parent.provide(Joins);
        child.join(&parent).unwrap();
        drop(parent);
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            // The last that keeps the parent.
            child.leave();
            tell.send(())
        });
        told.recv_timeout(Duration::from_secs(30)).unwrap();
    }

    #[test]
    fn of_very_many_children_that_are_gone_the_latest_and_those_that_failed_are_kept() {
        let [parent] = named(["parent"]);
        let numbers = 0..3 * GONE_KEPT;
        for number in numbers.clone() {
            let child = Entity::new(number.to_string()).unwrap();
            child.join(&parent).unwrap();
            if number == 1 {
                child.record_failure("start", "broken");
            }
        }
        let report = parent.report();
        let kept: Vec<_> = report.children.iter().map(|child| &*child.name).collect();
        let latest = numbers.end - (GONE_KEPT - 1)..numbers.end;
        let expected: Vec<_> = [1]
            .into_iter()
            .chain(latest)
            .map(|n| n.to_string())
            .collect();
        assert_eq!(kept, expected);
        assert!(!report.passed());
    }

    #[test]
    fn two_threads_cannot_close_a_cycle_together() {
        for _ in 0..200 {
            let [a, b] = named(["a", "b"]);
            let (one, two) = std::thread::scope(|scope| {
                let one = scope.spawn(|| a.join(&b).is_ok());
                let two = scope.spawn(|| b.join(&a).is_ok());
                (one.join().unwrap(), two.join().unwrap())
            });
            assert!(one != two);
        }
    }
}
