//! JSON Schemas (draft 2020-12) of environment files and of driver types.
//!
//! The schemas express the options as far as JSON Schema can, so that editors complete and check.
//! They do not know names in other parts of the file, whether a regular expression or a template is
//! valid, how long a duration is, or the checks in code; the loader does.

mod alternatives;

use std::collections::HashMap;
use std::ops::Bound;

use indexmap::IndexMap;
use schemars::Schema;
use serde_json::{Map, Value as Json, json};
use standin_config::{
    ConfigDescription, Constraint, Kind, LazyKind, OptionDescription, Value, duration,
};

use self::alternatives::{
    Variant, alternatives, description_of, merge, put_description, without_annotations,
};
use super::TypeRegistry;
use super::keys::{AFTER, CONTEXT, DEFAULTS, DRIVER, TYPE};

/// From here on no duration is long enough, in seconds.
const LONGEST_DURATION: u64 = u64::MAX;

/// A number from 0 to 65535, or a name that may be a service.
const PORT_PATTERN: &str = r"^\s*(?:\+?0*(?:[0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])|[^\s\-+]*[A-Za-z]\S*)\s*$";

/// Returns the schema of whole environment files.
///
/// ```
/// # use standin_config::{ConfigDescription, Kind, OptionDescription};
/// # use standin_environment::file::{TypeRegistry, schema};
/// let environment = ConfigDescription::builder("environment")
///     .option(OptionDescription::required("name", Kind::String).docs_are("Its name."))
///     .build();
/// let schema = schema::of_file(&TypeRegistry::new(&environment));
/// assert_eq!(
///     schema.pointer("/properties/name/description"),
///     Some(&serde_json::json!("Its name."))
/// );
/// ```
pub fn of_file(registry: &TypeRegistry) -> Schema {
    let mut writer = Writer::default();
    let mut properties = writer.properties(registry.environment(), |_| true);
    properties.insert(CONTEXT.to_owned(), context());
    properties.insert(DEFAULTS.to_owned(), writer.defaults(registry));
    let drivers = json!({
        "description": "The drivers, in the order in which they start.",
        "type": "array",
        "items": writer.any_driver(registry),
    });
    properties.insert(DRIVER.to_owned(), drivers);
    let mut schema = object(
        properties,
        required(registry.environment()),
        registry.environment().ignores_extra_keys(),
    );
    schema.insert(
        "$schema".to_owned(),
        json!("https://json-schema.org/draft/2020-12/schema"),
    );
    schema.insert("title".to_owned(), json!("standin environment"));
    describe(&mut schema, &registry.environment().plain_docs());
    finish(schema, writer.definitions)
}

/// Returns the schema of [`of_file`] as the text of a file for editors.
pub fn text_of_file(registry: &TypeRegistry) -> String {
    format!("{:#}\n", of_file(registry).to_value())
}

/// Returns the schema of one driver's table; `None` if the config has no type name.
pub fn of_type(description: &ConfigDescription) -> Option<Schema> {
    let mut writer = Writer::default();
    let Json::Object(mut schema) = writer.driver(description.type_name()?, description) else {
        return None;
    };
    schema.insert(
        "$schema".to_owned(),
        json!("https://json-schema.org/draft/2020-12/schema"),
    );
    Some(finish(schema, writer.definitions))
}

/// Puts the keywords that name the schema first, and the shared definitions last.
fn finish(mut schema: Map<String, Json>, definitions: Map<String, Json>) -> Schema {
    let mut ordered = Map::new();
    for key in ["$schema", "title", "description"] {
        if let Some(value) = schema.remove(key) {
            ordered.insert(key.to_owned(), value);
        }
    }
    ordered.extend(schema);
    if !definitions.is_empty() {
        ordered.insert("$defs".to_owned(), Json::Object(definitions));
    }
    Schema::from(ordered)
}

/// A template over the context of another driver.
fn context_value() -> Json {
    json!({
        "type": "object",
        "properties": {
            "driver": {
                "description": "The name of the driver whose context is read.",
                "type": "string",
                "minLength": 1,
            },
            "value": {
                "description": "A template over the context of that driver, such as `{{ host }}:{{ port }}`; it is filled in when this driver starts.",
                "type": "string",
            },
        },
        "required": ["driver", "value"],
        "additionalProperties": unknown_key(),
    })
}

