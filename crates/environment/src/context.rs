//! The context values that the drivers of an environment, and those below it, read from each other.

use standin_config::Value;
use standin_driver::{Attributes, ContextSource, Lifecycle};
use standin_record::Recorder;

use crate::account;
use crate::failure::TestFailure;
use crate::members::{Members, Named};

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
        self.all_names()
    }

    fn explain_failure(&self, driver: &str) -> Option<String> {
        self.note_error();
        account::explanation(self, driver)
    }

    fn recorder(&self) -> Option<Recorder> {
        Some(self.recorder().clone())
    }

    fn test_failure(&self) -> Option<String> {
        self.broken().map(|broken| broken.to_string())
    }

    fn fail(&self, driver: &str, reason: &str) {
        self.fail(TestFailure {
            driver: driver.to_owned(),
            reason: reason.to_owned(),
        });
    }
}
