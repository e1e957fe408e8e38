//! The protocol as a JSON Schema, and as the reference page of its methods.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};
use standin::config::{self, OptionValue};

use super::client::PROTOCOL;
use super::events::{EVENTS, EventKind};
use super::field::{Field, Kind};
use super::method::Method;
use super::methods::all;

/// Returns the JSON Schema of a line, in either direction: a request, an answer or an event.
pub fn protocol_schema() -> Value {
    let reference = |name: &str| json!({ "$ref": format!("#/$defs/{name}") });
    let requests: Vec<_> = all().map(request).collect();
    let results: Map<_, _> = all()
        .map(|method| (method.name.to_owned(), object(method.result)))
        .collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A line of the protocol of `standin serve`",
        "description": format!(
            "Version {PROTOCOL}. The client writes requests, the service answers and events."
        ),
        "anyOf": [reference("request"), reference("answer"), reference("event")],
        "$defs": {
            "request": { "oneOf": requests },
            "answer": {
                "type": "object",
                "description": "The answer to the request of the same id.",
                "properties": {
                    "id": { "type": ["integer", "string", "null"] },
                    "result": { "type": "object", "description": "See `results`." },
                    "error": reference("error"),
                },
                "required": ["id"],
                "oneOf": [{ "required": ["result"] }, { "required": ["error"] }],
                "additionalProperties": false,
            },
            "error": error(),
            "event": {
                "type": "object",
                "description": "Something that has happened. New events and keys may be added.",
                "properties": { "event": { "type": "string" } },
                "required": ["event"],
                "allOf": EVENTS.iter().map(event).collect::<Vec<_>>(),
            },
            "results": { "description": "The result by method.", "$defs": results },
            "data": data(),
            "framing": framing(),
            "fault": option(&<standin::Fault as OptionValue>::kind()),
            "link": option(&<standin::Link as OptionValue>::kind()),
            "place": {
                "type": "object",
                "description": "The line of the test that asks, which transcripts show.",
                "properties": {
                    "file": { "type": "string" },
                    "line": { "type": "integer", "minimum": 0, "maximum": u32::MAX },
                },
                "required": ["file", "line"],
                "additionalProperties": false,
            },
            "connection": {
                "type": "object",
                "properties": {
                    "driver": { "type": "string" },
                    "index": { "type": "integer", "minimum": 0 },
                    "local": { "type": "string" },
                    "peer": { "type": "string" },
                },
                "required": ["driver", "index", "local", "peer"],
            },
        },
    })
}

fn event(event: &EventKind) -> Value {
    let mut keys = object(event.fields);
    keys["description"] = json!(event.doc);
    json!({ "if": { "properties": { "event": { "const": event.name } } }, "then": keys })
}

fn request(method: &Method) -> Value {
    let mut parameters = object(method.parameters);
    parameters["additionalProperties"] = json!(false);
    let mut required = vec!["id", "method"];
    if method.parameters.iter().any(|field| field.is_required) {
        required.push("params");
    }
    json!({
        "type": "object",
        "description": method.doc,
        "properties": {
            "id": { "type": ["integer", "string"] },
            "method": { "const": method.name },
            "params": parameters,
            "place": { "$ref": "#/$defs/place" },
        },
        "required": required,
        "additionalProperties": false,
    })
}

fn object(fields: &[Field]) -> Value {
    let properties: Map<_, _> = fields
        .iter()
        .map(|field| {
            let mut schema = field.kind.schema();
            schema["description"] = json!(field.doc);
            (field.name.to_owned(), schema)
        })
        .collect();
    let required = fields.iter().filter(|field| field.is_required);
    let required: Vec<_> = required.map(|field| field.name).collect();
    json!({ "type": "object", "properties": properties, "required": required })
}

fn error() -> Value {
    let text = |doc: &str| json!({ "type": "string", "description": doc });
    let maybe = |doc: &str| json!({ "type": ["string", "null"], "description": doc });
    let flag = |doc: &str| json!({ "type": "boolean", "description": doc });
    json!({
        "type": "object",
        "properties": {
            "code": maybe("What went wrong, for programs: `standin::socket::receive_timed_out`."),
            "message": text("What went wrong, for people."),
            "help": maybe("What can be done about it."),
            "report": text("The full report, in several lines, as a failing test shows it."),
            "timed_out": flag("Whether a time limit was exceeded."),
            "peer_closed": flag("Whether the peer has closed its end and all was received."),
            "unmet": flag("Whether something expected has not happened, and nothing else failed."),
            "transcript": {
                "type": "array",
                "items": { "type": "string" },
                "description": "What was recorded last of the driver that the request names.",
            },
        },
        "required": [
            "code", "message", "help", "report", "timed_out", "peer_closed", "unmet", "transcript"
        ],
    })
}

fn data() -> Value {
    let one = |key: &str, doc: &str| {
        json!({
            "type": "object",
            "properties": { key: { "type": "string", "description": doc } },
            "required": [key],
            "additionalProperties": false,
        })
    };
    json!({
        "description": "Bytes.",
        "oneOf": [
            one("text", "A text, which is bytes in the encoding of the connection, or in UTF-8."),
            one("base64", "Base64 with its padding, by the usual alphabet (RFC 4648, section 4)."),
        ],
    })
}

