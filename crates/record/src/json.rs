//! A transcript as JSON, and its schema.

use std::time::{Duration, SystemTime};

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::{Value, json};

use crate::event::{By, Event, Piece};
use crate::shown::day;
use crate::transcript::{
    Conversation, Line, Peers, Probe, ProgramEnd, Record, Setting, Step, Story, Transcript,
};

/// The version of the written format. It changes when a reader of the previous one would misread
/// it.
const VERSION: u32 = 1;

impl Transcript {
    /// Returns the transcript as JSON, on one line; [`json_schema`] describes it. Times are
    /// nanoseconds since the beginning. Bytes are in hex, and also as text where they are UTF-8.
    /// Secrets for decryption are not in it.
    pub fn to_json(&self) -> String {
        // Writing to memory does not fail, and all keys are texts.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Serialize for Transcript {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let peers = Peers::of(self);
        let conversations = self.conversations.iter();
        let connections = conversations.map(|conversation| Named(conversation, &peers));
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("version", &VERSION)?;
        map.serialize_entry("name", &self.name)?;
        map.serialize_entry("started", &started(self.started))?;
        map.serialize_entry("taken", &nanos(self.taken))?;
        map.serialize_entry("forgotten", &self.forgotten)?;
        map.serialize_entry("drivers", &self.drivers)?;
        map.serialize_entry("connections", &List(connections))?;
        map.end()
    }
}

fn started(time: SystemTime) -> Option<String> {
    day(time)
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Anything that can be gone through, as a list.
struct List<I>(I);

impl<I: Iterator<Item: Serialize> + Clone> Serialize for List<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for item in self.0.clone() {
            list.serialize_element(&item)?;
        }
        list.end()
    }
}

/// A connection with the name of the other end.
struct Named<'c>(&'c Conversation, &'c Peers<'c>);

impl Serialize for Named<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(conversation, peers) = self;
        let dropped = conversation.dropped;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("driver", &*conversation.driver)?;
        map.serialize_entry("index", &conversation.index)?;
        map.serialize_entry("local", &conversation.local.to_string())?;
        map.serialize_entry("peer", &conversation.peer.to_string())?;
        if let Some(name) = peers.name(conversation) {
            map.serialize_entry("peer_name", name)?;
        }
        if dropped.records > 0 {
            let dropped = json!({
                "records": dropped.records, "sent": dropped.sent, "received": dropped.received
            });
            map.serialize_entry("dropped", &dropped)?;
        }
        map.serialize_entry("records", &conversation.records)?;
        map.end()
    }
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("at", &nanos(self.at))?;
        let by = |by: &By| match by {
            By::Us => "us",
            By::Peer => "peer",
        };
        match &self.event {
            Event::Connected => map.serialize_entry("event", "connected")?,
            Event::Accepted => map.serialize_entry("event", "accepted")?,
            Event::Sent(piece) => bytes(&mut map, "sent", piece)?,
            Event::Received(piece) => bytes(&mut map, "received", piece)?,
            Event::HalfClosed(who) => {
                map.serialize_entry("event", "half-closed")?;
                map.serialize_entry("by", by(who))?;
            }
            Event::Reset(who) => {
                map.serialize_entry("event", "reset")?;
                map.serialize_entry("by", by(who))?;
            }
            Event::Closed(who) => {
                map.serialize_entry("event", "closed")?;
                map.serialize_entry("by", by(who))?;
            }
            Event::DeadlinePassed { after, wanted } => {
                map.serialize_entry("event", "deadline-passed")?;
                map.serialize_entry("after", &nanos(*after))?;
                map.serialize_entry("text", wanted)?;
            }
            Event::Fault(text) => said(&mut map, "fault", text)?,
            Event::Met(text) => said(&mut map, "met", text)?,
            Event::Unmet(text) => said(&mut map, "unmet", text)?,
            Event::Note(text) => said(&mut map, "note", text)?,
        }
        if let Some(place) = self.place {
            map.serialize_entry("file", place.file())?;
            map.serialize_entry("line", &place.line())?;
        }
        map.end()
    }
}

