//! The status tables, without a resource.

use std::sync::{Arc, Mutex, PoisonError};

use standin::Status;
use standin::entity::{EntityStatus, Machine, RunnableStatus, Transitions};

use super::Entry;
use crate::value::{Handle, Value};
use crate::world::{Call, Failure, Outcome};

pub(super) const OPERATIONS: &[Entry] = &[
    ("status.new", new),
    ("status.change", |call| each(call, "change")),
    ("status.force", |call| each(call, "force")),
    ("status.reset", |call| each(call, "reset")),
    ("status.current", |call| each(call, "current")),
    ("status.eq", |call| each(call, "eq")),
    ("status.transitions", |call| each(call, "transitions")),
];

/// One of the three tables, and where it stands.
#[derive(Debug)]
pub(crate) enum AnyMachine {
    Entity(Machine<EntityStatus>),
    Resource(Machine<Status>),
    Runnable(Machine<RunnableStatus>),
}

impl AnyMachine {
    /// Where it stands.
    pub(crate) fn current(&self) -> Value {
        status(match self {
            AnyMachine::Entity(machine) => machine.current().as_str(),
            AnyMachine::Resource(machine) => machine.current().as_str(),
            AnyMachine::Runnable(machine) => machine.current().as_str(),
        })
    }
}

/// A status as the vectors write it: null before anything happened.
pub(crate) fn status(status: &str) -> Value {
    match status {
        "NONE" => Value::Null,
        status => Value::text(status),
    }
}

/// The status that an argument names.
pub(crate) fn status_argument(call: &Call, name: &str) -> Result<Status, Failure> {
    let text = call.given(name).and_then(Value::as_str).unwrap_or("NONE");
    Ok(text.parse::<Status>()?)
}

fn new(call: &Call) -> Outcome {
    let machine = match call.text("class")? {
        "EntityStatus" => AnyMachine::Entity(Machine::default()),
        "ResourceStatus" => AnyMachine::Resource(Machine::default()),
        "RunnableStatus" => AnyMachine::Runnable(Machine::default()),
        other => return Err(Failure::broken(format!("unknown class {other}"))),
    };
    Ok(Value::Handle(Handle::Status(Arc::new(Mutex::new(machine)))))
}

fn each(call: &Call, operation: &str) -> Outcome {
    let machine = call.status()?;
    match &mut *machine.lock().unwrap_or_else(PoisonError::into_inner) {
        AnyMachine::Entity(machine) => act(call, machine, operation),
        AnyMachine::Resource(machine) => act(call, machine, operation),
        AnyMachine::Runnable(machine) => act(call, machine, operation),
    }
}

fn act<S>(call: &Call, machine: &mut Machine<S>, operation: &str) -> Outcome
where
    S: Transitions + Default + std::str::FromStr<Err = standin::entity::UnknownStatus>,
{
    let named = |name: &str| {
        call.given(name)
            .and_then(Value::as_str)
            .unwrap_or("NONE")
            .parse::<S>()
    };
    match operation {
        "change" => drop(machine.change(named("to")?)?),
        "force" => machine.force(named("to")?),
        "reset" => machine.reset(),
        // A name that the table lacks is no status of it.
        "eq" => {
            return Ok(Value::Bool(
                named("other").is_ok_and(|other| other == machine.current()),
            ));
        }
        "transitions" => {
            // As there: what every entity has comes first, and what leads
            // nowhere is left out.
            let (first, then): (Vec<S>, Vec<S>) = S::ALL
                .iter()
                .copied()
                .filter(|from| !from.next().is_empty())
                .partition(|from| ["PAUSING", "PAUSED"].contains(&from.name()));
            let rows = first.into_iter().chain(then).map(|from| {
                let mut next: Vec<&str> = from.next().iter().map(|next| next.name()).collect();
                next.sort_unstable();
                let next = next.into_iter().map(Value::text).collect();
                Value::List(vec![status(from.name()), Value::List(next)])
            });
            return Ok(Value::List(rows.collect()));
        }
        _ => {}
    }
    Ok(status(machine.current().name()))
}