fn framing() -> Value {
    let one = |key: &str, value: Value| {
        json!({
            "type": "object",
            "properties": { key: value },
            "required": [key],
            "additionalProperties": false,
        })
    };
    let length = json!({
        "type": "object",
        "properties": {
            "width": { "enum": [1, 2, 4, 8], "description": "How many bytes the length has." },
            "endian": { "enum": ["big", "little"], "default": "big" },
            "counts_itself": { "type": "boolean", "default": false },
            "limit": {
                "type": "integer",
                "minimum": 0,
                "description": "The largest payload, in bytes. Default: 16 MiB.",
            },
        },
        "required": ["width"],
        "additionalProperties": false,
    });
    json!({
        "description": "How a stream is cut into frames.",
        "oneOf": [
            { "const": "lines" },
            one("delimiter", json!({ "$ref": "#/$defs/data" })),
            one("fixed_size", json!({ "type": "integer", "minimum": 1 })),
            one("length_prefix", length),
        ],
    })
}

/// The values of an option in a file, as far as their types say.
fn option(kind: &config::Kind) -> Value {
    match kind {
        config::Kind::Bool => json!({ "type": "boolean" }),
        config::Kind::Int { min, .. } => match min {
            Some(min) => json!({ "type": "integer", "minimum": min }),
            None => json!({ "type": "integer" }),
        },
        config::Kind::Float => json!({ "type": "number" }),
        config::Kind::String => json!({ "type": "string" }),
        config::Kind::OneOf(texts) => json!({ "enum": texts }),
        config::Kind::Duration => json!({ "type": ["string", "number"] }),
        config::Kind::Map(kind) => {
            json!({ "type": "object", "additionalProperties": option(kind) })
        }
        config::Kind::Lazy(kind) => option(&kind.get()),
        config::Kind::Union(kinds) => {
            json!({ "anyOf": kinds.iter().map(option).collect::<Vec<_>>() })
        }
        config::Kind::Nested(table) => {
            let options = table.options().iter().map(|of| {
                let mut schema = option(of.kind());
                schema["description"] = json!(of.docs());
                (of.name().to_owned(), schema)
            });
            let required = table.options().iter().filter(|option| option.is_required());
            let required: Vec<_> = required.map(|option| option.name()).collect();
            json!({
                "type": "object",
                "properties": Value::Object(options.collect()),
                "required": required,
                "additionalProperties": false,
            })
        }
        _ => json!({}),
    }
}

impl Kind {
    fn schema(self) -> Value {
        let texts = || json!({ "type": "array", "items": { "type": "string" } });
        match self {
            Kind::Text => json!({ "type": "string" }),
            Kind::MaybeText => json!({ "type": ["string", "null"] }),
            Kind::TextMap => {
                json!({ "type": "object", "additionalProperties": { "type": "string" } })
            }
            Kind::Texts => texts(),
            Kind::Choice(choices) => json!({ "enum": choices }),
            Kind::Count => json!({ "type": "integer", "minimum": 0 }),
            Kind::Id => json!({ "type": ["integer", "string"] }),
            Kind::Seconds | Kind::Milliseconds => json!({ "type": "number", "minimum": 0 }),
            Kind::Limit => json!({ "type": ["number", "null"], "minimum": 0 }),
            Kind::Flag => json!({ "type": "boolean" }),
            Kind::Data => json!({ "$ref": "#/$defs/data" }),
            Kind::MaybeData => {
                json!({ "anyOf": [{ "$ref": "#/$defs/data" }, { "type": "null" }] })
            }
            Kind::Framing => json!({ "$ref": "#/$defs/framing" }),
            Kind::Fault => json!({ "$ref": "#/$defs/fault" }),
            Kind::Links => json!({
                "anyOf": [
                    { "$ref": "#/$defs/link" },
                    { "type": "array", "items": { "$ref": "#/$defs/link" } },
                ],
            }),
            Kind::Connection => json!({ "$ref": "#/$defs/connection" }),
            Kind::Object => json!({ "type": "object" }),
            Kind::Drivers => json!({
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "name": { "type": "string" },
                        "type": { "type": ["string", "null"] },
                        "status": { "type": "string" },
                    },
                    "required": ["name", "type", "status"],
                },
            }),
        }
    }
}

/// Returns the reference page of all methods, in Markdown.
pub fn protocol_page() -> String {
    let mut page = String::from(
        "# Methods of the protocol\n\nWhat a client of `standin serve` can ask for; \
         [Protocol](protocol.md) says how.\n",
    );
    for method in all() {
        // Writing to a text does not fail.
        let _ = write!(page, "\n## {}\n\n{}\n", method.name, wrapped(method.doc));
        table(&mut page, "parameter", method.parameters);
        table(&mut page, "result", method.result);
    }
    page.push_str("\n# Events\n\nWhat a client hears without having asked.\n");
    for event in EVENTS {
        let _ = write!(page, "\n## {}\n\n{}\n", event.name, event.doc);
        table(&mut page, "key", event.fields);
    }
    page
}

fn table(page: &mut String, heading: &str, fields: &[Field]) {
    if fields.is_empty() {
        return;
    }
    let _ = write!(
        page,
        "\n| {heading} | what it is | |\n| --- | --- | --- |\n"
    );
    for field in fields {
        let kind = field.kind.describe().replace('|', "\\|");
        let presence = match field.is_required {
            true => "",
            false => ", optional",
        };
        let _ = writeln!(
            page,
            "| `{}` | {kind}{presence} | {} |",
            field.name, field.doc
        );
    }
}

/// The text in lines of at most 100 characters.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines
            .last_mut()
            .filter(|line| line.len() + word.len() < 100);
        match line {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}
