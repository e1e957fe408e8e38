//! Runs the recorded vectors of the area `driver`.
//!
//! `vectors/driver.json` holds what the reference did, `vectors/differences.json`
//! where and why we do something else; an entry there that does not differ any
//! more fails the test, and so does a difference without an entry.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test program: what goes wrong in it fails the test"
)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value, json};
use standin_config::{Config, Layer, Pattern, TypedOptions};
use standin_driver::{Driver, Lifecycle, match_regexps_in_file};
use standin_entity::{Check, Entity, Error, Status, default_root};

use support::{Stub, StubConfig, StubOptions, append};

fn load(text: &str) -> Value {
    serde_json::from_str(text).expect("the file is in the repository and has its format")
}

fn texts<'a>(list: &'a Value, key: &str) -> BTreeMap<&'a str, &'a str> {
    let entries = list[key].as_array().unwrap().iter();
    entries
        .map(|entry| {
            (
                entry["id"].as_str().unwrap(),
                entry["reason"].as_str().unwrap(),
            )
        })
        .collect()
}

#[test]
fn behaves_as_recorded() {
    let file = load(include_str!("vectors/driver.json"));
    let listed = load(include_str!("vectors/differences.json"));
    let vectors = file["vectors"].as_array().unwrap();
    assert_eq!(file["count"].as_u64(), Some(vectors.len() as u64));
    let (elsewhere, differences) = (texts(&listed, "elsewhere"), texts(&listed, "differences"));
    for (id, reason) in elsewhere.iter().chain(&differences) {
        let known = vectors.iter().any(|vector| vector["id"] == **id);
        assert!(
            known && reason.len() > 20,
            "{id}: unknown vector, or no reason"
        );
    }
    let mut mistakes = Vec::new();
    for vector in vectors {
        let id = vector["id"].as_str().unwrap();
        if elsewhere.contains_key(id) {
            continue;
        }
        let ours = listed["differences"].as_array().unwrap().iter();
        let ours = ours.clone().find(|entry| entry["id"] == id);
        let none = Value::Null;
        mistakes.extend(run(vector, ours.map_or(&none, |entry| &entry["steps"])));
    }
    println!(
        "driver: {} vectors, {} with deliberate differences, {} run elsewhere",
        vectors.len(),
        differences.len(),
        elsewhere.len()
    );
    assert!(
        mistakes.is_empty(),
        "{} mistakes:\n{}",
        mistakes.len(),
        mistakes.join("\n")
    );
}

fn run(vector: &Value, ours: &Value) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let mut runner = Runner {
        tmp: folder.path().to_str().unwrap().to_owned(),
        drivers: BTreeMap::new(),
        parents: Vec::new(),
    };
    let mut mistakes = Vec::new();
    for (index, step) in vector["steps"].as_array().unwrap().iter().enumerate() {
        let op = step["op"].as_str().unwrap();
        let place = format!("{} step {index} ({op}): {}", vector["id"], vector["title"]);
        let got = runner.step(op, step);
        let wanted = step.get("correct").unwrap_or(&step["expect"]);
        let listed = ours.get(index.to_string());
        if listed == Some(wanted) {
            mistakes.push(format!("{place}\n  the listed difference is none"));
        }
        let wanted = runner.filled(listed.unwrap_or(wanted));
        if got != wanted {
            mistakes.push(format!("{place}\n  wanted {wanted}\n  got    {got}"));
        }
    }
    mistakes
}