/// Writes schemas, and collects what they share.
#[derive(Default)]
struct Writer {
    definitions: Map<String, Json>,
    /// The names of the definitions of types that contain themselves.
    types: HashMap<&'static str, String>,
}

impl Writer {
    fn driver(&mut self, type_name: &str, description: &ConfigDescription) -> Json {
        let mut all = Map::new();
        all.insert(
            TYPE.to_owned(),
            json!({ "description": first_paragraph(&description.plain_docs()), "const": type_name }),
        );
        let mut own = self.properties(description, |_| true);
        if let Some(name) = own.shift_remove("name") {
            all.insert("name".to_owned(), name);
        }
        all.insert(AFTER.to_owned(), after());
        all.extend(own);
        let mut needed = vec![TYPE.to_owned()];
        needed.extend(required(description));
        let mut schema = object(all, needed, description.ignores_extra_keys());
        schema.insert("title".to_owned(), json!(type_name));
        describe(&mut schema, &description.plain_docs());
        Json::Object(schema)
    }

    /// A driver of any type.
    ///
    /// An option that several types share is described and checked once; a type without it refuses
    /// it where it stands.
    fn any_driver(&mut self, registry: &TypeRegistry) -> Json {
        let mut variants = Vec::new();
        for (name, description) in registry.types() {
            let mut properties = Map::new();
            let mut own = self.properties(description, |_| true);
            properties.extend(own.shift_remove_entry("name"));
            properties.insert(AFTER.to_owned(), after());
            properties.extend(own);
            variants.push(Variant {
                label: Some(name.to_owned()),
                condition: json!({ "properties": { TYPE: { "const": name } }, "required": [TYPE] }),
                required: required(description),
                properties,
                is_open: description.ignores_extra_keys(),
            });
        }
        if variants.is_empty() {
            return json!(false);
        }
        let mut docs = "What the driver is:".to_owned();
        for (name, description) in registry.types() {
            let first = first_paragraph(&description.plain_docs());
            docs.push_str(&format!("\n- `{name}`: {first}"));
        }
        let names: Vec<&str> = registry.types().map(|(name, _)| name).collect();
        let of_type = json!({ "description": docs, "type": "string", "enum": names });
        let mut schema = alternatives(variants);
        let mut properties = Map::new();
        properties.insert(TYPE.to_owned(), of_type);
        if let Some(Json::Object(options)) = schema.get_mut("properties") {
            properties.append(options);
            *options = properties;
        }
        // As with the options of a type, the report is in one place where there is one for it.
        let rule = json!({
            "if": { "anyOf": [{ "required": [TYPE] }, { "not": { "required": ["name"] } }] },
            "then": { "required": [TYPE] },
            "else": { "properties": { "name": { "enum": ["a driver with a type"] } } },
        });
        schema.insert("allOf".to_owned(), json!([rule]));
        Json::Object(schema)
    }

    /// The options of all types together, for a value that may be for any of them.
    fn of_any_type(&mut self, registry: &TypeRegistry) -> Map<String, Json> {
        let mut all: IndexMap<String, Vec<(String, Json)>> = IndexMap::new();
        for (type_name, description) in registry.types() {
            for (name, schema) in self.properties(description, |name| name != "name") {
                all.entry(name)
                    .or_default()
                    .push((type_name.to_owned(), schema));
            }
        }
        let count = registry.types().count();
        let merged = all.into_iter().map(|(name, schemas)| {
            let docs = description_of(&schemas, count);
            let mut variants: Vec<Json> = Vec::new();
            for (_, schema) in schemas {
                let checks = without_annotations(&schema);
                if !variants.contains(&checks) {
                    variants.push(checks);
                }
            }
            let mut schema = match <[Json; 1]>::try_from(variants) {
                Ok([only]) => keywords(only),
                Err(variants) => keywords(json!({ "anyOf": variants })),
            };
            put_description(&mut schema, docs);
            (name, Json::Object(schema))
        });
        merged.collect()
    }

