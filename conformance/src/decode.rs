//! The values of a vector's steps, read.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::failure::Failure;
use crate::value::{Function, Pattern, Value};
use crate::world::{Outcome, World};

/// Reads a value, with the variables as they stand.
pub(crate) fn decode(world: &World, json: &Json) -> Outcome {
    Ok(match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::Int(number),
            None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::Text(fill(world, text)?),
        Json::Array(items) => Value::List(decode_all(world, items)?),
        Json::Object(members) => match special(world, members)? {
            Some(value) => value,
            None => {
                let entries = members.iter();
                let entries =
                    entries.map(|(name, value)| Ok((name.clone(), decode(world, value)?)));
                Value::Map(entries.collect::<Result<_, Failure>>()?)
            }
        },
    })
}

fn decode_all(world: &World, items: &[Json]) -> Result<Vec<Value>, Failure> {
    items.iter().map(|item| decode(world, item)).collect()
}

/// A member whose name begins with `$` says what the value is.
fn special(world: &World, members: &Map<String, Json>) -> Result<Option<Value>, Failure> {
    let Some((kind, inner)) = members.iter().find(|(name, _)| name.starts_with('$')) else {
        return Ok(None);
    };
    let text = || {
        inner
            .as_str()
            .ok_or_else(|| Failure::broken(format!("{kind} needs a text")))
    };
    let items = || {
        inner
            .as_array()
            .ok_or_else(|| Failure::broken(format!("{kind} needs a list")))
    };
    Ok(Some(match kind.as_str() {
        "$var" => match (
            world.variable(text()?)?,
            members.get("add").and_then(Json::as_i64),
        ) {
            (Value::Int(number), Some(more)) => Value::Int(number + more),
            (value, _) => value,
        },
        "$hex" => Value::Bytes(bytes(text()?)?),
        "$repeat" => match items()?.as_slice() {
            [Json::String(hex), times] => {
                let times = times.as_u64().and_then(|times| usize::try_from(times).ok());
                Value::Bytes(bytes(hex)?.repeat(times.unwrap_or_default()))
            }
            _ => return Err(Failure::broken("$repeat needs bytes and a count")),
        },
        "$tuple" => Value::Tuple(decode_all(world, items()?)?),
        "$unset" => Value::Unset,
        "$absent" => Value::Absent,
        "$context" => match decode_all(world, items()?)?.as_slice() {
            [Value::Text(driver), Value::Text(template)] => {
                Value::Context(standin::context(driver.as_str(), template.as_str()))
            }
            _ => return Err(Failure::broken("$context needs a driver and a template")),
        },
        "$re" => Value::Pattern(Pattern {
            source: text()?.to_owned(),
            flags: members
                .get("flags")
                .and_then(Json::as_str)
                .unwrap_or_default()
                .to_owned(),
            bytes: members
                .get("bytes")
                .and_then(Json::as_bool)
                .unwrap_or(false),
        }),
        "$fn" => Value::Function(Arc::new(function(inner))),
        "$pathobj" => Value::Path(PathBuf::from(fill(world, text()?)?)),
        "$lock" => Value::Opaque("lock"),
        "$object" => Value::Opaque("object"),
        _ => return Ok(None),
    }))
}

/// What a hook returns is not looked at: hooks of ours return nothing.
fn function(spec: &Json) -> Function {
    let text = |name: &str| spec.get(name).and_then(Json::as_str).map(str::to_owned);
    let parameters = match spec.get("params").and_then(Json::as_array) {
        Some(names) => names
            .iter()
            .filter_map(Json::as_str)
            .map(str::to_owned)
            .collect(),
        None => vec!["driver".to_owned()],
    };
    Function {
        parameters,
        label: text("label").unwrap_or_else(|| "fn".to_owned()),
        raise: text("raise").filter(|message| !message.is_empty()),
        sleep: spec.get("sleep").and_then(Json::as_f64),
    }
}

fn bytes(hex: &str) -> Result<Vec<u8>, Failure> {
    let digits: Vec<u32> = hex.chars().filter_map(|digit| digit.to_digit(16)).collect();
    if digits.len() != hex.chars().count() || !digits.len().is_multiple_of(2) {
        return Err(Failure::broken(format!("{hex} is not hexadecimal")));
    }
    let pair = |pair: &[u32]| u8::try_from(pair[0] * 16 + pair[1]).unwrap_or(u8::MAX);
    Ok(digits.chunks_exact(2).map(pair).collect())
}

/// Puts the values of variables where `${name}` stands.
fn fill(world: &World, text: &str) -> Result<String, Failure> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        filled += before;
        let name = after.split_once('}').map(|(name, _)| name).filter(|name| {
            !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_')
        });
        match name {
            Some("TMP") => filled += &world.tmp,
            Some(name) => match world.variable(name)? {
                Value::Text(value) => filled += &value,
                Value::Int(value) => filled += &value.to_string(),
                other => {
                    return Err(Failure::broken(format!(
                        "${{{name}}} is a {}",
                        other.python_type()
                    )));
                }
            },
            // `${#var}` in a shell script is what it is.
            None => filled += "${",
        }
        rest = match name {
            Some(name) => &after[name.len() + 1..],
            None => after,
        };
    }
    filled += rest;
    Ok(filled)
}
