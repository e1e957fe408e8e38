//! The status tables, without a resource. Only that of resources is the product's:
//! it has no entities that can only pause, and nothing that runs steps to an end.

use std::sync::Mutex;

use standin::Status;
use standin_sync::Unpoisoned;

use super::Entry;
use crate::failure::Failure;
use crate::value::{Object, Value};
use crate::world::{Call, Outcome};

pub(super) const OPERATIONS: &[Entry] = &[
    ("status.new", new),
    ("status.change", |call| on_machine(call, Machine::change)),
    ("status.force", |call| on_machine(call, Machine::force)),
    ("status.reset", |call| on_machine(call, Machine::reset)),
    ("status.current", |call| {
        on_machine(call, |machine, _| Ok(machine.current()))
    }),
    ("status.eq", |call| on_machine(call, Machine::is_at)),
    ("status.transitions", |call| {
        on_machine(call, |machine, _| Ok(machine.transitions()))
    }),
];

/// Each status with those that may follow it, the initial one first.
type Table = Vec<(&'static str, Vec<&'static str>)>;

/// A status with its table.
#[derive(Debug)]
pub(crate) struct Machine {
    table: Table,
    current: &'static str,
}

impl Machine {
    fn of(class: &str) -> Result<Self, Failure> {
        let table = match class {
            "EntityStatus" => vec![
                (NONE, vec![]),
                ("PAUSING", vec!["PAUSED"]),
                ("PAUSED", vec!["RESUMING"]),
                ("RESUMING", vec![]),
            ],
            "ResourceStatus" => {
                let next = |status: Status| status.next().iter().map(|next| next.as_str());
                let row = |status: Status| (status.as_str(), next(status).collect());
                Status::ALL.map(row).into()
            }
            "RunnableStatus" => vec![
                (NONE, vec!["RUNNING"]),
                ("RUNNING", vec!["FINISHED", "EXECUTING", "PAUSING"]),
                ("EXECUTING", vec!["RUNNING"]),
                ("PAUSING", vec!["PAUSED"]),
                ("PAUSED", vec!["RESUMING"]),
                ("RESUMING", vec!["RUNNING"]),
                ("FINISHED", vec!["RUNNING"]),
            ],
            other => return Err(Failure::broken(format!("unknown class {other}"))),
        };
        Ok(Self {
            table,
            current: NONE,
        })
    }

    /// Where it stands.
    fn current(&self) -> Value {
        status(self.current)
    }

    /// The status that an argument names.
    fn named(&self, call: &Call, argument: &str) -> Result<&'static str, Failure> {
        let name = call.given(argument).and_then(Value::as_str).unwrap_or(NONE);
        let mut names = self.table.iter().map(|(name, _)| *name);
        names
            .find(|known| known.eq_ignore_ascii_case(name))
            .ok_or_else(|| illegal(format!("unknown status {name}")))
    }

    fn change(&mut self, call: &Call) -> Outcome {
        let (from, to) = (self.current, self.named(call, "to")?);
        let mut rows = self.table.iter();
        if from != to && !rows.any(|(status, next)| *status == from && next.contains(&to)) {
            return Err(illegal(format!("{to} may not follow {from}")));
        }
        self.current = to;
        Ok(self.current())
    }

    fn force(&mut self, call: &Call) -> Outcome {
        self.current = self.named(call, "to")?;
        Ok(self.current())
    }

    fn reset(&mut self, _: &Call) -> Outcome {
        self.current = NONE;
        Ok(self.current())
    }

    /// A name that the table lacks is not a status of it.
    fn is_at(&mut self, call: &Call) -> Outcome {
        let other = self.named(call, "other");
        Ok(Value::Bool(other.is_ok_and(|other| other == self.current)))
    }

    /// As there: what every entity has comes first, and what leads nowhere is left
    /// out.
    fn transitions(&self) -> Value {
        let rows = self.table.iter().filter(|(_, next)| !next.is_empty());
        let (first, then): (Vec<_>, Vec<_>) =
            rows.partition(|(from, _)| ["PAUSING", "PAUSED"].contains(from));
        let rows = first.into_iter().chain(then).map(|(from, next)| {
            let mut next = next.clone();
            next.sort_unstable();
            let next = next.into_iter().map(Value::text).collect();
            Value::List(vec![status(from), Value::List(next)])
        });
        Value::List(rows.collect())
    }
}

fn illegal(message: String) -> Failure {
    Failure::error("illegal_transition", message)
}

/// The name of the status before anything happened.
const NONE: &str = "NONE";

/// A status as the vectors write it: null before anything happened.
pub(crate) fn status(status: &str) -> Value {
    match status {
        NONE => Value::Null,
        status => Value::text(status),
    }
}

/// The status that an argument names.
pub(crate) fn status_argument(call: &Call, name: &str) -> Result<Status, Failure> {
    let text = call.given(name).and_then(Value::as_str).unwrap_or(NONE);
    Ok(text.parse::<Status>()?)
}

fn new(call: &Call) -> Outcome {
    let machine = Machine::of(call.text("class")?)?;
    Ok(Value::handle(Mutex::new(machine)))
}

impl Object for Mutex<Machine> {
    fn class(&self) -> String {
        "Status".to_owned()
    }

    /// A status stands for its name.
    fn value(&self) -> Option<Value> {
        let machine = self.lock().unpoisoned();
        Some(status(machine.current))
    }
}

fn on_machine(call: &Call, act: fn(&mut Machine, &Call) -> Outcome) -> Outcome {
    let machine = call.status()?;
    let mut machine = machine.lock().unpoisoned();
    act(&mut machine, call)
}
