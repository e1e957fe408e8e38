use std::num::NonZeroUsize;

use indexmap::IndexMap;
use standin_config::{ContextValue, Node, OptionValue, Value};

use crate::members::Member;
use crate::order::Order;
use crate::{DependencyError, Environment, EnvironmentConfig};

/// How the drivers of an environment start and stop.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) mode: Mode,
    /// How many may be under way at once in concurrent mode.
    pub(crate) workers: Option<NonZeroUsize>,
    /// Who waits for whom, by place in the environment. A stop turns it round.
    pub(crate) order: Order,
}

/// One after the other, or as early as dependencies allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Declared,
    Concurrent,
}

impl Plan {
    /// Looks at the drivers as they are configured now.
    pub(crate) fn new(
        environment: &Environment,
        config: &EnvironmentConfig,
    ) -> Result<Self, DependencyError> {
        let members = environment.members.read();
        let names = Names {
            environment,
            members: &members,
        };
        let workers = config.workers.and_then(NonZeroUsize::new);
        if !config.concurrent && environment.dependencies.is_empty() {
            names.check_declared_order()?;
            return Ok(Plan {
                mode: Mode::Declared,
                workers,
                order: Order::chain(members.len()),
            });
        }
        let mut order = Order::new(members.len());
        for (first, then) in environment.dependencies.iter() {
            order.add(names.place(first)?, names.place(then)?);
        }
        if !environment.dependencies.is_empty() {
            for name in members.keys() {
                environment.check_async_start(name)?;
            }
        }
        for reference in names.references()? {
            order.add(reference.read, reference.reader);
        }
        match order.cycle() {
            None => Ok(Plan {
                mode: Mode::Concurrent,
                workers,
                order,
            }),
            Some(circle) => Err(DependencyError::Cycle {
                drivers: circle.into_iter().map(|place| names.name(place)).collect(),
            }),
        }
    }
}

/// A driver that reads the context of another one, by place.
struct Reference {
    reader: usize,
    option: String,
    read: usize,
}

struct Names<'a> {
    environment: &'a Environment,
    members: &'a IndexMap<String, Member>,
}

impl Names<'_> {
    fn name(&self, place: usize) -> String {
        self.members
            .get_index(place)
            .map(|(name, _)| name.clone())
            .unwrap_or_default()
    }

    fn known(&self) -> Vec<String> {
        self.members.keys().cloned().collect()
    }

    fn place(&self, name: &str) -> Result<usize, DependencyError> {
        self.members
            .get_index_of(name)
            .ok_or_else(|| DependencyError::UnknownDriver {
                environment: self.environment.name().to_owned(),
                name: name.to_owned(),
                known: self.known(),
            })
    }

    /// Everything that drivers read of each other, as far as their options say.
    fn references(&self) -> Result<Vec<Reference>, DependencyError> {
        let mut references = Vec::new();
        for (reader, (name, member)) in self.members.iter().enumerate() {
            for (option, value) in context_values(member.driver.base().node()) {
                match self.members.get_index_of(&value.driver) {
                    Some(read) => references.push(Reference {
                        reader,
                        option: option.clone(),
                        read,
                    }),
                    None if self.environment.members.is_initial(&value.driver) => {}
                    None => {
                        return Err(DependencyError::UnknownContext {
                            environment: self.environment.name().to_owned(),
                            reader: name.clone(),
                            option: option.clone(),
                            name: value.driver.clone(),
                            known: self.known(),
                        });
                    }
                }
            }
        }
        Ok(references)
    }

    fn check_declared_order(&self) -> Result<(), DependencyError> {
        match self
            .references()?
            .into_iter()
            .find(|reference| reference.read >= reference.reader)
        {
            None => Ok(()),
            Some(reference) if reference.read == reference.reader => Err(DependencyError::Cycle {
                drivers: vec![self.name(reference.reader)],
            }),
            Some(reference) => Err(DependencyError::StartsLater {
                reader: self.name(reference.reader),
                option: reference.option,
                later: self.name(reference.read),
            }),
        }
    }
}

/// The context values that are set on a node, each with its option.
fn context_values(node: &Node) -> Vec<(String, ContextValue)> {
    let mut found = Vec::new();
    for option in node.local_names() {
        if let Some(value) = node.get_local(&option) {
            collect(&option, &value, &mut found);
        }
    }
    found
}

fn collect(option: &str, value: &Value, found: &mut Vec<(String, ContextValue)>) {
    match value {
        Value::List(items) => items.iter().for_each(|item| collect(option, item, found)),
        Value::Map(entries) => match ContextValue::from_value(value) {
            Ok(value) => found.push((option.to_owned(), value)),
            Err(_) => entries
                .values()
                .for_each(|entry| collect(option, entry, found)),
        },
        _ => {}
    }
}
