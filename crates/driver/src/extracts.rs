use indexmap::IndexMap;

/// What named groups captured, by name.
pub(crate) type Extracts = IndexMap<String, String>;
