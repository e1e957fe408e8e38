//! Tables of one of several sorts, as one schema in which every mistake is reported once.

use indexmap::IndexMap;
use serde_json::{Map, Value as Json, json};

use super::super::keys::TYPE;

/// One sort of table.
pub(super) struct Variant {
    /// What descriptions call it.
    pub(super) label: Option<String>,
    /// What a table of this sort fits.
    pub(super) condition: Json,
    pub(super) required: Vec<String>,
    pub(super) properties: Map<String, Json>,
    /// Whether it takes other keys, too.
    pub(super) is_open: bool,
}

/// Keywords that check nothing.
const ANNOTATIONS: [&str; 4] = ["description", "default", "examples", "x-inherited"];

/// The schema of a table that is of one of the sorts.
///
/// Properties on which all agree that have them are checked for all of them; the branch of a sort
/// checks what is its own, and refuses what only others have. Nothing is checked in both places, so
/// that no mistake is reported twice.
pub(super) fn alternatives(variants: Vec<Variant>) -> Map<String, Json> {
    let mut known: IndexMap<String, Vec<(String, Json)>> = IndexMap::new();
    for variant in &variants {
        for (name, schema) in &variant.properties {
            let label = variant.label.clone().unwrap_or_default();
            let schemas = known.entry(name.clone()).or_default();
            schemas.push((label, schema.clone()));
        }
    }
    let mut properties = Map::new();
    let mut agreed: Vec<String> = Vec::new();
    for (name, schemas) in &known {
        let mut schema = Map::new();
        let checks = schemas.first().map(|(_, first)| without_annotations(first));
        let is_agreed = schemas
            .iter()
            .all(|(_, schema)| Some(without_annotations(schema)) == checks);
        if is_agreed && let Some(Json::Object(checks)) = checks {
            schema = checks;
            agreed.push(name.clone());
        }
        put_description(&mut schema, description_of(schemas, variants.len()));
        properties.insert(name.clone(), Json::Object(schema));
    }
    let is_open = variants.iter().any(|variant| variant.is_open);
    let mut branches = accompanying(&variants, known.keys());
    for variant in variants.iter().rev() {
        let mut own = Map::new();
        for name in known.keys() {
            match variant.properties.get(name) {
                None if variant.is_open => {}
                None => drop(own.insert(name.clone(), json!(false))),
                Some(_) if agreed.contains(name) => {}
                Some(schema) => drop(own.insert(name.clone(), schema.clone())),
            }
        }
        let mut then = Map::new();
        if !own.is_empty() {
            then.insert("properties".to_owned(), Json::Object(own));
        }
        match &variant.label {
            _ if variant.required.is_empty() => {}
            Some(label) => {
                let missing = |name: &String| missing_is_reported_at_type(label, name);
                let rules: Vec<Json> = variant.required.iter().map(missing).collect();
                then.insert("allOf".to_owned(), json!(rules));
            }
            None => drop(then.insert("required".to_owned(), json!(variant.required))),
        }
        let mut branch = Map::new();
        branch.insert("if".to_owned(), variant.condition.clone());
        branch.insert("then".to_owned(), Json::Object(then));
        branch.extend(branches.take().map(|others| ("else".to_owned(), others)));
        branches = Some(Json::Object(branch));
    }
    let mut schema = super::object(properties, Vec::new(), is_open);
    if let Some(Json::Object(branches)) = branches {
        schema.extend(branches);
    }
    schema
}

/// Refuses the keys that accompany others, if a table matches no variant. The key that
/// identifies one needs no complaint, and an unknown key has one already.
fn accompanying<'a>(variants: &[Variant], known: impl Iterator<Item = &'a String>) -> Option<Json> {
    if variants.iter().any(|variant| variant.label.is_some()) {
        return None;
    }
    let decides = |name: &String| {
        let mut first = variants.iter().map(|variant| variant.required.first());
        first.any(|first| first == Some(name))
    };
    let others = known.filter(|name| !decides(name));
    let refused: Map<String, Json> = others.map(|name| (name.clone(), json!(false))).collect();
    (!refused.is_empty()).then(|| json!({ "properties": refused }))
}