    fn defaults(&mut self, registry: &TypeRegistry) -> Json {
        let mut all = self.of_any_type(registry);
        for (type_name, description) in registry.types() {
            let mut schema = object(
                self.properties(description, |name| name != "name"),
                Vec::new(),
                description.ignores_extra_keys(),
            );
            schema.insert(
                "description".to_owned(),
                json!(format!(
                    "Options for every {type_name} of this file that does not set them itself."
                )),
            );
            all.insert(type_name.to_owned(), Json::Object(schema));
        }
        let mut schema = object(all, Vec::new(), false);
        schema.insert(
            "description".to_owned(),
            json!("Options for every driver of this file that does not set them itself."),
        );
        Json::Object(schema)
    }

    fn properties(
        &mut self,
        description: &ConfigDescription,
        wanted: impl Fn(&str) -> bool,
    ) -> Map<String, Json> {
        description
            .options()
            .iter()
            .filter(|option| !option.is_code_only() && wanted(option.name()))
            .map(|option| (option.name().to_owned(), self.property(option)))
            .collect()
    }

    fn property(&mut self, option: &OptionDescription) -> Json {
        let mut schema = match self.of_kind(option.kind(), option.constraints()) {
            Json::Object(schema) => schema,
            // `true`, which takes no keywords.
            _ => Map::new(),
        };
        describe(&mut schema, &option.plain_docs());
        if let Some(default) = option.default_value().filter(|default| !default.is_null()) {
            schema.insert("default".to_owned(), json!(default));
        }
        if !option.examples().is_empty() {
            schema.insert("examples".to_owned(), json!(option.examples()));
        }
        if option.is_inherited() {
            schema.insert("x-inherited".to_owned(), json!(true));
            let docs = match schema.get("description") {
                Some(Json::String(docs)) => format!("{docs}\n\n{INHERITED}"),
                _ => INHERITED.to_owned(),
            };
            schema.insert("description".to_owned(), json!(docs));
        }
        // Descriptions first: people read the file, too.
        let mut ordered = Map::new();
        if let Some(description) = schema.shift_remove("description") {
            ordered.insert("description".to_owned(), description);
        }
        ordered.extend(schema);
        Json::Object(ordered)
    }

    fn of_kind(&mut self, kind: &Kind, constraints: &[Constraint]) -> Json {
        let mut schema = match kind {
            Kind::Any => Map::new(),
            // A file has neither.
            Kind::Null | Kind::Code => return json!(false),
            Kind::Bool => keywords(json!({ "type": "boolean" })),
            Kind::Int { min, max } => {
                let mut schema = keywords(json!({ "type": "integer" }));
                if let Some(min) = min.filter(|min| *min != i64::MIN) {
                    schema.insert("minimum".to_owned(), json!(min));
                }
                if let Some(max) = max.filter(|max| *max != i64::MAX) {
                    schema.insert("maximum".to_owned(), json!(max));
                }
                schema
            }
            Kind::Float => keywords(json!({ "type": "number" })),
            Kind::String | Kind::Template | Kind::Path | Kind::PathTemplate | Kind::Pattern => {
                keywords(json!({ "type": "string" }))
            }
            Kind::OneOf(texts) => keywords(json!({ "enum": texts })),
            Kind::Duration => keywords(json!({
                "type": ["string", "number"],
                "minimum": 0,
                "exclusiveMaximum": LONGEST_DURATION,
                "pattern": duration::pattern(),
            })),
            Kind::Port => keywords(json!({
                "type": ["integer", "string"],
                "minimum": 0,
                "maximum": 65535,
                "pattern": PORT_PATTERN,
            })),
            Kind::Context => keywords(context_value()),
            Kind::List(item) => {
                keywords(json!({ "type": "array", "items": self.of_kind(item, &[]) }))
            }
            Kind::Tuple(kinds) => {
                let items: Vec<Json> = kinds.iter().map(|kind| self.of_kind(kind, &[])).collect();
                keywords(json!({
                    "type": "array",
                    "prefixItems": items,
                    "minItems": kinds.len(),
                    "maxItems": kinds.len(),
                }))
            }
            Kind::Map(item) => keywords(json!({
                "type": "object",
                "additionalProperties": self.of_kind(item, &[]),
            })),
            Kind::Union(_) => return self.of_union(kind, constraints),
            Kind::Lazy(kind) => return self.of_lazy(*kind, constraints),
            Kind::Nested(description) => return self.table(description),
            // The loader checks a kind that this does not know.
            _ => Map::new(),
        };
        for constraint in constraints {
            self.constrain(&mut schema, kind, constraint);
        }
        Json::Object(schema)
    }