/// The one table from our errors to the recorded categories.
fn category(error: &Error) -> Value {
    let shown = format!("{error:?}");
    let has = |code: &str| shown.contains(&format!("code: standin::{code}"));
    let category = match () {
        () if shown.contains("os error 2)") => {
            return json!({"error": {"category": "file_not_found", "errno": "ENOENT"}});
        }
        () if has("entity::runpath_is_file") => {
            return json!({"error": {"category": "file_exists", "errno": "EEXIST"}});
        }
        () if has("entity::runpath_foreign") => "invalid_argument",
        () if has("entity::start_timeout") => "timeout",
        () if has("entity::start_aborted") => "aborted",
        () if has("driver::extract_not_text") => "decode_error",
        () if has("driver::no_log") || has("driver::log_pattern") => "config_invalid_value",
        () if has("driver::install_not_a_file") => "invalid_argument",
        () if has("driver::no_install_target") => "not_implemented",
        () if has("driver::install_template") => "generic",
        () if has("config::") => "config_invalid_value",
        () if shown.contains("os error ") => "os_error",
        () => return json!({"error": error.to_string()}),
    };
    json!({"error": {"category": category}})
}

struct Runner {
    tmp: String,
    drivers: BTreeMap<String, Stub>,
    /// Kept alive: a driver knows its parent, and not the other way round.
    parents: Vec<Entity>,
}

impl Runner {
    fn step(&mut self, op: &str, step: &Value) -> Value {
        let args = match step.get("args") {
            Some(args) => self.filled(args).as_object().unwrap().clone(),
            None => Map::new(),
        };
        let done = match (op.split_once('.'), step.get("on")) {
            (Some(("fs", op)), _) => self.file(op, &args),
            (Some(("driver", "new")), _) => self.new_driver(&args, step["as"].as_str().unwrap()),
            (Some(("driver", op)), Some(on)) => self.driver(op, on.as_str().unwrap(), &args),
            (Some(("path", "slugify")), _) => Ok(json!(standin_entity::slugify(
                args["value"].as_str().unwrap()
            ))),
            (Some(("match", _)), _) => matched(&args),
            (Some(("trace", _)), _) => {
                let steps = self.drivers.values();
                Ok(json!(
                    steps
                        .flat_map(|stub| stub.steps.lock().unwrap().clone())
                        .collect::<Vec<_>>()
                ))
            }
            (None, _) if op == "sleep" => {
                std::thread::sleep(Duration::from_secs_f64(args["s"].as_f64().unwrap()));
                Ok(Value::Null)
            }
            _ => panic!("no operation {op}"),
        };
        match done {
            Ok(value) => json!({"ok": value}),
            Err(error) => category(&error),
        }
    }

    /// With the directories of this run in it.
    fn filled(&self, value: &Value) -> Value {
        let root = default_root().unwrap();
        match value {
            Value::String(text) => json!(
                text.replace("${TMP}", &self.tmp)
                    .replace("${DEFAULT_RUNPATH}", root.to_str().unwrap())
            ),
            Value::Array(items) => items.iter().map(|item| self.filled(item)).collect(),
            Value::Object(entries) if entries.contains_key("$pad") => {
                let text = entries["$pad"].as_str().unwrap();
                let width = entries["to"].as_u64().unwrap() as usize;
                json!(format!("{text}{}", "x".repeat(width - text.len())))
            }
            Value::Object(entries) => entries
                .iter()
                .map(|(key, value)| (key.clone(), self.filled(value)))
                .collect(),
            other => other.clone(),
        }
    }

