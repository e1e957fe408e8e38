//! [`Faults`]: the faults that the client has put into proxies.

use std::sync::Mutex;

use standin::proxy::Injected;
use standin_sync::Unpoisoned;

use super::error::ServeError;

/// The faults that the client has put in, by their numbers, each with the name of its proxy.
#[derive(Default)]
pub(crate) struct Faults {
    injected: Mutex<Vec<(String, Injected)>>,
}

impl Faults {
    /// Forgets all of them.
    pub(crate) fn forget(&self) {
        self.injected.lock().unpoisoned().clear();
    }

    /// Keeps one, and gives its number.
    pub(crate) fn add(&self, proxy: &str, fault: Injected) -> usize {
        let mut all = self.injected.lock().unpoisoned();
        all.push((proxy.to_owned(), fault));
        all.len() - 1
    }

    /// The fault of that number, which is in that proxy.
    pub(crate) fn get(&self, proxy: &str, number: usize) -> Result<Injected, ServeError> {
        let all = self.injected.lock().unpoisoned();
        let fault = all.get(number).filter(|(of, _)| of == proxy);
        fault
            .map(|(_, fault)| fault.clone())
            .ok_or_else(|| ServeError::UnknownFault {
                driver: proxy.to_owned(),
                fault: number,
            })
    }
}
