//! JSON Schemas (draft 2020-12) of environment files and of driver types.
//!
//! The schemas say all that JSON Schema can say of the options, so that editors complete and
//! check. They cannot know which names other parts of the file use, whether a regular expression
//! or a template parses, how long a duration is, or what a check in code says; the loader does.

use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;

use schemars::Schema;
use serde_json::{Map, Value as Json, json};

use crate::docs::without_item_links;
use crate::file::keys::{AFTER, DEFAULTS, DRIVER, TYPE};
use crate::kind::{Kind, LazyKind};
use crate::option::{OptionDescription, Source};
use crate::{ConfigDescription, Constraint, TypeRegistry, Value};

/// The schema of whole environment files.
///
/// ```
/// # use standin_config::{ConfigDescription, Kind, OptionDescription, TypeRegistry, schema};
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
    for (name, description) in registry.types() {
        let driver = writer.driver(name, description);
        writer.definitions.insert(name.to_owned(), driver);
    }
    let mut properties = writer.properties(registry.environment(), |_| true);
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
    describe(&mut schema, registry.environment().docs());
    finish(schema, writer.definitions)
}

/// The schema of one driver's table; `None` when the config has no type name.
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

fn context_value() -> Json {
    json!({
        "title": "context value",
        "description": "A template over the context of another driver, filled in when this driver starts.",
        "type": "object",
        "properties": {
            "driver": {
                "description": "The name of the driver whose context is read.",
                "type": "string",
                "minLength": 1,
            },
            "value": {
                "description": "The template, such as `{{ host }}:{{ port }}`.",
                "type": "string",
            },
        },
        "required": ["driver", "value"],
        "additionalProperties": false,
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
            json!({ "description": first_paragraph(description.docs()), "const": type_name }),
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
        describe(&mut schema, description.docs());
        Json::Object(schema)
    }

    /// A driver of any type.
    ///
    /// Which type it is of decides, by conditions: an alternative of all types would
    /// answer a mistake with "none of them fits". Editors that do not look into
    /// conditions complete from the properties, which are those of all types.
    fn any_driver(&mut self, registry: &TypeRegistry) -> Json {
        let names: Vec<&str> = registry.types().map(|(name, _)| name).collect();
        if names.is_empty() {
            return json!(false);
        }
        let mut all = Map::new();
        all.insert(
            TYPE.to_owned(),
            json!({ "description": "What sort of driver it is.", "type": "string", "enum": names }),
        );
        all.insert(AFTER.to_owned(), after());
        all.extend(self.of_any_type(registry, |_| true));
        let mut schema = object(all, vec![TYPE.to_owned(), "name".to_owned()], true);
        let mut conditions = Map::new();
        for name in names.iter().rev() {
            let mut condition = Map::new();
            condition.insert(
                "if".to_owned(),
                json!({ "properties": { TYPE: { "const": name } }, "required": [TYPE] }),
            );
            condition.insert(
                "then".to_owned(),
                json!({ "$ref": format!("#/$defs/{name}") }),
            );
            if !conditions.is_empty() {
                condition.insert("else".to_owned(), Json::Object(conditions));
            }
            conditions = condition;
        }
        schema.extend(conditions);
        Json::Object(schema)
    }

    /// The options of all types together. One that types declare differently may
    /// fit any of the declarations.
    fn of_any_type(
        &mut self,
        registry: &TypeRegistry,
        is_wanted: impl Fn(&OptionDescription) -> bool,
    ) -> Map<String, Json> {
        let mut all: Map<String, Json> = Map::new();
        let mut seen: BTreeSet<(String, String)> = BTreeSet::new();
        for (_, description) in registry.types() {
            for option in description.options() {
                let declaration = (option.name().to_owned(), option.declared_in().to_owned());
                if option.is_code_only() || !is_wanted(option) || !seen.insert(declaration) {
                    continue;
                }
                let schema = self.property(option);
                match all.get_mut(option.name()) {
                    None => drop(all.insert(option.name().to_owned(), schema)),
                    Some(Json::Object(known)) => {
                        let is_choice = known.len() == 1;
                        match known.get_mut("anyOf") {
                            Some(Json::Array(variants)) if is_choice => variants.push(schema),
                            _ => {
                                let first = Json::Object(std::mem::take(known));
                                known.insert("anyOf".to_owned(), json!([first, schema]));
                            }
                        }
                    }
                    Some(_) => {}
                }
            }
        }
        all
    }

    fn defaults(&mut self, registry: &TypeRegistry) -> Json {
        let is_default = |option: &OptionDescription| option.name() != "name";
        let mut all = self.of_any_type(registry, is_default);
        for (type_name, description) in registry.types() {
            let mut schema = object(
                self.properties(description, is_default),
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
        wanted: impl Fn(&OptionDescription) -> bool,
    ) -> Map<String, Json> {
        description
            .options()
            .iter()
            .filter(|option| !option.is_code_only() && wanted(option))
            .map(|option| (option.name().to_owned(), self.property(option)))
            .collect()
    }

    fn property(&mut self, option: &OptionDescription) -> Json {
        let mut schema = match self.of_kind(option.kind(), option.constraints()) {
            Json::Object(schema) => schema,
            // `true`, which takes no keywords.
            _ => Map::new(),
        };
        describe(&mut schema, option.docs());
        if let Source::Default(default) | Source::InheritedOr(default) = option.source()
            && let Some(default) = default.value().filter(|default| !default.is_null())
        {
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
                "pattern": "^\\s*\\+?[0-9]",
            })),
            Kind::Port => keywords(json!({
                "type": ["integer", "string"],
                "minimum": 0,
                "maximum": 65535,
                "pattern": "^\\s*[^\\s-]\\S*\\s*$",
            })),
            Kind::Context => {
                let shared = self.definitions.entry("context-value");
                shared.or_insert_with(context_value);
                return json!({ "$ref": "#/$defs/context-value" });
            }
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
            Kind::Union(kinds) => {
                let mut solid = kinds.iter().filter(|kind| !matches!(kind, Kind::Null));
                return match (solid.next(), solid.next()) {
                    (None, _) => json!(false),
                    (Some(only), None) => self.of_kind(only, constraints),
                    _ => {
                        let variants: Vec<Json> = kinds
                            .iter()
                            .filter(|kind| !matches!(kind, Kind::Null))
                            .map(|kind| self.of_kind(kind, constraints))
                            .collect();
                        json!({ "anyOf": variants })
                    }
                };
            }
            Kind::Lazy(kind) => return self.of_lazy(*kind, constraints),
            Kind::Nested(description) => object(
                self.properties(description, |_| true),
                required(description),
                description.ignores_extra_keys(),
            ),
        };
        for constraint in constraints {
            self.constrain(&mut schema, kind, constraint);
        }
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

fn after() -> Json {
    json!({
        "description": "The drivers that are up before this one starts, by name. Drivers whose context it reads need not be named.",
        "anyOf": [
            { "type": "array", "items": { "type": "string" } },
            { "type": "string" },
        ],
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
        schema.insert("additionalProperties".to_owned(), json!(false));
    }
    schema
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
    let paragraphs: Vec<String> = without_item_links(docs)
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