    fn file(&self, op: &str, args: &Map<String, Value>) -> Result<Value, Error> {
        let path = args.get("path").and_then(Value::as_str).map(PathBuf::from);
        let path = path.unwrap_or_default();
        let text = |key: &str| args.get(key).and_then(Value::as_str);
        Ok(match op {
            "write" => {
                let bytes = match text("text") {
                    Some(text) => text.as_bytes().to_vec(),
                    None => from_hex(args["data"]["$hex"].as_str().unwrap()),
                };
                let _ = fs::remove_file(&path);
                append(&path, &bytes);
                json!(bytes.len())
            }
            "write_lines" => {
                let width = args["width"].as_u64().unwrap_or_default() as usize;
                let prefix = text("prefix").unwrap();
                let lines = (0..args["n"].as_u64().unwrap())
                    .map(|index| {
                        let line = format!("{prefix}{index}");
                        let rest = "x".repeat(width.saturating_sub(line.len()));
                        format!("{line}{rest}\n")
                    })
                    .collect::<String>();
                append(&path, lines.as_bytes());
                json!(lines.len())
            }
            "read" => match fs::read(&path) {
                Ok(bytes) => json!({"$hex": to_hex(&bytes)}),
                Err(error) => return Err(Error::other(error)),
            },
            "exists" => json!(path.exists()),
            "is_dir" => json!(path.is_dir()),
            "mkdir" => {
                fs::create_dir_all(&path).unwrap();
                Value::Null
            }
            "list" => {
                let entries = fs::read_dir(&path).map_err(Error::other)?;
                let mut names: Vec<String> = entries
                    .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                    .collect();
                names.sort();
                json!(names)
            }
            #[cfg(unix)]
            "symlink" => {
                let (target, link) = (text("target").unwrap(), text("link").unwrap());
                std::os::unix::fs::symlink(target, link).unwrap();
                Value::Null
            }
            #[cfg(unix)]
            "chmod" => {
                use std::os::unix::fs::PermissionsExt;
                let mode = u32::from_str_radix(text("mode").unwrap(), 8).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
                Value::Null
            }
            #[cfg(unix)]
            "is_executable" => {
                use std::os::unix::fs::PermissionsExt;
                json!(fs::metadata(&path).unwrap().permissions().mode() & 0o100 != 0)
            }
            other => panic!("no operation fs.{other}"),
        })
    }

    fn new_driver(&mut self, args: &Map<String, Value>, name: &str) -> Result<Value, Error> {
        let options = args["options"].as_object().unwrap().iter();
        // What only other drivers have, and hooks, which here are recorded as steps.
        let options = options.filter(|(key, _)| !matches!(key.as_str(), "host" | "pre_start"));
        let options = options.map(|(key, value)| (key.clone(), config_value(value)));
        let layer = Layer::read(StubConfig::description(), "Stub", options)?;
        let mut stub = StubOptions::from_layer(layer).unwrap().build()?;
        if let Some(behaviour) = args.get("behaviour") {
            let path = |key: &str| behaviour[key].as_str().map(PathBuf::from);
            stub.log = path("logpath");
            stub.out = path("outpath");
            stub.err = path("errpath");
            stub.install_target = path("install_target");
            for (file, text) in behaviour["write_on_start"]
                .as_object()
                .into_iter()
                .flatten()
            {
                let text = text.as_str().unwrap().as_bytes().to_vec();
                stub.writes.push((file.into(), text));
            }
            if let Some(seconds) = behaviour["sleep"]["stopping"].as_f64() {
                stub.dawdles = Duration::from_secs_f64(seconds);
            }
        }
        self.drivers.insert(name.to_owned(), stub);
        Ok(json!({"$obj": args["kind"]}))
    }

