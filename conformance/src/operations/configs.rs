//! Configs: those of the drivers, and those that a vector describes.

use standin::config::{
    Config, ConfigDescription, Kind, Layer, Node, OptionDescription, Value as OptionValue,
};
use standin::entity::{EntityConfig, ResourceConfig};
use standin::{DriverConfig, TcpClientConfig, TcpServerConfig};

use super::Entry;
use crate::failure::Failure;
use crate::value::{Object, Value};
use crate::world::{Call, Outcome};

pub(super) const OPERATIONS: &[Entry] = &[
    ("config.define", define),
    ("config.new", new),
    ("config.get", get),
    ("config.get_local", get_local),
    ("config.set_local", set_local),
    ("config.set_parent", set_parent),
    ("config.get_parent_is", get_parent_is),
    ("config.denormalize", denormalize),
    ("config.option_names", option_names),
    ("config.mutate_list", mutate_list),
    ("config.options_table", options_table),
    ("config.accepts", accepts),
];

/// A config, and the name of its class.
#[derive(Clone)]
pub(crate) struct ConfigHandle {
    pub(crate) class: String,
    pub(crate) node: Node,
}

fn define(call: &Call) -> Outcome {
    let name = call.text("name")?;
    let ignore = call.flag("ignore_extra_keys", false);
    let mut builder = ConfigDescription::builder(name).ignore_extra_keys(ignore);
    for option in call.list("options") {
        let Value::Map(option) = option else {
            return Err(Failure::broken("an option has to be a table"));
        };
        let text = |key: &str| option.get(key).and_then(Value::as_str).unwrap_or_default();
        let (name, kind) = (text("name"), kind(text("type"))?);
        let required = matches!(option.get("required"), Some(Value::Bool(true)));
        builder = builder.option(match option.get("default") {
            _ if required => OptionDescription::required(name, kind),
            Some(default) => OptionDescription::with_default(name, kind, default.to_option()?),
            None => OptionDescription::inherited(name, kind),
        });
    }
    for base in call.list("bases") {
        builder = builder.include(&class(call, base.as_str().unwrap_or_default())?);
    }
    let mut classes = call.world.classes.lock();
    classes.insert(name.to_owned(), builder.build());
    Ok(Value::Null)
}

fn kind(name: &str) -> Result<Kind, Failure> {
    let int = Kind::Int {
        min: None,
        max: None,
    };
    Ok(match name {
        "int" => int,
        "str" => Kind::String,
        "bool" => Kind::Bool,
        "float" => Kind::Float,
        "list" => Kind::List(Box::new(Kind::Any)),
        // Values do not tell tuples from lists.
        "tuple" => Kind::Union(vec![Kind::List(Box::new(Kind::Any))]),
        "dict" => Kind::Map(Box::new(Kind::Any)),
        "any" => Kind::Any,
        "int|null" => Kind::Union(vec![int, Kind::Null]),
        "str|null" => Kind::Union(vec![Kind::String, Kind::Null]),
        "callable(driver)" => Kind::Code,
        other => return Err(Failure::broken(format!("unknown type {other}"))),
    })
}

fn class(call: &Call, name: &str) -> Result<ConfigDescription, Failure> {
    Ok(match name {
        "EntityConfig" => EntityConfig::description().clone(),
        "ResourceConfig" => ResourceConfig::description().clone(),
        "DriverConfig" => DriverConfig::description().clone(),
        "TCPServerConfig" => TcpServerConfig::description().clone(),
        "TCPClientConfig" => TcpClientConfig::description().clone(),
        name => match call.world.classes.lock().get(name) {
            Some(description) => description.clone(),
            None => return Err(Failure::broken(format!("unknown class {name}"))),
        },
    })
}

fn make<'a>(
    class: &str,
    description: &ConfigDescription,
    options: impl IntoIterator<Item = (&'a String, &'a Value)>,
) -> Result<Node, Failure> {
    let mut values = Vec::new();
    // The reference declares it where we declare it for all.
    if matches!(class, "EntityConfig" | "ResourceConfig") {
        values.push(("name".to_owned(), class.into()));
    }
    for (name, value) in options {
        let takes_code = description
            .option(name)
            .is_some_and(|option| option.is_code_only());
        match value {
            Value::Absent => {}
            Value::Unset if name == "async_start" => {}
            // A hook is a closure with one parameter; that it fits is checked
            // by the compiler, and there is nothing to read.
            Value::Function(function) if takes_code && function.takes_driver() => {}
            // To set no list is to leave the option out.
            Value::Null if description.option(name).is_some_and(is_list) => {}
            value => {
                compiles(description.option(name), value)?;
                values.push((name.clone(), value.to_option()?));
            }
        }
    }
    Ok(Node::new(class, Layer::read(description, class, values)?)?)
}

