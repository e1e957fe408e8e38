//! The tapes of all connections of a recorder.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, Weak};

use standin_sync::Unpoisoned;

use crate::address::Address;
use crate::event::Event;
use crate::memory::{Candidate, Keeper};
use crate::place::Place;
use crate::settings::Shared;
use crate::tape::{Others, Tape};

/// The tapes of all connections of a recorder, in the order in which they were opened.
#[derive(Debug)]
pub(crate) struct Tapes {
    shared: Arc<Shared>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    tapes: VecDeque<Arc<Tape>>,
    /// Connections that are forgotten with all their records.
    forgotten: u64,
    /// The owners of addresses, for ends that are not recorded.
    names: Vec<(Address, String)>,
}

impl Tapes {
    pub(crate) fn new(shared: Arc<Shared>) -> Arc<Self> {
        let tapes = Arc::new(Self {
            shared: Arc::clone(&shared),
            state: Mutex::default(),
        });
        let keeper = Arc::downgrade(&tapes);
        shared.memory.add(keeper);
        tapes
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn add(
        self: &Arc<Self>,
        driver: Arc<str>,
        index: usize,
        opening: &Event,
        ends: [Address; 2],
        place: Option<Place>,
    ) -> Arc<Tape> {
        let shared = Arc::clone(&self.shared);
        let others: Weak<dyn Others> = Arc::<Self>::downgrade(self);
        let tape = Tape::new((shared, others), driver, index, opening, ends, place);
        let tape = Arc::new(tape);
        let mut state = self.state.lock().unpoisoned();
        state.tapes.push_back(Arc::clone(&tape));
        tape
    }

    /// Sets the owner of an address.
    pub(crate) fn name(&self, address: Address, name: String) {
        let name = (address, name);
        let mut state = self.state.lock().unpoisoned();
        if !state.names.contains(&name) {
            state.names.push(name);
        }
    }

    /// Whose addresses are known of ends that nobody records.
    pub(crate) fn given_names(&self) -> Vec<(Address, String)> {
        self.state.lock().unpoisoned().names.clone()
    }

    /// All tapes, and how many are forgotten.
    pub(crate) fn all(&self) -> (VecDeque<Arc<Tape>>, u64) {
        let state = self.state.lock().unpoisoned();
        (state.tapes.clone(), state.forgotten)
    }

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

impl Others for Tapes {
    fn names(&self) -> Vec<(Address, String)> {
        let state = self.state.lock().unpoisoned();
        let own = state.tapes.iter().map(|tape| tape.name_of_local());
        state.names.iter().cloned().chain(own).collect()
    }
}

impl Keeper for Tapes {
    fn candidates(self: Arc<Self>) -> Vec<Candidate> {
        let (tapes, _) = self.all();
        let candidate = |tape: &Arc<Tape>| {
            let candidate = tape.candidate()?;
            // Whose connection is over goes as a whole.
            if !candidate.has_ended {
                return Some(candidate);
            }
            let tapes = Arc::clone(&self);
            let tape = Arc::clone(tape);
            let give_up = Box::new(move || {
                let records = (candidate.give_up)();
                records + tapes.forget(&tape)
            });
            Some(Candidate {
                give_up,
                ..candidate
            })
        };
        tapes.iter().filter_map(candidate).collect()
    }
}