    fn driver(&mut self, op: &str, on: &str, args: &Map<String, Value>) -> Result<Value, Error> {
        let Some(stub) = self.drivers.get(on) else {
            return Err(Error::msg("it was not built"));
        };
        let entity = stub.base().resource().entity();
        let checked = |check: Result<Check, Error>| match check? {
            Check::Ready => Ok(json!(true)),
            Check::NotYet(_) => Ok(json!({"$failed_action": true})),
        };
        match op {
            "start" => stub.start()?,
            "stop" => stub.stop()?,
            "restart" => stub.restart()?,
            "abort" => {
                stub.abort()?;
                return Ok(json!({
                    "aborted": stub.base().resource().is_aborted(),
                    "active": stub.base().resource().is_active(),
                    "status": status(stub),
                }));
            }
            "status" => {}
            "define_runpath" => {
                let config: StubConfig = stub.base().config()?;
                let explicit = config.driver.resource.entity.runpath;
                return Ok(json!(entity.define_runpath(explicit)?));
            }
            "started_check" | "extract_values" => return checked(stub.extract_values()),
            "extracts" => return Ok(json!(stub.base().extracts())),
            "fetch_error_log" => return Ok(json!(stub.fetch_error_log()?)),
            "fetch_error_log_sorted" => {
                let lines = stub.fetch_error_log()?;
                let blocks: Vec<&[String]> = lines.split(|line| line.is_empty()).collect();
                return Ok(json!(blocks));
            }
            "get" => {
                let path = match args["attr"].as_str().unwrap() {
                    "runpath" => entity.runpath(),
                    _ => entity.scratch(),
                };
                return Ok(json!(path));
            }
            "set_parent" => {
                let parent = Entity::new("parent")?;
                if let Some(runpath) = args["runpath"].as_str() {
                    parent.define_runpath(Some(runpath.into()))?;
                }
                entity.set_parent(&parent)?;
                self.parents.push(parent);
                return Ok(Value::Null);
            }
            "timers" => {
                let timers = stub.base().resource().timers();
                let names: Map<String, Value> = timers
                    .iter()
                    .map(|(name, intervals)| (name.to_owned(), json!(intervals.len())))
                    .collect();
                return Ok(Value::Object(names));
            }
            "timer_elapsed" => {
                let timers = stub.base().resource().timers();
                let interval = timers.last(args["key"].as_str().unwrap()).unwrap();
                let seconds = interval.elapsed().unwrap().as_secs_f64();
                return Ok(json!((seconds * 10.0).round() / 10.0));
            }
            other => panic!("no operation driver.{other}"),
        }
        Ok(status(stub))
    }
}

fn status(stub: &Stub) -> Value {
    match stub.status() {
        Status::None => Value::Null,
        status => json!(status.to_string().to_uppercase()),
    }
}

/// An option as a file would have it.
fn config_value(value: &Value) -> standin_config::Value {
    let plain = match value {
        Value::Array(items) => {
            return standin_config::Value::List(items.iter().map(config_value).collect());
        }
        Value::Object(entries) if entries.contains_key("$re") => {
            json!(pattern(value).as_str())
        }
        Value::Object(entries) if entries.contains_key("$tuple") => {
            return config_value(&entries["$tuple"]);
        }
        Value::Object(entries) if entries.contains_key("$pathobj") => entries["$pathobj"].clone(),
        other => other.clone(),
    };
    serde_json::from_value(plain).unwrap()
}

fn pattern(value: &Value) -> Pattern {
    if let Some(text) = value.as_str() {
        return Pattern::from(text);
    }
    let flags = value["flags"].as_str().unwrap_or_default();
    let mut source = match flags {
        "" => String::new(),
        flags => format!("(?{flags})"),
    };
    if value["bytes"] == true {
        source.push_str("(?-u)");
    }
    source.push_str(value["$re"].as_str().unwrap());
    Pattern::from(source)
}

fn matched(args: &Map<String, Value>) -> Result<Value, Error> {
    let given = args["regexps"].as_array().unwrap();
    let patterns: Vec<Pattern> = given.iter().map(pattern).collect();
    let found = match_regexps_in_file(Path::new(args["path"].as_str().unwrap()), &patterns)?;
    let unmatched: Vec<Value> = patterns
        .iter()
        .zip(given)
        .filter(|(pattern, _)| found.unmatched.contains(pattern))
        .map(|(_, given)| json!({"$re": given["$re"]}))
        .collect();
    let is_bytes = given.iter().all(|given| given["bytes"] == true);
    let extracts: Map<String, Value> = found
        .extracts
        .iter()
        .map(|(name, value)| {
            let value = match is_bytes {
                true => json!({"$hex": to_hex(value.as_bytes())}),
                false => json!(value),
            };
            (name.clone(), value)
        })
        .collect();
    Ok(json!({"all_matched": found.all_matched, "extracts": extracts, "unmatched": unmatched}))
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}
