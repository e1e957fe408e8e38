//! Writes a document as TOML.

use std::fmt::{self, Write as _};

use indexmap::IndexMap;
use standin_config::{Layer, TomlKey, Value};

use super::document::{Document, Entry};
use super::keys::{AFTER, CONTEXT, DEFAULTS, DRIVER, TYPE};

impl Document {
    /// Returns the document as TOML. [`TypeRegistry::parse`](super::TypeRegistry::parse) reads an
    /// equal document from it; options that hold code have no written form and become comments.
    pub fn to_toml(&self) -> String {
        self.to_string()
    }
}

/// The document as TOML.
impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        write_document(&mut text, self)?;
        f.write_str(&text)
    }
}

fn write_document(text: &mut String, document: &Document) -> fmt::Result {
    write_layer(text, &document.environment)?;
    if !document.context.is_empty() {
        start_section(text);
        writeln!(text, "[{CONTEXT}]")?;
        write_values(text, &document.context)?;
    }
    if !document.defaults.is_empty() {
        start_section(text);
        writeln!(text, "[{DEFAULTS}]")?;
        write_values(text, &document.defaults)?;
    }
    for (type_name, values) in &document.type_defaults {
        start_section(text);
        writeln!(text, "[{DEFAULTS}.{}]", TomlKey(type_name))?;
        write_values(text, values)?;
    }
    for entry in &document.entries {
        start_section(text);
        write_entry(text, entry)?;
    }
    Ok(())
}

fn write_entry(text: &mut String, entry: &Entry) -> fmt::Result {
    writeln!(text, "[[{DRIVER}]]")?;
    writeln!(text, "{TYPE} = {}", Value::from(entry.type_name.as_str()))?;
    if !entry.layer.is_set("name") {
        writeln!(text, "name = {}", Value::from(entry.name.as_str()))?;
    }
    if !entry.after.is_empty() {
        writeln!(text, "{AFTER} = {}", Value::from(entry.after.clone()))?;
    }
    write_layer(text, &entry.layer)
}

fn write_layer(text: &mut String, layer: &Layer) -> fmt::Result {
    for name in layer.names() {
        match layer.get(name) {
            Some(value) => write_value(text, name, &value)?,
            None => writeln!(text, "# {} is set in code", TomlKey(name))?,
        }
    }
    Ok(())
}

fn write_values(text: &mut String, values: &IndexMap<String, Value>) -> fmt::Result {
    values
        .iter()
        .try_for_each(|(name, value)| write_value(text, name, value))
}

fn write_value(text: &mut String, name: &str, value: &Value) -> fmt::Result {
    match without_null(value) {
        Some(value) => writeln!(text, "{} = {value}", TomlKey(name)),
        // TOML has no null.
        None => writeln!(text, "# {} has no value", TomlKey(name)),
    }
}

/// Nested tables leave out what has no value, which reads the same.
fn without_null(value: &Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::List(items) => Some(Value::List(items.iter().filter_map(without_null).collect())),
        Value::Map(entries) => Some(Value::Map(
            entries
                .iter()
                .filter_map(|(key, value)| Some((key.clone(), without_null(value)?)))
                .collect(),
        )),
        value => Some(value.clone()),
    }
}

fn start_section(text: &mut String) {
    if !text.is_empty() {
        text.push('\n');
    }
}
