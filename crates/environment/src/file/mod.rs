//! Environment files: a registry of types reads a text into a checked document.
//!
//! 1. [`TomlText`](standin_config::TomlText) is what of the text is TOML.
//! 2. The loader turns its tables into layers of options, against the descriptions of the registry.
//! 3. Checks across the whole file: names, dependencies, context values, cycles.
//! 4. Code that creates drivers from the [`Draft`] adds its own mistakes.
//! 5. Mistakes of all steps are one report, in the order of the text.

mod defaults;
mod document;
mod draft;
mod keys;
mod load;
mod loader;
mod mistake;
mod reference;
mod references;
mod registry;
#[cfg(feature = "schema")]
pub mod schema;
mod write;

pub use document::{Document, Entry};
pub use draft::Draft;
pub use load::LARGEST_FILE;
pub use mistake::{FileErrors, Mistake, ReadError};
pub use reference::reference_page;
pub use registry::{RegisterError, TypeRegistry};