fn said<M: SerializeMap>(map: &mut M, event: &str, text: &str) -> Result<(), M::Error> {
    map.serialize_entry("event", event)?;
    map.serialize_entry("text", text)
}

fn bytes<M: SerializeMap>(map: &mut M, event: &str, piece: &Piece) -> Result<(), M::Error> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = piece.kept.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let hex: String = digits
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect();
    map.serialize_entry("event", event)?;
    map.serialize_entry("length", &piece.length)?;
    map.serialize_entry("hex", &hex)?;
    match std::str::from_utf8(&piece.kept) {
        Ok(text) => map.serialize_entry("text", text),
        Err(_) => Ok(()),
    }
}

impl Serialize for Story {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &*self.name)?;
        map.serialize_entry("kind", &self.kind)?;
        map.serialize_entry("waits_for", &self.waits_for)?;
        map.serialize_entry("options", &self.settings)?;
        map.serialize_entry("steps", &self.steps)?;
        map.serialize_entry("readiness", &self.probes)?;
        map.serialize_entry("log", &self.lines)?;
        if let Some(end) = &self.exit {
            map.serialize_entry("exit", end)?;
        }
        map.serialize_entry("dropped", &self.dropped)?;
        map.end()
    }
}

impl Serialize for Setting {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &self.name)?;
        map.serialize_entry("value", &self.value)?;
        map.serialize_entry("origin", &self.origin)?;
        map.end()
    }
}

impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &self.name)?;
        map.serialize_entry("at", &nanos(self.at))?;
        if let Some(took) = self.took {
            map.serialize_entry("took", &nanos(took))?;
        }
        if let Some(error) = &self.error {
            map.serialize_entry("error", error)?;
        }
        map.end()
    }
}

impl Serialize for Probe {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("condition", &self.condition)?;
        map.serialize_entry("first", &nanos(self.first))?;
        map.serialize_entry("last", &nanos(self.last))?;
        map.serialize_entry("count", &self.count)?;
        map.serialize_entry("answer", &self.answer)?;
        map.serialize_entry("is_met", &self.is_met)?;
        map.end()
    }
}

impl Serialize for ProgramEnd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("at", &nanos(self.at))?;
        map.serialize_entry("text", &self.how)?;
        map.serialize_entry("is_expected", &self.is_expected)?;
        map.end()
    }
}

impl Serialize for Line {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("at", &nanos(self.at))?;
        map.serialize_entry("log", &self.log)?;
        map.serialize_entry("text", &self.text)?;
        map.end()
    }
}