    /// A value of one of several kinds. One schema says so where it can, and not a choice of
    /// schemas: of that one only learns that nothing in it fits.
    fn of_union(&mut self, union: &Kind, constraints: &[Constraint]) -> Json {
        let mut tables = Vec::new();
        let mut others: Vec<Json> = Vec::new();
        for kind in union.variants() {
            match &kind {
                Kind::Null | Kind::Code => {}
                Kind::Nested(description) => tables.push(description.clone()),
                kind => {
                    let schema = self.of_kind(kind, constraints);
                    if !others.contains(&schema) {
                        others.push(schema);
                    }
                }
            }
        }
        if tables.len() == 1 {
            others.extend(tables.drain(..).map(|table| self.table(&table)));
        } else if !tables.is_empty() {
            others.push(self.tables(&tables));
        }
        let mut merged: Vec<Json> = Vec::new();
        for schema in others {
            match merged.last_mut().and_then(|last| merge(last, &schema)) {
                Some(both) => *merged.last_mut().expect("it was merged with the last") = both,
                None => merged.push(schema),
            }
        }
        match <[Json; 1]>::try_from(merged) {
            Ok([only]) => only,
            Err(none) if none.is_empty() => json!(false),
            Err(variants) => json!({ "anyOf": variants }),
        }
    }

    fn table(&mut self, description: &ConfigDescription) -> Json {
        Json::Object(object(
            self.properties(description, |_| true),
            required(description),
            description.ignores_extra_keys(),
        ))
    }

    /// One of several tables: which one, the first key that it must have shows.
    fn tables(&mut self, descriptions: &[ConfigDescription]) -> Json {
        let variants = descriptions.iter().map(|description| {
            let required = required(description);
            Variant {
                label: None,
                condition: json!({ "required": required.iter().take(1).collect::<Vec<_>>() }),
                properties: self.properties(description, |_| true),
                is_open: description.ignores_extra_keys(),
                required,
            }
        });
        let mut schema = alternatives(variants.collect());
        schema.insert("minProperties".to_owned(), json!(1));
        Json::Object(schema)
    }

    /// A type that contains itself is defined once, and named wherever it is.
    fn of_lazy(&mut self, lazy: LazyKind, constraints: &[Constraint]) -> Json {
        if !lazy.contains_itself() {
            return self.of_kind(&lazy.get(), constraints);
        }
        let name = match self.types.get(lazy.type_name()) {
            Some(name) => name.clone(),
            None => {
                let path = lazy.type_name();
                let short = path.rsplit("::").next().unwrap_or(path).to_lowercase();
                let is_taken = self.types.values().any(|taken| *taken == short)
                    || self.definitions.contains_key(&short);
                let name = if is_taken {
                    path.replace("::", ".")
                } else {
                    short
                };
                self.types.insert(path, name.clone());
                let schema = self.of_kind(&lazy.get(), &[]);
                self.definitions.insert(name.clone(), schema);
                name
            }
        };
        json!({ "$ref": format!("#/$defs/{name}") })
    }

