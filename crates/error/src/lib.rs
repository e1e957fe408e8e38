#![doc = include_str!("../README.md")]

mod convert;
mod error;
mod file;
mod located;
mod place;
mod report;
mod reportable;
pub mod several;
mod source_text;
pub mod text;

pub use miette::Diagnostic;

#[doc(hidden)]
pub use crate::error::made_by_test;
pub use crate::error::{Error, Result};
pub use crate::file::{
    open_file, open_file_or_device, open_without_waiting, read_file, read_open_file,
};
pub use crate::located::{Spot, write_located};
#[doc(hidden)]
pub use crate::place::is_of_test;
pub use crate::report::write_report;
pub use crate::reportable::Reportable;
pub use crate::source_text::SourceText;
