#![doc = include_str!("../README.md")]
#![expect(
    dead_code,
    reason = "conversations, which follow scripts, come with the next change"
)]

mod answer;
mod captures;
mod compile;
mod dialogue;
mod frame;
mod mistake;
mod replies;
mod script;
mod template;
mod times;
mod when;

pub use answer::{
    Answer, ParseThenError, Then, echo, hold, no_reply, reply, reply_bytes, reply_file, reply_hex,
};
pub use dialogue::Dialogue;
pub use frame::Frame;
pub use mistake::{Mistake, Place, Problem, ScriptError};
pub use replies::{Otherwise, Replies};
pub use script::Script;
pub use times::{ParseTimesError, Times};
pub use when::{When, anything, equals, pattern, predicate, prefix};
