//! [`Settings`]: how much is kept of what happens, and what is not.

use std::time::SystemTime;

use crate::clock::Tick;
use crate::memory::Memory;
use crate::redact::Redact;

/// How much is kept of what happens, and what is not.
///
/// ```
/// use standin_record::{Recorder, Redact, Settings};
///
/// let settings = Settings {
///     keep: 16 << 10,
///     redact: Redact::new(["password=\\S+"])?,
///     ..Settings::default()
/// };
/// let recorder = Recorder::with_settings("greeting", settings);
/// # Ok::<(), standin_record::RedactError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many bytes are kept of one connection, by default 64 KiB. Some 1 KiB of them are not
    /// for records, and 16 KiB if something is redacted.
    pub keep: usize,
    /// The memory for all connections, by default the 16 MiB of the process.
    pub memory: Memory,
    /// The redaction, by default none.
    pub redact: Redact,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            keep: 64 << 10,
            memory: Memory::of_process(),
            redact: Redact::default(),
        }
    }
}

/// The common state of all tapes of a recorder.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) begin: Tick,
    pub(crate) started: SystemTime,
    pub(crate) keep: usize,
    pub(crate) memory: Memory,
    pub(crate) redact: Redact,
}

impl Shared {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            begin: Tick::now(),
            started: SystemTime::now(),
            keep: settings.keep,
            memory: settings.memory,
            redact: settings.redact,
        }
    }
}
