//! [`Method`]: what a client can ask for, as data. The checks of parameters, the JSON Schema and
//! the reference page are made of it.

use serde_json::Value;
use standin::Result;

use super::call::Call;
use super::field::Field;

/// A method of the protocol.
pub(crate) struct Method {
    pub(crate) name: &'static str,
    /// Its description, in sentences.
    pub(crate) doc: &'static str,
    pub(crate) parameters: &'static [Field],
    pub(crate) result: &'static [Field],
    pub(crate) run: fn(&Call<'_>) -> Result<Value>,
}
