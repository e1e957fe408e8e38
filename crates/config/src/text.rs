//! [`Text`]: a text that may be a template.

use std::fmt;

use crate::kind::Kind;
use crate::{
    ConfigDescription, ContextValue, OptionDescription, OptionValue, Setting, Value, ValueError,
    template,
};

/// A text of an option that is a template, unless it is verbatim.
///
/// A plain text is a template over what the driver itself publishes; braces that mean something to
/// another program, such as `docker ps --format {{.Names}}`, are for [`verbatim`]. In a file it is
/// a text, `{ verbatim = "..." }`, or a context value.
///
/// ```
/// use standin_config::{Text, context, verbatim};
///
/// let args: [Text; 3] = [
///     "--port={{ port }}".into(),
///     verbatim("--format={{.Names}}"),
///     context("server", "{{ host }}").into(),
/// ];
/// assert_eq!(args[1], Text::Verbatim("--format={{.Names}}".to_owned()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Text {
    /// A template over what the driver itself publishes, and below `context` over what others do.
    Template(String),
    /// Returns the text as it was written.
    Verbatim(String),
    /// A template that another driver fills.
    Context(ContextValue),
}

const VERBATIM: &str = "verbatim";

/// Creates a verbatim text: `{{` and `{%` have no meaning in it.
pub fn verbatim(text: impl Into<String>) -> Text {
    Text::Verbatim(text.into())
}

impl Text {
    fn table() -> Kind {
        let text = OptionDescription::required(VERBATIM, Kind::String)
            .docs_are("The text as it is: `{{` and `{%` have no meaning in it.");
        Kind::Nested(ConfigDescription::builder("text").option(text).build())
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Text::Template(text.to_owned())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Text::Template(text)
    }
}

impl From<&String> for Text {
    fn from(text: &String) -> Self {
        Text::Template(text.clone())
    }
}

impl From<ContextValue> for Text {
    fn from(value: ContextValue) -> Self {
        Text::Context(value)
    }
}

impl From<Setting<String>> for Text {
    fn from(setting: Setting<String>) -> Self {
        match setting {
            Setting::Plain(text) => Text::Template(text),
            Setting::Context(value) => Text::Context(value),
        }
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Text::Template(text) | Text::Verbatim(text) => f.write_str(text),
            Text::Context(value) => write!(f, "{value}"),
        }
    }
}

impl OptionValue for Text {
    fn kind() -> Kind {
        Kind::Union(vec![Kind::Template, Kind::Context, Text::table()])
    }

    fn from_value(value: &Value) -> Result<Self, ValueError> {
        if let Some(entries) = value.as_map()
            && let [(VERBATIM, Some(text))] = entries
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_str()))
                .collect::<Vec<_>>()[..]
        {
            return Ok(verbatim(text));
        }
        let text = Setting::<String>::from_value(value).map(Text::from);
        text.map_err(|error| error.or_expected("{ verbatim = \"...\" }"))
    }

    fn to_value(&self) -> Value {
        match self {
            Text::Template(text) => Value::from(text.as_str()),
            Text::Verbatim(text) => [(VERBATIM, text.as_str())].into_iter().collect(),
            Text::Context(value) => value.to_value(),
        }
    }

    fn check(&self) -> Result<(), ValueError> {
        match self {
            Text::Template(text) => template::check(text),
            Text::Verbatim(_) => Ok(()),
            Text::Context(value) => value.check(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context;

    #[test]
    fn can_be_written_and_read() {
        for text in [
            Text::from("{{ port }}"),
            verbatim("{{.Names}}"),
            Text::from(context("server", "{{ host }}")),
        ] {
            let value = text.to_value();
            Text::kind().check(&value).unwrap();
            assert_eq!(Text::from_value(&value).unwrap(), text);
        }
        let mistaken: Value = [("verbatm", "x")].into_iter().collect();
        Text::from_value(&mistaken).unwrap_err();
        Text::kind().check(&mistaken).unwrap_err();
    }
}
