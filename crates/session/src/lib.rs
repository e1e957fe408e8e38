#![doc = include_str!("../README.md")]

mod error;
mod event;
mod session;
mod setting;
mod watch;

pub use crate::error::SessionError;
pub use crate::event::{Event, Happened};
pub use crate::session::{Running, Session};
pub use crate::setting::Setting;
pub use crate::watch::{Observer, UnderWay};
