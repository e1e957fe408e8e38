//! Options from texts of TOML, with every mistake and its place.
//!
//! 1. `toml` parses the text into a table in which everything has its span. It recovers from
//!    errors in syntax, so all of them are reported.
//! 2. [`TableReader`] turns tables into layers of options, against their descriptions.
//! 3. Callers that know more about the text (such as names that refer to each other) add mistakes
//!    of their own type.
//! 4. [`TomlText::verdict`] makes one report of all of them, in the order of the text.

mod convert;
mod inside;
mod mistake;
mod suggestions;
mod syntax;
mod table;
mod toml_text;

pub use convert::{Foreign, toml_span_at, toml_start_of, toml_type_name};
pub use mistake::{FileErrors, Located, OptionMistake, TableMistake};
pub use suggestions::Suggestions;
pub use table::{TableOptions, TableReader};
pub use toml_text::{TomlText, read_toml};
