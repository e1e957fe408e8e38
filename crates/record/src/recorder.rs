//! [`Recorder`]: where everything that happens in one environment is kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use standin_sync::Unpoisoned;

use crate::address::Address;
use crate::clock::Tick;
use crate::driver::DriverTape;
use crate::settings::{Settings, Shared};
use crate::tapes::Tapes;
use crate::transcript::Transcript;

/// Where everything that happens in one environment is kept, within [`Settings`].
///
/// Clones are one recorder.
#[derive(Clone, Debug)]
pub struct Recorder(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    tapes: Arc<Tapes>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    drivers: Vec<DriverTape>,
    /// The places of the drivers among them.
    places: HashMap<Arc<str>, usize>,
    secrets: String,
}

impl Recorder {
    /// Creates a recorder of the environment `name` with the usual [`Settings`].
    pub fn new(name: impl Into<String>) -> Self {
        Self::with_settings(name, Settings::default())
    }

    /// Creates a recorder of the environment `name`. Times are counted from now on.
    pub fn with_settings(name: impl Into<String>, settings: Settings) -> Self {
        let shared = Arc::new(Shared::new(settings));
        Self(Arc::new(Inner {
            name: name.into(),
            tapes: Tapes::new(shared),
            state: Mutex::default(),
        }))
    }

    /// Returns whether both are one recorder.
    pub fn is(&self, other: &Recorder) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Returns where what happens to the driver `name` is kept; of two with one name it is the
    /// same.
    pub fn driver(&self, name: &str) -> DriverTape {
        let mut state = self.0.state.lock().unpoisoned();
        if let Some(place) = state.places.get(name) {
            return state.drivers[*place].clone();
        }
        let name: Arc<str> = name.into();
        let driver = DriverTape::new(Arc::clone(&name), Arc::clone(&self.0.tapes));
        let place = state.drivers.len();
        state.places.insert(name, place);
        state.drivers.push(driver.clone());
        driver
    }

    /// Sets the owner of an address, for ends that are not recorded: those of programs.
    pub fn name_address(&self, address: impl Into<Address>, name: impl Into<String>) {
        self.0.tapes.name(address.into(), name.into());
    }

    /// A line of a key log (the format of `SSLKEYLOGFILE`), with which the capture is decrypted. It
    /// is not kept where anything is redacted, as that could be found with it.
    pub fn add_secret(&self, line: &str) {
        if !self.0.tapes.shared().redact.is_empty() {
            return;
        }
        let mut state = self.0.state.lock().unpoisoned();
        state.secrets.push_str(line.trim_end());
        state.secrets.push('\n');
    }

    /// `text` as it would be kept: without what must not be.
    pub fn redacted(&self, text: &str) -> String {
        self.0.tapes.shared().redact.text(text)
    }

    /// Returns how long it has been there: the time of what is recorded now.
    pub fn now(&self) -> Duration {
        Tick::now().since(self.0.tapes.shared().begin)
    }

    /// Everything that is kept currently.
    pub fn transcript(&self) -> Transcript {
        let shared = self.0.tapes.shared();
        let (tapes, forgotten) = self.0.tapes.all();
        let state = self.0.state.lock().unpoisoned();
        let drivers = state.drivers.clone();
        let mut transcript = Transcript {
            name: self.0.name.clone(),
            started: shared.started,
            forgotten,
            names: self.0.tapes.given_names(),
            secrets: state.secrets.clone(),
            ..Transcript::default()
        };
        // Tapes are looked at one after the other, while others continue recording.
        drop(state);
        transcript.drivers = drivers.iter().map(DriverTape::story).collect();
        transcript.conversations = tapes.iter().map(|tape| tape.conversation()).collect();
        transcript.taken = Tick::now().since(shared.begin);
        transcript
    }
}
