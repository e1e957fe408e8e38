use std::borrow::Cow;

use indexmap::IndexMap;
use standin_config::{Node, Value};

/// How many attributes a driver usually has.
const USUAL: usize = 14;

/// The published values of a driver: names and values, in order.
///
/// Other drivers read them through context values such as
/// `context("server", "{{ port }}")`.
///
/// ```
/// use standin_driver::Attributes;
///
/// let attributes = Attributes::new()
///     .with("host", "127.0.0.1")
///     .with("port", 8080)
///     .with_known("peer", None::<String>); // not known yet: left out
/// assert_eq!(attributes.names().collect::<Vec<_>>(), ["host", "port"]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Attributes {
    values: IndexMap<Cow<'static, str>, Value>,
    /// The options of the driver, for templates that read `cfg`.
    options: Option<Node>,
}

/// As a table of the values.
impl From<Attributes> for Value {
    fn from(attributes: Attributes) -> Self {
        let values = attributes.values.into_iter();
        let named = values.map(|(name, value)| (name.into_owned(), value));
        named.collect()
    }
}

/// Those with the same names and values are equal.
impl PartialEq for Attributes {
    fn eq(&self, other: &Self) -> bool {
        self.values == other.values
    }
}

impl Attributes {
    /// No attributes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `name`, or replaces its value.
    #[must_use]
    pub fn with(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Value>) -> Self {
        self.insert(name, value);
        self
    }

    /// Adds `name` if its value is already known. A template that reads an unknown name gets an
    /// error rather than empty text.
    #[must_use]
    pub fn with_known(
        self,
        name: impl Into<Cow<'static, str>>,
        value: Option<impl Into<Value>>,
    ) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Adds `name`, or replaces its value.
    pub fn insert(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Value>) {
        if self.values.is_empty() {
            self.values.reserve(USUAL);
        }
        self.values.insert(name.into(), value.into());
    }

    /// Removes `name`, and returns its value.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        self.values.shift_remove(name)
    }

    /// Adds everything of `other`; its values win.
    pub fn extend(&mut self, other: Attributes) {
        self.values.extend(other.values);
        self.options = other.options.or(self.options.take());
    }

    /// Makes options available to templates as `cfg.timeout`.
    pub(crate) fn with_options(mut self, node: &Node) -> Self {
        self.options = Some(node.clone());
        self
    }

    /// The options that templates read as `cfg`.
    pub(crate) fn options(&self) -> Option<&Node> {
        self.options.as_ref()
    }

    /// Returns the value of `name`.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// Returns the value of `name` as text: a text as it is, everything else as it is
    /// written in a file.
    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(text)
    }

    /// Returns all names, in the order in which they were added.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(|name| &**name)
    }

    /// Returns all names with their values, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.values.iter().map(|(name, value)| (&**name, value))
    }
}

/// A value as text, without the quotes that a text has in a file.
pub(crate) fn text(value: &Value) -> String {
    match value.as_str() {
        Some(text) => text.to_owned(),
        None => value.to_string(),
    }
}
