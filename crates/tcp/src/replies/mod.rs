//! The replies of a driver as options: a file per noun, and one that makes [`Replies`] of them.
//!
//! [`Replies`]: standin_reply::Replies

mod bytes;
mod config;
mod declaration;
mod dialogue;
mod frames;
mod framing;
mod otherwise;
mod places;
mod rule;
mod says;
mod then;
mod times;

pub use config::RepliesConfig;
pub(crate) use declaration::KNOWN;
pub use framing::Framing;
