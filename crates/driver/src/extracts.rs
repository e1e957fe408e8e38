use indexmap::IndexMap;

/// The captured values of named groups.
pub(crate) type Extracts = IndexMap<String, String>;
