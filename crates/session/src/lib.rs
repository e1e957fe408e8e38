#![doc = include_str!("../README.md")]

mod ask;
mod envfile;
mod error;
mod event;
mod every_cut;
mod graph;
mod keep;
mod reference;
mod relay;
mod report;
mod run;
mod serve;
mod session;
mod setting;
mod signals;
mod state;
mod sweeper;
mod watch;

pub use crate::envfile::write_env_file;
pub use crate::error::{ReferenceError, RunError, SessionError, StateError};
pub use crate::event::{Event, Happened};
pub use crate::every_cut::{CutOutcome, CutRuns};
pub use crate::graph::{Graph, GraphFormat};
pub use crate::keep::Keeper;
pub use crate::reference::{explain, options_page};
pub use crate::relay::Relay;
pub use crate::report::failed_run;
pub use crate::run::{CommandLine, Outcome};
pub use crate::serve::{PROTOCOL, ServeError, protocol_page, protocol_schema, serve, serve_stdio};
pub use crate::session::{Running, Session};
pub use crate::setting::Setting;
pub use crate::state::{Ended, Entry, Leaving, StateDir};
pub use crate::sweeper::{Sweeper, sweep};
pub use crate::watch::{Observer, UnderWay};