/// Requires an option of drivers of a type. Editors report what is missing in a table at the header
/// of the table and at each of its keys and values; what is wrong with its type, at the type.
fn missing_is_reported_at_type(type_name: &str, option: &str) -> Json {
    let complete = format!("{type_name} with the option {option:?}");
    json!({
        "if": { "required": [option] },
        "else": { "properties": { TYPE: { "enum": [complete] } } },
    })
}

/// The schema without what it says to people.
pub(super) fn without_annotations(schema: &Json) -> Json {
    match schema {
        Json::Object(schema) => {
            let checks = schema.iter();
            let checks = checks.filter(|(keyword, _)| !ANNOTATIONS.contains(&keyword.as_str()));
            Json::Object(
                checks
                    .map(|(key, value)| (key.clone(), value.clone()))
                    .collect(),
            )
        }
        schema => schema.clone(),
    }
}

/// What a property is for, in front of it the sorts that have it where not all of `count` do.
pub(super) fn description_of(schemas: &[(String, Json)], count: usize) -> Option<String> {
    let mut texts: IndexMap<&str, Vec<&str>> = IndexMap::new();
    for (label, schema) in schemas {
        let text = schema.get("description").and_then(Json::as_str);
        texts
            .entry(text.unwrap_or_default())
            .or_default()
            .push(label);
    }
    let is_common = schemas.len() == count && texts.len() == 1;
    let paragraphs: Vec<String> = texts
        .into_iter()
        .map(
            |(text, labels)| match labels.iter().all(|label| label.is_empty()) || is_common {
                true => text.to_owned(),
                false => format!("({}) {text}", labels.join(", ")),
            },
        )
        .filter(|text| !text.is_empty())
        .collect();
    (!paragraphs.is_empty()).then(|| paragraphs.join("\n\n"))
}

/// Puts the description first: people read the file, too.
pub(super) fn put_description(schema: &mut Map<String, Json>, description: Option<String>) {
    if let Some(description) = description {
        schema.shift_remove("description");
        let checks = std::mem::take(schema);
        schema.insert("description".to_owned(), json!(description));
        schema.extend(checks);
    }
}

/// One schema for values of either, where no value is of a type that both speak of: keywords of
/// JSON Schema are about values of one type, and take no notice of others.
pub(super) fn merge(left: &Json, right: &Json) -> Option<Json> {
    let (left, right) = (left.as_object()?, right.as_object()?);
    let types = |schema: &Map<String, Json>| -> Option<Vec<String>> {
        match schema.get("type")? {
            Json::String(name) => Some(vec![name.clone()]),
            Json::Array(names) => names.iter().map(|n| Some(n.as_str()?.to_owned())).collect(),
            _ => None,
        }
    };
    let is_about_any_type = |schema: &Map<String, Json>| {
        ["enum", "const", "not", "anyOf", "$ref"]
            .iter()
            .any(|keyword| schema.contains_key(*keyword))
    };
    let (mut all, more) = (types(left)?, types(right)?);
    let number = |types: &[String]| {
        types
            .iter()
            .any(|name| name == "number" || name == "integer")
    };
    let overlap = more.iter().any(|name| all.contains(name)) || number(&all) && number(&more);
    if overlap || is_about_any_type(left) || is_about_any_type(right) {
        return None;
    }
    all.extend(more);
    let mut schema = Map::new();
    schema.insert("type".to_owned(), json!(all));
    for (keyword, value) in left.iter().chain(right) {
        if keyword == "type" {
            continue;
        }
        // Conditions are about tables, of which there is one sort here; but a keyword that both
        // use cannot say two things.
        if schema.insert(keyword.clone(), value.clone()).is_some() {
            return None;
        }
    }
    Some(Json::Object(schema))
}
