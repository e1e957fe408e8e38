//! The names that a template can use.

use std::fmt;
use std::sync::{Arc, Mutex};

use standin_sync::Unpoisoned;

use crate::attributes::Attributes;
use crate::context::ContextSource;

/// The names that a template can use: attributes at the top, and those of every other driver below
/// `context`.
#[derive(Clone, Default)]
pub(crate) struct Scope {
    pub(crate) own: Attributes,
    pub(crate) others: Option<Arc<dyn ContextSource>>,
    /// The driver whose attributes these are, below `context`.
    pub(super) driver: Option<String>,
    pub(super) missing: LastMissing,
}

/// What a template has asked for below `context`, and not got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    pub(crate) driver: String,
    /// Without one it is the driver that is not there.
    pub(crate) attribute: Option<String>,
}

/// The last name that led nowhere, where that was below `context`. Only what is used of it
/// shows that, and then it is too late to see where it came from.
#[derive(Clone, Debug, Default)]
pub(super) struct LastMissing(Arc<Mutex<Option<Missing>>>);

impl LastMissing {
    pub(super) fn set(&self, missing: Option<Missing>) {
        *self.0.lock().unpoisoned() = missing;
    }

    pub(super) fn take(&self) -> Option<Missing> {
        let mut missing = self.0.lock().unpoisoned();
        missing.take()
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("own", &self.own)
            .finish_non_exhaustive()
    }
}

impl Scope {
    pub(crate) fn new(own: Attributes, others: Option<Arc<dyn ContextSource>>) -> Self {
        Scope {
            own,
            others,
            driver: None,
            missing: LastMissing::default(),
        }
    }

    /// Whether a name such as `port` or `context.server.port` leads to a value.
    pub(super) fn has(&self, name: &str) -> bool {
        let mut parts = name.split('.');
        let Some(top) = parts.next() else {
            return false;
        };
        match (&self.others, top) {
            (Some(others), "context") if self.own.get(top).is_none() => {
                let Some(driver) = parts.next() else {
                    return true;
                };
                let Some(attributes) = others.attributes(driver) else {
                    return false;
                };
                parts
                    .next()
                    .is_none_or(|attribute| attributes.get(attribute).is_some())
            }
            _ if OPTIONS.contains(&top) && self.own.get(top).is_none() => {
                let options = self.own.options();
                options.is_some_and(|node| parts.next().is_none_or(|name| node.get(name).is_ok()))
            }
            _ => self.own.get(top).is_some(),
        }
    }
}

/// The names under which a driver's options can be read.
pub(super) const OPTIONS: [&str; 2] = ["cfg", "config"];

/// What a template does with values that are mostly just text. As text they can
/// be compared and filtered, so they are more only for templates that need it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Idioms {
    /// `uid()`
    pub(super) calls_uid: bool,
    /// `status.tag`
    pub(super) asks_tag: bool,
}
