//! What the steps of one vector share.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use indexmap::IndexMap;
use standin::config::ConfigDescription;
use standin_sync::Unpoisoned;

use crate::failure::Failure;
use crate::value::{Object, Value};

/// What came of a step.
pub(crate) type Outcome = Result<Value, Failure>;

/// One line of the trace: driver, hook, status.
pub(crate) type TraceLine = (String, String, Value);

/// What the steps of one vector share.
#[derive(Default)]
pub(crate) struct World {
    /// The vector's private directory.
    pub(crate) tmp: String,
    pub(crate) variables: Shared<BTreeMap<String, Value>>,
    /// Results that differ from run to run, such as ports.
    pub(crate) volatile: Shared<IndexMap<String, Value>>,
    pub(crate) trace: Arc<Shared<Vec<TraceLine>>>,
    /// Configs that the vector described.
    pub(crate) classes: Shared<BTreeMap<String, ConfigDescription>>,
    /// What has to stay open until the end.
    keep: Shared<Vec<Box<dyn Any + Send>>>,
}

impl World {
    pub(crate) fn new(tmp: &str) -> Self {
        let mut variables = BTreeMap::new();
        variables.insert("TMP".to_owned(), Value::text(tmp));
        Self {
            tmp: tmp.to_owned(),
            variables: Shared::new(variables),
            ..Self::default()
        }
    }

    pub(crate) fn keep(&self, thing: impl Any + Send) {
        self.keep.lock().push(Box::new(thing));
    }

    pub(crate) fn variable(&self, name: &str) -> Outcome {
        self.variables
            .lock()
            .get(name)
            .cloned()
            .ok_or_else(|| Failure::broken(format!("there is no variable {name}")))
    }
}

/// A mutex that a panic in a step does not take from the others.
#[derive(Debug, Default)]
pub(crate) struct Shared<T>(Mutex<T>);

impl<T> Shared<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unpoisoned()
    }
}

/// One step, ready to be done.
pub(crate) struct Call {
    pub(crate) world: Arc<World>,
    pub(crate) on: Option<Value>,
    pub(crate) args: IndexMap<String, Value>,
}

impl Call {
    /// The object that the step is done to.
    pub(crate) fn object<T: Object>(&self) -> Result<&T, Failure> {
        self.on
            .as_ref()
            .unwrap_or(&Value::Null)
            .required("the subject of the step")
    }

    pub(crate) fn arg(&self, name: &str) -> Option<&Value> {
        self.args.get(name)
    }

    /// An argument that is there and not null.
    pub(crate) fn given(&self, name: &str) -> Option<&Value> {
        self.arg(name).filter(|value| !matches!(value, Value::Null))
    }

    pub(crate) fn text(&self, name: &str) -> Result<&str, Failure> {
        self.given(name)
            .and_then(Value::as_str)
            .ok_or_else(|| Failure::broken(format!("argument {name} has to be a text")))
    }

    pub(crate) fn flag(&self, name: &str, default: bool) -> bool {
        match self.arg(name) {
            Some(Value::Bool(flag)) => *flag,
            _ => default,
        }
    }

    pub(crate) fn int(&self, name: &str) -> Result<Option<i64>, Failure> {
        match self.given(name) {
            None => Ok(None),
            Some(Value::Int(number)) => Ok(Some(*number)),
            Some(other) => Err(Failure::error(
                "type_error",
                format!("{name} cannot be a {}", other.python_type()),
            )),
        }
    }

    /// A number of things, which is not negative.
    pub(crate) fn size(&self, name: &str) -> Result<Option<usize>, Failure> {
        let Some(number) = self.int(name)? else {
            return Ok(None);
        };
        usize::try_from(number)
            .map(Some)
            .map_err(|_| Failure::error("invalid_argument", format!("{name} cannot be {number}")))
    }

    pub(crate) fn float(&self, name: &str) -> Result<Option<f64>, Failure> {
        match self.given(name) {
            None => Ok(None),
            Some(Value::Int(number)) => Ok(Some(*number as f64)),
            Some(Value::Float(number)) => Ok(Some(*number)),
            Some(_) => Err(Failure::broken(format!(
                "argument {name} has to be a number"
            ))),
        }
    }

    /// A timeout: `default` seconds if it is left out, none if it is null.
    pub(crate) fn timeout(
        &self,
        name: &str,
        default: f64,
    ) -> Result<Option<std::time::Duration>, Failure> {
        let seconds = match self.arg(name) {
            None => Some(default),
            Some(_) => self.float(name)?,
        };
        seconds.map(seconds_of).transpose()
    }

    pub(crate) fn list(&self, name: &str) -> &[Value] {
        self.arg(name).and_then(Value::items).unwrap_or_default()
    }

    pub(crate) fn map(&self, name: &str) -> IndexMap<String, Value> {
        match self.arg(name) {
            Some(Value::Map(entries)) => entries.clone(),
            _ => IndexMap::new(),
        }
    }

    /// A variable that an argument names.
    pub(crate) fn named(&self, name: &str) -> Outcome {
        self.world.variable(self.text(name)?)
    }
}

/// A duration, which is never negative.
pub(crate) fn seconds_of(seconds: f64) -> Result<std::time::Duration, Failure> {
    std::time::Duration::try_from_secs_f64(seconds).map_err(|_| {
        Failure::error(
            "invalid_argument",
            format!("{seconds} seconds are not a duration"),
        )
    })
}