/// Whether it is a list of ours. In configs that a vector describes, a list is
/// what it is there.
fn is_list(option: &OptionDescription) -> bool {
    const OURS: &[&str] = &["DriverConfig", "TcpServerConfig", "TcpClientConfig"];
    matches!(option.kind(), Kind::List(_)) && OURS.contains(&option.declared_in())
}

/// Whether it is described as a tuple: see `kind`.
fn is_tuple(option: &OptionDescription) -> bool {
    match option.kind() {
        Kind::Union(kinds) => matches!(kinds.as_slice(), [Kind::List(_)]),
        _ => false,
    }
}

fn is_pair(option: &OptionDescription) -> bool {
    match option.kind() {
        Kind::Union(kinds) => kinds.iter().any(|kind| match kind {
            Kind::Union(kinds) => kinds.iter().any(|kind| matches!(kind, Kind::Tuple(_))),
            kind => matches!(kind, Kind::Tuple(_)),
        }),
        kind => matches!(kind, Kind::Tuple(_)),
    }
}

/// The setter of a list takes no tuple, and that of a pair no list.
fn compiles(option: Option<&OptionDescription>, value: &Value) -> Result<(), Failure> {
    let (has, wants) = match value {
        Value::Tuple(_) if option.is_some_and(is_list) => ("tuple", "a list"),
        Value::List(_) if option.is_some_and(is_pair) => ("list", "a pair"),
        _ => return Ok(()),
    };
    let message = format!("a {has} is not {wants}");
    Err(Failure::error("config_invalid_value", message))
}

fn new(call: &Call) -> Outcome {
    let name = call.text("class")?;
    let node = make(name, &class(call, name)?, &call.map("options"))?;
    Ok(handle(name, node))
}

fn handle(class: &str, node: Node) -> Value {
    let class = class.to_owned();
    Value::handle(ConfigHandle { class, node })
}

impl Object for ConfigHandle {
    fn class(&self) -> String {
        self.class.clone()
    }
}

/// The value of an option, with durations as the numbers that the reference has.
pub(super) fn value_of(node: &Node, name: &str) -> Outcome {
    let option = node.description().option(name);
    match node.get(name) {
        Ok(value) => Ok(written(option, &value)),
        // A hook that nobody set is "none" there.
        Err(_) if option.is_some_and(OptionDescription::is_code_only) => Ok(Value::Null),
        // "Not decided" is a value there; here it is the lack of one.
        Err(_) if name == "async_start" && option.is_some() => Ok(Value::Unset),
        Err(error) => {
            let failure = Failure::from(error);
            Err(match failure {
                // Where the reference looks for an option it does not tell one
                // that nobody declared from one that nobody set.
                Failure::Error { errno, message, .. } => Failure::Error {
                    category: "config_missing_option".to_owned(),
                    errno,
                    message,
                },
                failure => failure,
            })
        }
    }
}

fn written(option: Option<&OptionDescription>, value: &OptionValue) -> Value {
    let is_duration = option.is_some_and(|option| is_duration(option.kind()));
    match value.as_str().map(standin::config::duration::parse) {
        Some(Ok(duration)) if is_duration => Value::Float(duration.as_secs_f64()),
        _ if option.is_some_and(|option| option.name() == "async_start") && value.is_null() => {
            Value::Unset
        }
        // Where nothing is in a list, there is none there.
        _ if option.is_some_and(is_list) && value.as_list().is_some_and(<[_]>::is_empty) => {
            match option.and_then(OptionDescription::default_value) {
                Some(default) if default == *value => Value::Null,
                _ => Value::from_option(value),
            }
        }
        _ => match Value::from_option(value) {
            Value::List(items)
                if option.is_some_and(|option| is_tuple(option) || is_pair(option)) =>
            {
                Value::Tuple(items)
            }
            value => value,
        },
    }
}

