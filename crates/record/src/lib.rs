#![doc = include_str!("../README.md")]

mod address;
mod capture;
mod clock;
mod driver;
mod escape;
mod event;
mod json;
mod last;
mod memory;
mod mermaid;
mod order;
mod page;
mod place;
mod recorder;
mod redact;
mod ring;
mod settings;
mod shown;
mod tape;
mod tapes;
mod text;
mod timeline;
mod trace;
mod transcript;
mod wire;

pub use address::Address;
pub use clock::Tick;
pub use driver::DriverTape;
pub use event::{By, Event, Piece};
pub use json::json_schema;
pub use last::LastRecords;
pub use memory::Memory;
pub use order::{NotInOrder, NotSaid, Said};
pub use place::Place;
pub use recorder::Recorder;
pub use redact::{Redact, RedactError};
pub use settings::Settings;
pub use tape::Tape;
pub use text::Text;
pub use timeline::StartText;
pub use transcript::{
    Conversation, Dropped, Line, Probe, ProgramEnd, Record, Setting, Step, Story, Transcript,
};