/// Returns the JSON Schema of [`Transcript::to_json`].
pub fn json_schema() -> Value {
    let record = |event: &str, more: Value| {
        let mut properties = json!({
            "event": { "const": event },
            "at": time("When it happened."),
            "file": text("The file of the test that asked for it."),
            "line": count("The line of that file."),
        });
        let mut required = vec![json!("event"), json!("at")];
        if let (Value::Object(properties), Value::Object(more)) = (&mut properties, more) {
            required.extend(
                more.keys()
                    .filter(|key| *key != "text?")
                    .map(|key| json!(key)),
            );
            properties.extend(more.into_iter().map(|(key, value)| match key.as_str() {
                "text?" => ("text".to_owned(), value),
                _ => (key, value),
            }));
        }
        object(properties, required)
    };
    let by = json!({ "by": { "enum": ["us", "peer"], "description": "Who did it." } });
    let bytes = json!({
        "length": count("How many bytes they were."),
        "hex": { "type": "string", "pattern": "^([0-9a-f]{2})*$",
            "description": "The first 512 of them." },
        "text?": text("The same as text, if it is UTF-8."),
    });
    let said = json!({ "text": text("What it was.") });
    let records = [
        record("connected", json!({})),
        record("accepted", json!({})),
        record("sent", bytes.clone()),
        record("received", bytes),
        record("half-closed", by.clone()),
        record("reset", by.clone()),
        record("closed", by),
        record(
            "deadline-passed",
            json!({ "after": time("How long it was waited for."), "text": text("What for.") }),
        ),
        record("fault", said.clone()),
        record("met", said.clone()),
        record("unmet", said.clone()),
        record("note", said),
    ];
    let connection = json!({
        "driver": text("The driver whose end it is."),
        "index": count("Its number among the connections of the driver."),
        "local": text("The address of this end."),
        "peer": text("The address of the other end."),
        "peer_name": text("Who is at the other end, if that is known."),
        "dropped": all_of(json!({
            "records": count("How many records."),
            "sent": count("How many bytes were sent by them."),
            "received": count("How many bytes were received by them."),
        })),
        "records": { "type": "array", "items": { "oneOf": records } },
    });
    let connection_required = ["driver", "index", "local", "peer", "records"];
    let step = json!({
        "name": text("Such as `starting`."),
        "at": time("When it began."),
        "took": time("How long it took; not there while it goes on."),
        "error": text("Why it failed."),
    });
    let driver = json!({
        "name": text("Its name."),
        "kind": text("What kind of driver it is."),
        "waits_for": list(text("The name of a driver."), "Whom its start waits for."),
        "options": list(all_of(json!({
            "name": text("The name of an option."),
            "value": text("Its value."),
            "origin": text("Where the value is from."),
        })), "Its options."),
        "steps": list(object(step, ["name", "at"].map(Value::from).into()), "Its life."),
        "readiness": list(all_of(json!({
            "condition": text("What has to be."),
            "first": time("When it was asked for the first time."),
            "last": time("When it was asked for the last time."),
            "count": count("How often it was asked."),
            "answer": text("The last answer."),
            "is_met": { "type": "boolean", "description": "Whether it was met then." },
        })), "The conditions of its readiness."),
        "log": list(all_of(json!({
            "at": time("When the line was seen."),
            "log": text("The name of the log."),
            "text": text("The line."),
        })), "Lines of its logs that matter."),
        "exit": all_of(json!({
            "at": time("When it ended."),
            "text": text("How it ended."),
            "is_expected": { "type": "boolean", "description": "Whether it should end like that." },
        })),
        "dropped": count("How many steps, conditions and lines were forgotten."),
    });
    let driver_required = [
        "name",
        "kind",
        "waits_for",
        "options",
        "steps",
        "readiness",
        "log",
        "dropped",
    ];
    let transcript = json!({
        "version": { "const": VERSION },
        "name": text("The name of the environment."),
        "started": { "type": ["string", "null"], "description": "When it began, in UTC." },
        "taken": time("When the transcript was taken."),
        "forgotten": count("How many connections were forgotten with all their records."),
        "drivers": list(object(driver, driver_required.map(Value::from).into()), "The drivers."),
        "connections": list(
            object(connection, connection_required.map(Value::from).into()),
            "The ends of connections that were recorded."
        ),
    });
    let mut schema = all_of(transcript);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("What happened in a test");
    schema["description"] = json!("Times are nanoseconds since the beginning.");
    schema
}

fn text(description: &str) -> Value {
    json!({ "type": "string", "description": description })
}

fn count(description: &str) -> Value {
    json!({ "type": "integer", "minimum": 0, "description": description })
}

fn time(description: &str) -> Value {
    count(description)
}

fn list(items: Value, description: &str) -> Value {
    json!({ "type": "array", "items": items, "description": description })
}

fn object(properties: Value, required: Vec<Value>) -> Value {
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

/// An object that has all of its properties.
fn all_of(properties: Value) -> Value {
    let names = properties
        .as_object()
        .into_iter()
        .flat_map(|map| map.keys());
    let required = names.map(|name| json!(name)).collect();
    object(properties, required)
}