fn is_duration(kind: &Kind) -> bool {
    match kind {
        Kind::Duration => true,
        Kind::Union(kinds) => kinds.iter().any(is_duration),
        _ => false,
    }
}

fn get(call: &Call) -> Outcome {
    value_of(&call.config()?.node, call.text("name")?)
}

fn get_local(call: &Call) -> Outcome {
    let node = &call.config()?.node;
    let name = call.text("name")?;
    let option = node.description().option(name);
    if let Some(value) = node.get_local(name) {
        return Ok(written(option, &value));
    }
    // A fallback stands on the option itself.
    if let Some(default) = option.and_then(OptionDescription::default_value) {
        return Ok(written(option, &default));
    }
    match option {
        Some(option) if option.name() == "async_start" => Ok(Value::Unset),
        _ => Ok(call.arg("default").cloned().unwrap_or(Value::Null)),
    }
}

fn set_local(call: &Call) -> Outcome {
    let value = match call.arg("value") {
        Some(value) => value.to_option()?,
        None => OptionValue::Null,
    };
    call.config()?.node.set_local(call.text("name")?, value)?;
    Ok(Value::Null)
}

fn set_parent(call: &Call) -> Outcome {
    let node = &call.config()?.node;
    if call.given("parent").is_none() {
        // There is no way to say "no parent": nothing to do, or a contradiction.
        return match node.parent() {
            None => Ok(Value::Null),
            Some(_) => Err(Failure::error(
                "parent_already_set",
                "there is a parent already",
            )),
        };
    }
    let parent = call.named("parent")?;
    node.set_parent(&parent.required::<ConfigHandle>("parent")?.node)?;
    Ok(Value::Null)
}

fn get_parent_is(call: &Call) -> Outcome {
    let parent = call.config()?.node.parent();
    Ok(Value::Bool(match call.given("other") {
        None => parent.is_none(),
        Some(_) => {
            let other = call.named("other")?;
            let other = other.object::<ConfigHandle>();
            parent.is_some_and(|parent| other.is_some_and(|other| parent.is_same(&other.node)))
        }
    }))
}

fn denormalize(call: &Call) -> Outcome {
    let config = call.config()?;
    Ok(handle(&config.class, config.node.denormalize()))
}

fn option_names(call: &Call) -> Outcome {
    let mut names = call.config()?.node.local_names();
    names.sort();
    Ok(Value::List(names.into_iter().map(Value::Text).collect()))
}

/// Appends to the list that the config gave: a copy, so the config keeps its own.
fn mutate_list(call: &Call) -> Outcome {
    match get(call)? {
        Value::List(mut items) => {
            items.extend(call.arg("append").cloned());
            Ok(Value::Null)
        }
        other => Err(Failure::error(
            "no_attribute",
            format!("a {} has no append", other.python_type()),
        )),
    }
}

fn options_table(call: &Call) -> Outcome {
    let description = class(call, call.text("class")?)?;
    let mut options: Vec<&OptionDescription> = description.options().iter().collect();
    options.sort_by_key(|option| option.name());
    let row = |option: &&OptionDescription| {
        let mut row = vec![
            ("name", Value::text(option.name())),
            ("required", Value::Bool(option.is_required())),
        ];
        let default = option
            .default_value()
            .map(|value| written(Some(option), &value));
        row.push(("has_default", Value::Bool(default.is_some())));
        row.extend(default.map(|default| ("default", default)));
        Value::Map(
            row.into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        )
    };
    Ok(Value::List(options.iter().map(row).collect()))
}

fn accepts(call: &Call) -> Outcome {
    let name = call.text("class")?;
    let description = class(call, name)?;
    let option = call.text("option")?;
    let mut answers = Vec::new();
    for probe in call.list("values") {
        let Some([label, value]) = probe.items() else {
            return Err(Failure::broken("a probe has to be a label and a value"));
        };
        let mut options = call.map("base");
        options.insert(option.to_owned(), value.clone());
        let answer = match make(name, &description, &options) {
            Ok(_) => "accept",
            Err(Failure::Error { .. }) => "reject",
            Err(broken) => return Err(broken),
        };
        answers.push(Value::List(vec![label.clone(), Value::text(answer)]));
    }
    Ok(Value::List(answers))
}
