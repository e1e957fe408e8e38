use std::any::Any;
use std::fmt;
use std::path::PathBuf;
use std::sync::Weak;

use standin_config::{Port, Value};
use standin_entity::Entity;
use standin_record::Recorder;

use crate::Attributes;

/// Where a driver finds what other drivers publish: its environment.
pub trait ContextSource: Any + Send + Sync {
    /// Returns the current values of the driver `name`; `None` if there is no such driver.
    fn attributes(&self, name: &str) -> Option<Attributes>;

    /// One of these values, for sources that have it sooner than all of them. With `None`, which
    /// is the default, readers look into [`attributes`](ContextSource::attributes).
    fn attribute(&self, _driver: &str, _attribute: &str) -> Option<Value> {
        None
    }

    /// The plain value that templates read under `name`, where no driver has that name. `None`,
    /// which is the default: there is none.
    fn value(&self, _name: &str) -> Option<Value> {
        None
    }

    /// Returns the known names, in the order in which they were added.
    fn names(&self) -> Vec<String>;

    /// An operation of the driver `driver` has failed: what is known of what happens
    /// around it that may explain that, such as a process that has ended, and where
    /// files are. By default nothing.
    fn explain_failure(&self, _driver: &str) -> Option<String> {
        None
    }

    /// The driver `driver` has failed the test: every wait around it ends at once with that error.
    /// By default nothing happens.
    fn fail(&self, _driver: &str, _reason: &str) {}

    /// Where what happens to the drivers is kept. By default each keeps that by itself.
    fn recorder(&self) -> Option<Recorder> {
        None
    }

    /// Why the test has [failed](ContextSource::fail), if it has. By default it has not.
    fn test_failure(&self) -> Option<String> {
        None
    }
}

/// What an entity provides to its descendants.
#[derive(Clone)]
struct Provided(Weak<dyn ContextSource>);

/// Makes `source` the source of context values for all drivers below `entity`. An environment does
/// that with itself.
pub fn provide_context(entity: &Entity, source: Weak<dyn ContextSource>) {
    entity.provide(Provided(source));
}

/// Where a driver that is `entity` looks up context values: in what it itself or the
/// nearest that it belongs to [provides](provide_context), which may be gone.
pub fn context_of(entity: &Entity) -> Option<Weak<dyn ContextSource>> {
    let mut around = std::iter::once(entity.clone()).chain(entity.ancestors());
    let provided = around.find_map(|entity| entity.provided::<Provided>());
    Some(provided?.0)
}

/// Asks the environment of a driver what may explain that an operation of it has
/// failed: see [`DriverBase::explainer`](crate::DriverBase::explainer).
#[derive(Clone)]
pub struct Explainer(pub(crate) Option<Weak<dyn ContextSource>>);

impl Explainer {
    /// Returns possible causes of a failure of the driver of that name, on separate lines. The
    /// environment notes the failure. Must be called with no lock held, as it asks other drivers,
    /// too.
    pub fn explain(&self, driver: &str) -> Option<String> {
        self.0.as_ref()?.upgrade()?.explain_failure(driver)
    }

    /// Returns why a wait on the driver of that name was
    /// [interrupted](crate::Driver::interrupting), as [`explain`](Explainer::explain) does.
    pub fn interruption(&self, driver: &str) -> String {
        let has_failed = self.test_has_failed();
        let explained = self.explain(driver);
        // A start that a task gives up interrupts its driver, too.
        let unknown =
            (!has_failed).then(|| "the test has failed, or a start was given up".to_owned());
        let lines: Vec<String> = unknown.into_iter().chain(explained).collect();
        lines.join("\n")
    }

    /// Returns whether the test has [failed](crate::DriverBase::fail) by the word of a driver,
    /// which ends every wait around it.
    pub fn test_has_failed(&self) -> bool {
        let source = self.0.as_ref().and_then(|source| source.upgrade());
        source.is_some_and(|source| source.test_failure().is_some())
    }

    /// Reports that the driver of that name has met what fails the test: see
    /// [`DriverBase::fail`](crate::DriverBase::fail). To be called with no lock held.
    pub fn fail(&self, driver: &str, reason: &str) {
        if let Some(source) = self.0.as_ref().and_then(Weak::upgrade) {
            source.fail(driver, reason);
        }
    }
}

impl fmt::Debug for Explainer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Explainer").finish_non_exhaustive()
    }
}

/// A type that the text of a rendered context value can become.
pub trait FromContext: Sized {
    /// Parses `text`.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the text, as the end of a sentence.
    fn from_context(text: &str) -> Result<Self, String>;
}

impl FromContext for String {
    fn from_context(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

impl FromContext for PathBuf {
    fn from_context(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("a path cannot be empty".to_owned());
        }
        Ok(PathBuf::from(text))
    }
}

impl FromContext for Port {
    fn from_context(text: &str) -> Result<Self, String> {
        match text.trim() {
            "" => Err("a port cannot be empty".to_owned()),
            text => Ok(Port::from(text)),
        }
    }
}

macro_rules! from_context_by_parsing {
    ($($type:ty),*) => {$(
        impl FromContext for $type {
            fn from_context(text: &str) -> Result<Self, String> {
                text.trim().parse().map_err(|error: <$type as std::str::FromStr>::Err| error.to_string())
            }
        }
    )*};
}

from_context_by_parsing!(u8, u16, u32, u64, usize, i64, f64, bool);
