//! The holder of a runpath, as others see it.

use std::fmt;
use std::sync::Mutex;

use standin_sync::Unpoisoned;

/// An entity, as far as claims of runpaths are concerned.
#[derive(Debug)]
pub(crate) struct Holder {
    pub(crate) kind: String,
    pub(crate) name: String,
    usage: Mutex<Use>,
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

impl Holder {
    pub(crate) fn new(kind: String, name: String) -> Self {
        Self {
            kind,
            name,
            usage: Mutex::new(Use::Free),
        }
    }

    pub(crate) fn usage(&self) -> Use {
        *self.usage.lock().unpoisoned()
    }

    pub(crate) fn set_use(&self, usage: Use) {
        *self.usage.lock().unpoisoned() = usage;
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.kind, self.name)
    }
}
