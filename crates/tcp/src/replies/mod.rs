//! The replies of a driver as options: a file per noun, and one that makes [`Replies`] of them.
//!
//! [`Replies`]: standin_reply::Replies

mod bytes;
mod config;
mod declaration;
mod dialogue;
mod expression;
mod frames;
mod framing;
mod names;
mod otherwise;
mod places;
mod rule;
mod says;
mod then;
mod times;

pub use config::RepliesConfig;
pub use framing::Framing;
pub(crate) use names::KNOWN;
