//! [`Method`]: what a client can ask for, as data. The checks of parameters, the JSON Schema and
//! the reference page are made of it.

use serde_json::Value;
use standin::Result;

use super::call::Call;
use super::field::Field;

/// Something that a client can ask for.
pub(crate) struct Method {
    pub(crate) name: &'static str,
    /// What it does, in sentences.
    pub(crate) doc: &'static str,
    pub(crate) parameters: &'static [Field],
    pub(crate) result: &'static [Field],
    pub(crate) run: fn(&Call<'_>) -> Result<Value>,
}
