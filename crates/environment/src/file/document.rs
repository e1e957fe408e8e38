//! [`Document`]: a checked environment file.

use std::ops::Range;

use indexmap::IndexMap;
use standin_config::{Layer, Options, Value};

/// A checked environment file: the environment's options and its drivers in order.
///
/// It can also be made in code, to be written.
#[derive(Clone, Debug)]
pub struct Document {
    pub(crate) environment: Layer,
    pub(crate) context: IndexMap<String, Value>,
    pub(crate) defaults: IndexMap<String, Value>,
    pub(crate) type_defaults: IndexMap<String, IndexMap<String, Value>>,
    pub(crate) entries: Vec<Entry>,
}

/// One driver of a [`Document`].
#[derive(Clone, Debug)]
pub struct Entry {
    pub(crate) name: String,
    pub(crate) type_name: String,
    pub(crate) layer: Layer,
    pub(crate) after: Vec<String>,
    pub(crate) span: Range<usize>,
    /// Where the values of its options are in the text.
    pub(crate) values: IndexMap<String, Range<usize>>,
    /// Nothing is wrong in its table.
    pub(crate) is_sound: bool,
}

impl Document {
    /// Creates a document without drivers.
    pub fn new(environment: impl Options) -> Self {
        Self {
            environment: environment.into_layer(),
            context: IndexMap::new(),
            defaults: IndexMap::new(),
            type_defaults: IndexMap::new(),
            entries: Vec::new(),
        }
    }

    /// Returns the environment's options as they were written.
    pub fn environment(&self) -> &Layer {
        &self.environment
    }

    /// Values that templates can read below `context` besides drivers.
    pub fn context(&self) -> &IndexMap<String, Value> {
        &self.context
    }

    /// Returns the drivers, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Returns the environment's options and the drivers, to build them.
    pub fn into_parts(self) -> (Layer, Vec<Entry>) {
        (self.environment, self.entries)
    }

    /// Returns the options set for every driver.
    pub fn defaults(&self) -> &IndexMap<String, Value> {
        &self.defaults
    }

    /// Returns the options set for every driver of a type.
    pub fn defaults_of_type(&self, type_name: &str) -> Option<&IndexMap<String, Value>> {
        self.type_defaults.get(type_name)
    }

    /// Adds a driver at the end.
    pub fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
    }
}

impl Entry {
    /// Creates a driver of type `type_name` that starts after the drivers named in `after`.
    pub fn new(
        type_name: impl Into<String>,
        name: impl Into<String>,
        options: impl Options,
        after: Vec<String>,
    ) -> Self {
        Self {
            name: name.into(),
            type_name: type_name.into(),
            layer: options.into_layer(),
            after,
            span: 0..0,
            values: IndexMap::new(),
            is_sound: true,
        }
    }

    /// Returns the driver's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the name of its type.
    pub fn type_name(&self) -> &str {
        &self.type_name
    }

    /// Returns its options as they were written, with the file's defaults as weaker layers.
    pub fn layer(&self) -> &Layer {
        &self.layer
    }

    /// Returns its options, to build it.
    pub fn into_layer(self) -> Layer {
        self.layer
    }

    /// Returns the names of the drivers that it starts after.
    pub fn after(&self) -> &[String] {
        &self.after
    }

    /// Returns whether nothing is wrong in its table.
    pub fn is_sound(&self) -> bool {
        self.is_sound
    }

    /// Returns where it is in the text: the bytes of its header.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Returns where the value of an option is in the text; `None` if its table does not have it.
    pub fn span_of(&self, option: &str) -> Option<Range<usize>> {
        self.values.get(option).cloned()
    }
}

/// Documents with equal content are equal; positions in the text do not count.
impl PartialEq for Document {
    fn eq(&self, other: &Self) -> bool {
        self.environment.values() == other.environment.values()
            && self.context == other.context
            && self.defaults == other.defaults
            && self.type_defaults == other.type_defaults
            && self.entries == other.entries
    }
}

/// Entries with equal content are equal; positions in their texts do not count.
impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.type_name == other.type_name
            && self.after == other.after
            && self.layer.values() == other.layer.values()
    }
}