    /// Adds what JSON Schema can say of the constraint.
    fn constrain(&mut self, schema: &mut Map<String, Json>, kind: &Kind, constraint: &Constraint) {
        let mut set = |keyword: &str, value: Json| drop(schema.insert(keyword.to_owned(), value));
        match constraint {
            Constraint::Range { min, max } => {
                let is_number = matches!(kind, Kind::Int { .. } | Kind::Float | Kind::Any);
                let mut bound = |value: &Value, keyword: &str| {
                    if is_number && value.as_float().is_some() {
                        set(keyword, json!(value));
                    }
                };
                match min {
                    Bound::Included(min) => bound(min, "minimum"),
                    Bound::Excluded(min) => bound(min, "exclusiveMinimum"),
                    Bound::Unbounded => {}
                }
                match max {
                    Bound::Included(max) => bound(max, "maximum"),
                    Bound::Excluded(max) => bound(max, "exclusiveMaximum"),
                    Bound::Unbounded => {}
                }
            }
            // A duration has many spellings of the same value.
            Constraint::OneOf(values) if !matches!(kind, Kind::Duration | Kind::Port) => {
                set("enum", json!(values));
            }
            Constraint::NoneOf(values) if !matches!(kind, Kind::Duration | Kind::Port) => {
                set("not", json!({ "enum": values }));
            }
            Constraint::NonEmpty => match kind {
                _ if is_text(kind) => set("minLength", json!(1)),
                Kind::List(_) => set("minItems", json!(1)),
                Kind::Map(_) => set("minProperties", json!(1)),
                _ => {}
            },
            Constraint::Matches(_) | Constraint::Check(_) if is_text(kind) => {
                if let Some(pattern) = constraint.pattern() {
                    set("pattern", json!(pattern));
                }
            }
            Constraint::Keys(rule) if matches!(kind, Kind::Map(_)) => {
                let mut names = Map::new();
                self.constrain(&mut names, &Kind::String, rule);
                set("propertyNames", Json::Object(names));
            }
            Constraint::Each(rule) => {
                let (keyword, item) = match kind {
                    Kind::List(item) => ("items", item),
                    Kind::Map(item) => ("additionalProperties", item),
                    _ => return,
                };
                set(keyword, self.of_kind(item, std::slice::from_ref(rule)));
            }
            _ => {}
        }
    }
}

fn context() -> Json {
    json!({
        "description": "Values that templates read below `context`, as `{{ context.stage }}`; those of a table as if a driver of that name published them.",
        "type": "object",
    })
}

fn after() -> Json {
    json!({
        "description": "The drivers that are up before this one starts, by name. Drivers whose context it reads need not be named.",
        "type": ["array", "string"],
        "items": { "type": "string" },
    })
}

fn object(properties: Map<String, Json>, required: Vec<String>, open: bool) -> Map<String, Json> {
    let mut schema = Map::new();
    schema.insert("type".to_owned(), json!("object"));
    schema.insert("properties".to_owned(), Json::Object(properties));
    if !required.is_empty() {
        schema.insert("required".to_owned(), json!(required));
    }
    if !open {
        schema.insert("additionalProperties".to_owned(), unknown_key());
    }
    schema
}

/// What a key that means nothing may have as its value: nothing at all. It is said so that the
/// report of it is at the key; a mere `false` would have the whole table reported.
fn unknown_key() -> Json {
    json!({ "allOf": [false] })
}

fn required(description: &ConfigDescription) -> Vec<String> {
    description
        .options()
        .iter()
        .filter(|option| option.is_required() && !option.is_code_only())
        .map(|option| option.name().to_owned())
        .collect()
}

const INHERITED: &str = "Inherited: a driver that does not set it has the environment's value.";

fn describe(schema: &mut Map<String, Json>, docs: &str) {
    if !docs.is_empty() {
        schema.insert("description".to_owned(), json!(unwrap_lines(docs)));
    }
}

/// Editors show line breaks: joins the lines of each paragraph.
fn unwrap_lines(docs: &str) -> String {
    let paragraphs: Vec<String> = docs
        .split("\n\n")
        .map(|paragraph| {
            let is_list = paragraph.trim_start().starts_with(['-', '*', '`', '|']);
            match is_list {
                true => paragraph.trim().to_owned(),
                false => paragraph.split_whitespace().collect::<Vec<_>>().join(" "),
            }
        })
        .collect();
    paragraphs.join("\n\n")
}

fn first_paragraph(docs: &str) -> String {
    unwrap_lines(docs.split("\n\n").next().unwrap_or_default())
}

fn keywords(schema: Json) -> Map<String, Json> {
    match schema {
        Json::Object(schema) => schema,
        _ => Map::new(),
    }
}

fn is_text(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::String | Kind::Template | Kind::Path | Kind::PathTemplate | Kind::Pattern
    )
}
