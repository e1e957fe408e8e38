//! [`Recorder`]: where everything that happens in one environment is kept.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, Weak};

use standin_sync::Unpoisoned;

use crate::address::Address;
use crate::driver::DriverTape;
use crate::event::{Event, Place};
use crate::memory::{Candidate, Keeper};
use crate::settings::{Settings, Shared};
use crate::tape::Tape;
use crate::transcript::Transcript;

/// Where everything that happens in one environment is kept, within [`Settings`].
///
/// Clones are one recorder.
#[derive(Clone, Debug)]
pub struct Recorder(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    name: String,
    pub(crate) shared: Arc<Shared>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    drivers: Vec<DriverTape>,
    /// In the order in which they were opened.
    tapes: VecDeque<Arc<Tape>>,
    /// Connections that are forgotten with all their records.
    forgotten: u64,
    names: Vec<(Address, String)>,
    secrets: String,
}

impl Recorder {
    /// A recorder of the environment `name` with the usual [`Settings`].
    pub fn new(name: impl Into<String>) -> Self {
        Self::with_settings(name, Settings::default())
    }

    /// A recorder of the environment `name`. Times are counted from now on.
    pub fn with_settings(name: impl Into<String>, settings: Settings) -> Self {
        let shared = Arc::new(Shared::new(settings));
        let inner = Arc::new(Inner {
            name: name.into(),
            shared: Arc::clone(&shared),
            state: Mutex::default(),
        });
        let keeper: Weak<Inner> = Arc::downgrade(&inner);
        shared.memory.add(keeper);
        Self(inner)
    }

    /// Where what happens to the driver `name` is kept; of two with one name it is the same.
    pub fn driver(&self, name: &str) -> DriverTape {
        let mut state = self.0.state.lock().unpoisoned();
        let known = state.drivers.iter().find(|driver| driver.name() == name);
        if let Some(driver) = known {
            return driver.clone();
        }
        let driver = DriverTape::new(name, Arc::downgrade(&self.0), Arc::clone(&self.0.shared));
        state.drivers.push(driver.clone());
        driver
    }

    /// Says whose address it is, for ends that nobody records: those of programs.
    pub fn name_address(&self, address: impl Into<Address>, name: impl Into<String>) {
        let name = (address.into(), name.into());
        let mut state = self.0.state.lock().unpoisoned();
        if !state.names.contains(&name) {
            state.names.push(name);
        }
    }

    /// A line of a key log (the format of `SSLKEYLOGFILE`), with which the capture is decrypted.
    pub fn add_secret(&self, line: &str) {
        let mut state = self.0.state.lock().unpoisoned();
        state.secrets.push_str(line.trim_end());
        state.secrets.push('\n');
    }

    /// Everything that is kept at this moment.
    pub fn transcript(&self) -> Transcript {
        let shared = &self.0.shared;
        let state = self.0.state.lock().unpoisoned();
        let (drivers, tapes) = (state.drivers.clone(), state.tapes.clone());
        let mut transcript = Transcript {
            name: self.0.name.clone(),
            started: shared.started,
            forgotten: state.forgotten,
            names: state.names.clone(),
            secrets: state.secrets.clone(),
            ..Transcript::default()
        };
        // Tapes are looked at one after the other, while others go on recording.
        drop(state);
        transcript.drivers = drivers.iter().map(DriverTape::story).collect();
        transcript.conversations = tapes.iter().map(|tape| tape.conversation()).collect();
        transcript.taken = crate::clock::Tick::now().since(shared.begin);
        transcript
    }
}

impl Inner {
    pub(crate) fn add_tape(
        &self,
        driver: Arc<str>,
        index: usize,
        opening: &Event,
        ends: [Address; 2],
        place: Option<Place>,
    ) -> Arc<Tape> {
        let shared = Arc::clone(&self.shared);
        let tape = Arc::new(Tape::new(shared, driver, index, opening, ends, place));
        let mut state = self.state.lock().unpoisoned();
        state.tapes.push_back(Arc::clone(&tape));
        tape
    }
}

impl Keeper for Inner {
    fn candidates(self: Arc<Self>) -> Vec<Candidate> {
        let tapes = self.state.lock().unpoisoned().tapes.clone();
        let candidate = |tape: &Arc<Tape>| {
            let candidate = tape.candidate()?;
            // Whose connection is over and who is used by nobody else goes as a whole.
            if !candidate.has_ended {
                return Some(candidate);
            }
            let inner = Arc::clone(&self);
            let tape = Arc::clone(tape);
            let give_up = Box::new(move || {
                let records = (candidate.give_up)();
                records + inner.forget(&tape)
            });
            Some(Candidate {
                give_up,
                ..candidate
            })
        };
        tapes.iter().filter_map(candidate).collect()
    }
}

impl Inner {
    /// Returns how much memory that gives back, when nobody else has the tape.
    fn forget(&self, tape: &Arc<Tape>) -> usize {
        let mut state = self.state.lock().unpoisoned();
        let place = state.tapes.iter().position(|kept| Arc::ptr_eq(kept, tape));
        let Some(place) = place else {
            return 0;
        };
        state.tapes.remove(place);
        state.forgotten += 1;
        Tape::SIZE
    }
}
