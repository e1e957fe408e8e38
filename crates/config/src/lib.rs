#![doc = include_str!("../README.md")]
//!
//! # Reading map
//!
//! - [`Config`] is what the derive implements, [`Options`] what users fill in.
//! - [`ConfigDescription`] is a config as a value; it can also be created at run time. [`Kind`]
//!   describes what an option accepts, [`Source`] where its value comes from, [`Constraint`] its
//!   rules.
//! - [`read_toml`] and [`TableReader`] read options from TOML, with all mistakes and their places.
//! - [`Layer`] holds the values that were set; [`Node`] is a config in the tree and resolves it.
//!
//! # Misuse does not compile
//!
//! ```compile_fail
//! #[derive(Clone, Debug, standin_config::Config)]
//! struct PeerConfig {
//!     #[config(inherited, default = 5)] // an option with a default never asks its parents
//!     timeout: u32,
//! }
//! ```
//!
//! ```compile_fail
//! #[derive(Clone, Debug, standin_config::Config)]
//! struct PeerConfig {
//!     #[config(defualt = 5)] // there is no such attribute
//!     timeout: u32,
//! }
//! ```
//!
//! ```compile_fail
//! # #[derive(Clone, Debug, standin_config::Config)]
//! # pub struct HouseConfig { room: u8 }
//! # #[derive(Clone, Debug, standin_config::Config)]
//! # pub struct HotelConfig { room: String }
//! #[derive(Clone, Debug, standin_config::Config)]
//! struct PeerConfig {
//!     #[config(include)]
//!     house: HouseConfig,
//!     #[config(include)]
//!     hotel: HotelConfig, // which of both rooms is `room`?
//! }
//! ```
//!
//! ```compile_fail
//! # #[derive(Clone, Debug, standin_config::Config)]
//! # struct PeerConfig { room: String }
//! let options = PeerBuilder::new().room(5); // a number is not text
//! ```

mod constraint;
mod context;
mod description;
mod docs;
pub mod duration;
mod error;
mod explanation;
mod file;
mod kind;
mod layer;
mod misfit;
mod node;
mod one_line;
mod option;
mod option_value;
mod options;
mod origin;
mod parts;
mod pattern;
pub mod port;
mod references;
mod resolver;
mod setting;
mod step;
mod stored;
mod suggest;
mod tags;
mod template;
mod text;
mod value;
mod value_error;

pub use constraint::{Check, Constraint};
pub use context::{ContextValue, context};
pub use description::{ConfigDescription, ConfigDescriptionBuilder};
pub use error::{ConfigErrors, OptionError, ParentError, ResolveError};
pub use explanation::Explanation;
pub use file::{
    FileErrors, Foreign, Located, OptionMistake, Suggestions, TableMistake, TableOptions,
    TableReader, TomlText, read_toml, toml_span_at, toml_start_of, toml_type_name,
};
pub use kind::{Kind, LazyKind};
pub use layer::Layer;
pub use misfit::Misfit;
pub use node::{Lineage, Node};
pub use option::{OptionDescription, Source};
pub use option_value::OptionValue;
pub use options::{Config, FromOptions, Options, TypedOptions};
pub use origin::Origin;
pub use pattern::{Pattern, PatternError};
pub use port::{Port, PortError};
pub use references::{Reference, ReferenceBy, drivers_read};
pub use setting::{PlainValue, Setting, no_template};
pub use standin_config_derive::{Config, OptionValue};
pub use step::Step;
pub use stored::Stored;
pub use suggest::nearest;
pub use tags::{Markup, Tags, TemplateMistake};
pub use text::{Text, verbatim};
pub use value::{TomlKey, Value};
pub use value_error::{BrokenRule, ValueError};

/// What the code of the derive uses; no part of the public interface.
#[doc(hidden)]
pub mod __private {
    pub use crate::options::{
        OptionAt, check_nested, describe, kind, mistakes, read_nested, read_nested_or_first,
    };
    pub use crate::resolver::Resolver;
    pub use standin_config_derive::__expand_config;
    pub use std::sync::OnceLock;

    /// The entries of a table.
    pub type Entries = indexmap::IndexMap<String, crate::Value>;
}

/// The traits and derives that find this crate as `standin::config`, for the facade.
#[doc(hidden)]
pub mod facade {
    pub use crate::option_value::OptionValue;
    pub use crate::options::Config;
    pub use standin_config_derive::FacadeConfig as Config;
    pub use standin_config_derive::FacadeOptionValue as OptionValue;
}

#[doc(hidden)]
pub use resolver::Resolver;
