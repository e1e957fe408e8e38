//! [`Setting`]: an option that is set from outside of the file.

use std::fmt;
use std::str::FromStr;

use indexmap::IndexMap;
use standin::config::{ConfigErrors, Node, OptionDescription, Value, nearest};
use standin::environment::EnvironmentView;

use crate::SessionError;

/// An option of an environment or of one of its drivers that overrides the file:
/// `driver.option=value`, or `option=value` for the environment.
///
/// The value is parsed as TOML, such as `5`, `["a", "b"]` or `{ text = "x" }`; anything else is a
/// text, so that texts need no quotes. `driver.option.key=value` sets one key of an option that is
/// a table. Paths in it start from the current directory.
///
/// ```
/// use standin_session::Setting;
///
/// let setting: Setting = "bank.port=8080".parse()?;
/// assert_eq!(setting.to_string(), "bank.port=8080");
/// assert!("bank.port".parse::<Setting>().is_err());
/// # Ok::<(), standin_session::SessionError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// `driver.option`.
    path: String,
    value: String,
}

impl FromStr for Setting {
    type Err = SessionError;

    fn from_str(text: &str) -> Result<Self, SessionError> {
        let parts = text.split_once('=');
        let (path, value) = parts
            .filter(|(path, _)| !path.trim().is_empty())
            .ok_or_else(|| SessionError::NotASetting {
                text: text.to_owned(),
            })?;
        Ok(Self {
            path: path.trim().to_owned(),
            value: value.to_owned(),
        })
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.path, self.value)
    }
}

impl Setting {
    /// Sets the option. Nothing has changed if that is an error.
    pub(crate) fn apply(&self, environment: &EnvironmentView) -> Result<(), SessionError> {
        let (node, owner, option) = self.find(environment)?;
        let (name, keys) = match option.split_once('.') {
            Some((name, keys)) => (name, keys.split('.').collect()),
            None => (option, Vec::new()),
        };
        let description = node.description();
        let known = || description.options().iter().map(OptionDescription::name);
        let Some(option) = description.option(name) else {
            return Err(SessionError::UnknownOption {
                setting: self.clone(),
                owner,
                option: name.to_owned(),
                nearest: nearest(name, known()).map(str::to_owned),
            });
        };
        let before = node.get_local(name);
        let whole = |value: Value| inside(before.clone(), &keys, value);
        let text = || whole(Value::from(self.value.as_str()));
        // What reads as a number may be meant as a text, as a name that is one is.
        let value = match toml_value(&self.value).map(whole) {
            Some(value) if option.read_and_check(&owner, &value).is_ok() => value,
            Some(value) if option.read_and_check(&owner, &text()).is_err() => value,
            _ => text(),
        };
        let set = node.set_local(name, value);
        set.map_err(|errors: ConfigErrors| SessionError::Refused {
            setting: self.clone(),
            errors,
        })
    }

    /// Whose option it is, what messages call that, and the name of the option.
    fn find<'a>(
        &'a self,
        environment: &EnvironmentView,
    ) -> Result<(Node, String, &'a str), SessionError> {
        let dots = self.path.match_indices('.').map(|(at, _)| at);
        // Names of drivers may have dots in them.
        for at in dots.rev() {
            let (driver, option) = (&self.path[..at], &self.path[at + 1..]);
            if let Ok(found) = environment.driver(driver) {
                let node = found.base().options().clone();
                return Ok((node, format!("driver {driver:?}"), option));
            }
        }
        let node = environment.options();
        let first = self.path.split('.').next().unwrap_or_default();
        if first != self.path && node.description().option(first).is_none() {
            let known = environment.names();
            return Err(SessionError::UnknownDriver {
                setting: self.clone(),
                driver: first.to_owned(),
                nearest: nearest(first, known.iter().map(String::as_str)).map(str::to_owned),
                known,
            });
        }
        let owner = format!("environment {:?}", environment.name());
        Ok((node.clone(), owner, &self.path))
    }
}

/// The text as a value of TOML, if it is one.
fn toml_value(text: &str) -> Option<Value> {
    // One value and nothing after it.
    if text.contains('\n') {
        return None;
    }
    let line = format!("value = {text}");
    let table = toml::de::DeTable::parse(&line).ok()?;
    Value::from_toml(table.get_ref().get("value")?).ok()
}

/// A table with `value` at the place that the keys lead to; without keys, `value` itself.
fn inside(table: Option<Value>, keys: &[&str], value: Value) -> Value {
    let Some((key, keys)) = keys.split_first() else {
        return value;
    };
    let mut entries = match table {
        Some(Value::Map(entries)) => entries,
        _ => IndexMap::new(),
    };
    let below = entries.get(*key).cloned();
    entries.insert((*key).to_owned(), inside(below, keys, value));
    Value::Map(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_one_of_toml_or_a_text() {
        assert_eq!(toml_value("5"), Some(Value::from(5)));
        assert_eq!(toml_value("\"5\""), Some(Value::from("5")));
        assert_eq!(toml_value("[1]"), Some(Value::List(vec![Value::from(1)])));
        for text in [
            "",
            "127.0.0.1",
            "5\nname = 6",
            "a b",
            "5 # x\ny",
            "1979-05-27",
        ] {
            assert_eq!(toml_value(text), None, "{text}");
        }
    }

    #[test]
    fn a_key_of_a_table_leaves_the_others_alone() {
        let table: Value = [("a", 1), ("b", 2)].into_iter().collect();
        let changed = inside(Some(table), &["b"], Value::from(3));
        let expected: Value = [("a", 1), ("b", 3)].into_iter().collect();
        assert_eq!(changed, expected);
        let deep = inside(None, &["a", "b"], Value::from(3));
        let map = deep.as_map().and_then(|map| map.get("a")?.as_map());
        assert_eq!(map.and_then(|map| map.get("b")), Some(&Value::from(3)));
    }
}
