#![doc = include_str!("../README.md")]

mod envfile;
mod error;
mod event;
mod every_cut;
mod reference;
mod run;
mod serve;
mod session;
mod setting;
mod signals;
mod sweeper;
mod watch;

pub use crate::envfile::write_env_file;
pub use crate::error::{ReferenceError, RunError, SessionError};
pub use crate::event::{Event, Happened};
pub use crate::every_cut::{CutOutcome, CutRuns};
pub use crate::reference::options_page;
pub use crate::run::{CommandLine, Outcome};
pub use crate::serve::{PROTOCOL, ServeError, protocol_page, protocol_schema, serve, serve_stdio};
pub use crate::session::{Running, Session};
pub use crate::setting::Setting;
pub use crate::sweeper::{Sweeper, sweep};
pub use crate::watch::{Observer, UnderWay};
