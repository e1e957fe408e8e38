#![doc = include_str!("../README.md")]

mod action;
mod answer;
mod captures;
mod compile;
mod conversation;
mod desk;
mod dialogue;
mod excerpt;
mod explain;
mod frame;
mod held;
mod incoming;
mod ledger;
mod mistake;
mod output;
mod pattern;
mod peer;
mod play;
mod replies;
mod responder;
mod script;
mod seen;
mod template;
mod times;
mod unexpected;
mod user_code;
mod verdict;
mod when;

pub use action::Action;
pub use answer::{
    Answer, ParseThenError, Then, bytes_of_hex, echo, hold, no_reply, reply, reply_bytes,
    reply_file, reply_hex,
};
pub use conversation::Conversation;
pub use dialogue::Dialogue;
pub use frame::Frame;
pub use held::{HandOverError, Held};
pub use ledger::Ledger;
pub use mistake::{Mistake, Place, Problem, ScriptError};
pub use replies::{Otherwise, Replies};
pub use responder::{Responder, StuckError, VerifyError};
pub use script::Script;
pub use seen::{Seen, WaitError};
pub use times::{ParseTimesError, Times};
pub use unexpected::Unexpected;
pub use verdict::{Fault, Unmet, Verdict};
pub use when::{When, anything, equals, pattern, predicate, prefix};
