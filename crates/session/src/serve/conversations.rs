//! [`HeldConversations`]: the conversations of drivers that answer by themselves which are in the
//! hands of the client.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use standin::TcpHeld;
use standin_sync::Unpoisoned;

use super::error::ServeError;

/// A conversation in the hands of the client.
pub(crate) type Shared = Arc<Mutex<TcpHeld>>;

/// The conversations in the hands of the client, by driver and index.
#[derive(Default)]
pub(crate) struct HeldConversations {
    held: Mutex<HashMap<(String, usize), Shared>>,
}

impl HeldConversations {
    /// Hands all of them back.
    pub(crate) fn forget(&self) {
        let held = std::mem::take(&mut *self.held.lock().unpoisoned());
        drop(held);
    }

    pub(crate) fn find(&self, driver: &str, index: usize) -> Option<Shared> {
        let held = self.held.lock().unpoisoned();
        held.get(&(driver.to_owned(), index)).map(Arc::clone)
    }

    pub(crate) fn get(&self, driver: &str, index: usize) -> Result<Shared, ServeError> {
        self.find(driver, index).ok_or_else(|| ServeError::NotHeld {
            driver: driver.to_owned(),
            index,
        })
    }

    pub(crate) fn add(&self, driver: &str, held: TcpHeld) {
        let key = (driver.to_owned(), held.index());
        let held = Arc::new(Mutex::new(held));
        let before = self.held.lock().unpoisoned().insert(key, held);
        drop(before);
    }

    /// Takes one out, unless another request uses it.
    pub(crate) fn remove(&self, driver: &str, index: usize) -> Result<TcpHeld, ServeError> {
        let mut all = self.held.lock().unpoisoned();
        let key = (driver.to_owned(), index);
        let Some(held) = all.remove(&key) else {
            return Err(ServeError::NotHeld {
                driver: key.0,
                index,
            });
        };
        match Arc::try_unwrap(held) {
            Ok(held) => Ok(held.into_inner().unpoisoned()),
            Err(held) => {
                all.insert(key.clone(), held);
                Err(ServeError::HeldInUse {
                    driver: key.0,
                    index,
                })
            }
        }
    }
}
