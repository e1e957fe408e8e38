//! [`LastRecords`]: what an error shows of the connections that it is about.

use std::fmt;
use std::sync::Arc;

use crate::clock::Tick;
use crate::driver::DriverTape;
use crate::tape::{Others, Tape};
use crate::transcript::Transcript;

/// The last records of one connection, or of all of a driver, up to the moment when this was
/// made: what an error shows beneath its message.
///
/// It is cheap to create, a few reference counts, for errors that may never be shown; the records
/// are read when it is shown, at most [`LINES`](LastRecords::LINES) of them.
///
/// ```
/// # use standin_record::{Event, Recorder, Tick};
/// # use std::net::SocketAddr;
/// let recorder = Recorder::new("greeting");
/// # let [local, peer] = [8080, 41234].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
/// let tape = recorder.driver("server").connection(&Event::Accepted, local, peer, None);
/// tape.received(Tick::now(), b"hello", None);
/// let last = tape.last_records();
/// tape.received(Tick::now(), b"later", None);
/// let text = last.to_string();
/// assert!(text.contains("hello") && !text.contains("later"), "{text}");
/// ```
#[derive(Clone)]
pub struct LastRecords {
    of: Of,
    until: Tick,
}

#[derive(Clone)]
enum Of {
    Connection(Arc<Tape>, Option<Arc<dyn Others>>),
    Driver(DriverTape),
}

impl LastRecords {
    /// How many records are shown.
    pub const LINES: usize = 12;

    /// Returns the part of everything that is recorded that this is about.
    pub fn transcript(&self) -> Transcript {
        let mut transcript = match &self.of {
            Of::Connection(tape, others) => Transcript {
                conversations: vec![tape.conversation()],
                names: others
                    .as_ref()
                    .map_or_else(Vec::new, |others| others.names()),
                ..Transcript::default()
            },
            Of::Driver(driver) => driver.transcript(),
        };
        let begin = match &self.of {
            Of::Connection(tape, _) => tape.begin(),
            Of::Driver(driver) => driver.begin(),
        };
        transcript.taken = self.until.since(begin);
        for conversation in &mut transcript.conversations {
            let records = &mut conversation.records;
            records.retain(|record| record.at <= transcript.taken);
        }
        transcript
    }

    /// Returns whether there is no connection to show anything of.
    pub fn is_empty(&self) -> bool {
        match &self.of {
            Of::Connection(..) => false,
            Of::Driver(driver) => !driver.has_connections(),
        }
    }

    /// Returns whether both are about the same.
    pub fn is_of_same(&self, other: &Self) -> bool {
        match (&self.of, &other.of) {
            (Of::Connection(one, _), Of::Connection(other, _)) => Arc::ptr_eq(one, other),
            (Of::Driver(one), Of::Driver(other)) => one.is(other),
            _ => false,
        }
    }
}

impl Tape {
    /// Returns the last records of the connection so far, to be rendered on demand.
    pub fn last_records(self: &Arc<Self>) -> LastRecords {
        LastRecords {
            of: Of::Connection(Arc::clone(self), self.others()),
            until: Tick::now(),
        }
    }
}

impl DriverTape {
    /// Returns the last records of all connections of the driver so far, to be rendered on demand.
    pub fn last_records(&self) -> LastRecords {
        LastRecords {
            of: Of::Driver(self.clone()),
            until: Tick::now(),
        }
    }
}

impl PartialEq for LastRecords {
    fn eq(&self, other: &Self) -> bool {
        self.until == other.until && self.is_of_same(other)
    }
}

impl Eq for LastRecords {}

impl fmt::Display for LastRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transcript = self.transcript();
        transcript.text().last(Self::LINES).fmt(f)
    }
}

impl fmt::Debug for LastRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut tuple = f.debug_tuple("LastRecords");
        match &self.of {
            Of::Connection(tape, _) => tuple.field(tape),
            Of::Driver(driver) => tuple.field(driver),
        };
        tuple.finish()
    }
}
