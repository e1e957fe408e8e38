//! Runs the recorded vectors about configs that are described at run time.
//!
//! `vectors/notes.json` lists the vectors that need drivers, which run with them, and those where
//! we deliberately do something else, with the reason.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of a test fail the test"
)]

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use standin_config::{
    ConfigDescription, ConfigErrors, Kind, Layer, Node, OptionDescription, OptionError,
    ParentError, Value,
};

const VECTORS: &str = include_str!("vectors/config.json");
const NOTES: &str = include_str!("vectors/notes.json");

#[test]
fn configs_described_at_run_time_behave_as_recorded() {
    let vectors: Json = serde_json::from_str(VECTORS).unwrap();
    let notes: Json = serde_json::from_str(NOTES).unwrap();
    let mut ran = 0;
    let mut wrong = Vec::new();
    for vector in vectors["vectors"].as_array().unwrap() {
        let id = vector["id"].as_str().unwrap();
        let difference = notes["different"].get(id);
        let skip = difference.is_some_and(|difference| difference["skip"] == true);
        if skip || notes["run_elsewhere"].get(id).is_some() {
            continue;
        }
        ran += 1;
        let mut runner = Runner::default();
        for (index, step) in vector["steps"].as_array().unwrap().iter().enumerate() {
            let expected = difference
                .and_then(|difference| difference["steps"].get(index.to_string()))
                .or_else(|| step.get("correct"))
                .unwrap_or(&step["expect"]);
            let actual = match runner.step(step) {
                Ok(value) => json!({ "ok": value }),
                Err(category) => json!({ "error": { "category": category } }),
            };
            if actual != *expected {
                wrong.push(format!(
                    "{id} step {index}: expected {expected}, got {actual}"
                ));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(ran, 26, "every vector runs, here or elsewhere");
}

#[derive(Default)]
struct Runner {
    classes: BTreeMap<String, ConfigDescription>,
    nodes: BTreeMap<String, (String, Node)>,
}

/// The recorded category of an error.
type Category = &'static str;

impl Runner {
    fn step(&mut self, step: &Json) -> Result<Json, Category> {
        let args = &step["args"];
        let name = || args["name"].as_str().unwrap();
        match step["op"].as_str().unwrap() {
            "config.define" => {
                self.define(args);
                Ok(Json::Null)
            }
            "config.new" => {
                let class = args["class"].as_str().unwrap();
                let node = self.new_node(class, &args["options"]).map_err(of_new)?;
                Ok(self.keep(step, class, node))
            }
            "config.get" => {
                let value = self.on(step).get(name()).map_err(|error| of_get(&error))?;
                Ok(to_json(&value))
            }
            "config.get_local" => {
                let value = self.on(step).get_local(name());
                Ok(value.map_or(args["default"].clone(), |value| to_json(&value)))
            }
            "config.set_local" => self
                .on(step)
                .set_local(name(), from_json(&args["value"]).unwrap())
                .map(|()| Json::Null)
                .map_err(of_new),
            "config.set_parent" => match args["parent"].as_str() {
                Some(parent) => self
                    .on(step)
                    .set_parent(&self.nodes[parent].1)
                    .map(|()| Json::Null)
                    .map_err(of_parent),
                // There is no way to say "no parent" here: nothing to do, or a contradiction.
                None => match self.on(step).parent() {
                    None => Ok(Json::Null),
                    Some(_) => Err("parent_already_set"),
                },
            },
            "config.get_parent_is" => {
                let node = self.on(step);
                Ok(Json::Bool(match args["other"].as_str() {
                    None => node.parent().is_none(),
                    Some(other) => node
                        .parent()
                        .is_some_and(|parent| parent.is_same(&self.nodes[other].1)),
                }))
            }
            "config.denormalize" => {
                let (class, node) = self.nodes[step["on"].as_str().unwrap()].clone();
                Ok(self.keep(step, &class, node.denormalize()))
            }
            "config.option_names" => {
                let mut names = self.on(step).local_names();
                names.sort();
                Ok(json!(names))
            }
            op => panic!("unknown operation {op}"),
        }
    }

    fn define(&mut self, args: &Json) {
        let name = args["name"].as_str().unwrap();
        let mut builder =
            ConfigDescription::builder(name).ignore_extra_keys(args["ignore_extra_keys"] == true);
        for option in args["options"].as_array().unwrap() {
            let name = option["name"].as_str().unwrap();
            let kind = kind(option["type"].as_str().unwrap());
            builder = builder.option(match option.get("default") {
                _ if option["required"] == true => OptionDescription::required(name, kind),
                Some(default) => {
                    OptionDescription::with_default(name, kind, from_json(default).unwrap())
                }
                None => OptionDescription::inherited(name, kind),
            });
        }
        for base in args["bases"].as_array().into_iter().flatten() {
            builder = builder.include(&self.classes[base.as_str().unwrap()]);
        }
        self.classes.insert(name.to_owned(), builder.build());
    }

    fn new_node(&self, class: &str, options: &Json) -> Result<Node, ConfigErrors> {
        let values = options
            .as_object()
            .unwrap()
            .iter()
            .filter_map(|(name, value)| Some((name, from_json(value)?)));
        Node::new(class, Layer::read(&self.classes[class], class, values)?)
    }

    fn keep(&mut self, step: &Json, class: &str, node: Node) -> Json {
        if let Some(name) = step["as"].as_str() {
            self.nodes.insert(name.to_owned(), (class.to_owned(), node));
        }
        json!({ "$obj": class })
    }

    fn on(&self, step: &Json) -> &Node {
        &self.nodes[step["on"].as_str().unwrap()].1
    }
}

fn kind(name: &str) -> Kind {
    let int = Kind::Int {
        min: None,
        max: None,
    };
    match name {
        "int" => int,
        "str" => Kind::String,
        "bool" => Kind::Bool,
        "float" => Kind::Float,
        "list" | "tuple" => Kind::List(Box::new(Kind::Any)),
        "dict" => Kind::Map(Box::new(Kind::Any)),
        "any" => Kind::Any,
        "int|null" => Kind::Union(vec![int, Kind::Null]),
        "str|null" => Kind::Union(vec![Kind::String, Kind::Null]),
        name => panic!("unknown type {name}"),
    }
}

/// `None` for the value that stands for "not given".
fn from_json(json: &Json) -> Option<Value> {
    match json.get("$absent") {
        Some(_) => None,
        None => Some(serde_json::from_value(json.clone()).unwrap()),
    }
}

fn to_json(value: &Value) -> Json {
    serde_json::to_value(value).unwrap()
}

fn of_new(errors: ConfigErrors) -> Category {
    match &errors.errors()[0] {
        OptionError::Unknown { .. } => "config_unknown_key",
        OptionError::Missing { .. } => "config_missing_key",
        _ => "config_invalid_value",
    }
}

fn of_get(error: &OptionError) -> Category {
    match error {
        OptionError::Unknown { .. } | OptionError::NoValue { .. } => "config_missing_option",
        error => panic!("no category for {error}"),
    }
}

fn of_parent(error: ParentError) -> Category {
    match error {
        ParentError::AlreadySet { .. } => "parent_already_set",
        ParentError::Cycle { .. } => "parent_cycle",
        error => panic!("no category for {error}"),
    }
}
