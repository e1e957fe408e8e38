//! Answers, in the vectors' terms.

use serde_json::{Map, Value as Json, json};
use sha2::{Digest, Sha256};

use crate::failure::Failure;
use crate::value::{Handle, Value};
use crate::world::World;

/// Writes a value; what differs from run to run is written as a variable.
pub(crate) fn encode(world: &World, value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(value) => json!(value),
        Value::Int(number) => match volatile_name(world, *number) {
            Some(name) => json!({ "$var": name }),
            None => json!(number),
        },
        Value::Float(number) => json!(number),
        Value::Text(text) => json!(normalise(world, text)),
        Value::Bytes(bytes) if bytes.len() > 64 => {
            json!({ "$bytes_len": bytes.len(), "$sha256": hex(&Sha256::digest(bytes)) })
        }
        Value::Bytes(bytes) => json!({ "$hex": hex(bytes) }),
        Value::List(items) => items.iter().map(|item| encode(world, item)).collect(),
        Value::Tuple(items) => {
            let items: Vec<Json> = items.iter().map(|item| encode(world, item)).collect();
            json!({ "$tuple": items })
        }
        Value::Map(entries) => {
            let entries = entries.iter();
            let entries =
                entries.map(|(name, value)| (normalise(world, name), encode(world, value)));
            Json::Object(entries.collect::<Map<_, _>>())
        }
        Value::Function(_) => json!({ "$fn": true }),
        Value::Context(value) => json!({ "$context": [value.driver, value.template] }),
        Value::Pattern(pattern) if pattern.bytes => json!({ "$re": pattern.source, "bytes": true }),
        Value::Pattern(pattern) => json!({ "$re": pattern.source }),
        Value::Unset => json!({ "$unset": true }),
        Value::Absent => json!({ "$absent": true }),
        Value::FailedAction(reason) => json!({ "$failed_action": normalise(world, reason) }),
        Value::Path(path) => json!(normalise(world, &path.display().to_string())),
        Value::Opaque(class) => json!({ "$obj": class }),
        Value::Handle(Handle(object)) => match object.value() {
            Some(value) => encode(world, &value),
            None => json!({ "$obj": object.class() }),
        },
    }
}

/// Writes an error.
pub(crate) fn encode_failure(world: &World, failure: &Failure) -> Json {
    match failure {
        Failure::Error {
            category,
            errno,
            message,
        } => {
            let mut error = json!({ "category": category, "message": normalise(world, message) });
            if let Some(errno) = errno {
                error["errno"] = json!(errno);
            }
            json!({ "error": error })
        }
        Failure::Broken(message) => json!({ "broken": message }),
    }
}

fn volatile_name(world: &World, number: i64) -> Option<String> {
    let volatile = world.volatile.lock();
    let mut names = volatile.iter();
    names
        .find(|(_, value)| matches!(value, Value::Int(known) if *known == number))
        .map(|(name, _)| name.clone())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A text without what differs from run to run.
pub(crate) fn normalise(world: &World, text: &str) -> String {
    let mut text = text.to_owned();
    if !world.tmp.is_empty() {
        text = text.replace(&world.tmp, "${TMP}");
    }
    // Asking for the root makes it.
    if text.contains("/standin/")
        && let Ok(root) = standin::entity::default_root()
    {
        text = text.replace(&root.display().to_string(), "${DEFAULT_RUNPATH}");
    }
    // Types are written in the manner of their language.
    text = text
        .replace("TcpServer[", "TCPServer[")
        .replace("TcpClient[", "TCPClient[")
        .replace("TcpServer\n[", "TCPServer\n[")
        .replace("TcpClient\n[", "TCPClient\n[");
    for (name, value) in world.volatile.lock().iter() {
        match value {
            Value::Int(number) if *number > 1000 => {
                text = replace_number(&text, &number.to_string(), &format!("${{{name}}}"));
            }
            Value::Text(value) if !value.is_empty() => {
                text = text.replace(value, &format!("${{{name}}}"));
            }
            _ => {}
        }
    }
    text
}

/// Replaces a number where it is not part of a longer one.
fn replace_number(text: &str, number: &str, by: &str) -> String {
    let digit = |c: char| c.is_ascii_digit();
    let mut replaced = String::new();
    let mut done = 0;
    for (at, _) in text.match_indices(number) {
        let end = at + number.len();
        replaced += &text[done..at];
        let longer = text[..at].ends_with(digit) || text[end..].starts_with(digit);
        replaced += if longer { number } else { by };
        done = end;
    }
    replaced + &text[done..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_whole_numbers_only() {
        assert_eq!(replace_number("80 8080 x80", "80", "P"), "P 8080 xP");
    }
}
