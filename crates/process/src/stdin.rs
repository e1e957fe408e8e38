use std::path::PathBuf;

use standin_config::{
    ConfigDescription, Kind, OptionDescription, OptionValue, Text, Value, ValueError,
};

/// Where a process reads its standard input from.
///
/// In a file it is `"pipe"`, `"null"`, `{ text = "..." }` or `{ file = "..." }`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stdin {
    /// A pipe that [`Process::write_stdin`](crate::Process::write_stdin) writes
    /// to, and that stays open until the process is stopped.
    #[default]
    Pipe,
    /// Nothing: the process reads the end at once.
    Null,
    /// This text, and then the end. A template over the driver's own context, unless
    /// it is [`verbatim`](standin_config::verbatim).
    Text(Text),
    /// This file. A relative path starts at the current directory of the test.
    File(PathBuf),
}

/// A table with this one key.
fn single(key: &str, kind: Kind, docs: &str) -> Kind {
    let option = OptionDescription::required(key, kind).docs_are(docs);
    let table = ConfigDescription::builder(format!("stdin {key}")).option(option);
    Kind::Nested(table.build())
}

impl OptionValue for Stdin {
    fn kind() -> Kind {
        Kind::Union(vec![
            Kind::one_of(["pipe", "null"]),
            single("text", Text::kind(), "The text that the process reads."),
            single("file", Kind::Path, "The file that the process reads."),
        ])
    }

    fn from_value(value: &Value) -> Result<Self, ValueError> {
        let entry = |key: &str| {
            let entries = value.as_map().filter(|entries| entries.len() == 1)?;
            entries.get(key)
        };
        let file = entry("file").and_then(Value::as_str);
        match (value.as_str(), entry("text"), file) {
            (Some("pipe"), ..) => Ok(Stdin::Pipe),
            (Some("null"), ..) => Ok(Stdin::Null),
            (_, Some(text), _) => Ok(Stdin::Text(Text::from_value(text)?)),
            (_, _, Some(file)) => Ok(Stdin::File(PathBuf::from(file))),
            _ => Err(ValueError::new(
                "\"pipe\", \"null\", { text = \"...\" } or { file = \"...\" }",
                value.to_string(),
            )),
        }
    }

    fn to_value(&self) -> Value {
        match self {
            Stdin::Pipe => Value::from("pipe"),
            Stdin::Null => Value::from("null"),
            Stdin::Text(text) => [("text", text.to_value())].into_iter().collect(),
            Stdin::File(file) => [("file", Value::from(file.clone()))].into_iter().collect(),
        }
    }
}
