use std::num::NonZeroUsize;
use std::sync::Arc;

use indexmap::IndexMap;
use standin_config::{ContextValue, Kind, Node, Source, Value};

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
    /// Who depends on whom, whatever the order is.
    needs: Order,
    /// Places of drivers that are at an earlier place, too: nothing is done
    /// there.
    aliases: Vec<bool>,
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
        let is_alias = |place| names.first_place(place) != place;
        let aliases = (0..members.len()).map(is_alias).collect();
        let references = names.references()?;
        let mut order = Order::new(members.len());
        if !config.concurrent && environment.dependencies.is_empty() {
            names.check_declared_order(&references)?;
            for reference in references {
                order.add(reference.read, reference.reader);
            }
            return Ok(Plan {
                mode: Mode::Declared,
                workers,
                order: Order::chain(members.len()),
                needs: order,
                aliases,
            });
        }
        for (first, then) in environment.dependencies.iter() {
            order.add(
                names.first_place(names.place(first)?),
                names.first_place(names.place(then)?),
            );
        }
        if !environment.dependencies.is_empty() {
            for name in members.keys() {
                environment.check_async_start(name)?;
            }
        }
        for reference in references {
            order.add(reference.read, reference.reader);
        }
        match order.cycle() {
            None => Ok(Plan {
                mode: Mode::Concurrent,
                workers,
                needs: order.clone(),
                order,
                aliases,
            }),
            Some(circle) => Err(DependencyError::Cycle {
                drivers: circle.into_iter().map(|place| names.name(place)).collect(),
            }),
        }
    }
}

impl Plan {
    /// Whether the driver at `place` is at an earlier place, too.
    pub(crate) fn is_alias(&self, place: usize) -> bool {
        self.aliases.get(place).copied().unwrap_or_default()
    }

    /// All who cannot start without `place`, directly or not, smallest first.
    pub(crate) fn dependents(&self, place: usize) -> Vec<usize> {
        self.needs.all_then(place)
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

    /// The first place of the driver that is at `place`.
    fn first_place(&self, place: usize) -> usize {
        let Some((_, member)) = self.members.get_index(place) else {
            return place;
        };
        let name = member.driver.base().name();
        // Nearly always it is where its own name says.
        match self.members.get_full(name) {
            Some((own, _, other)) if own == place && Arc::ptr_eq(&other.driver, &member.driver) => {
                place
            }
            _ => self
                .members
                .values()
                .position(|other| Arc::ptr_eq(&other.driver, &member.driver))
                .unwrap_or(place),
        }
    }

    /// Everything that drivers read of each other, as far as their options say.
    fn references(&self) -> Result<Vec<Reference>, DependencyError> {
        let mut references = Vec::new();
        for (reader, (name, member)) in self.members.iter().enumerate() {
            let base = member.driver.base();
            for (option, driver) in base.drivers_in_templates() {
                // A name that is not there may never be rendered, and is told when it is.
                // What a driver publishes itself it may read.
                let read = self.members.get_index_of(&driver);
                let read = read.map(|read| self.first_place(read));
                let reader = self.first_place(reader);
                references.extend(read.filter(|read| *read != reader).map(|read| Reference {
                    reader,
                    option,
                    read,
                }));
            }
            for (option, driver) in context_values(base.node()) {
                match self.members.get_index_of(&driver) {
                    Some(read) => references.push(Reference {
                        reader: self.first_place(reader),
                        option,
                        read: self.first_place(read),
                    }),
                    None if self.environment.members.publishes(&driver) => {}
                    None => {
                        return Err(DependencyError::UnknownContext {
                            environment: self.environment.name().to_owned(),
                            reader: name.clone(),
                            option,
                            name: driver,
                            known: self.known(),
                        });
                    }
                }
            }
        }
        Ok(references)
    }

    fn check_declared_order(&self, references: &[Reference]) -> Result<(), DependencyError> {
        match references
            .iter()
            .find(|reference| reference.read >= reference.reader)
        {
            None => Ok(()),
            Some(reference) if reference.read == reference.reader => Err(DependencyError::Cycle {
                drivers: vec![self.name(reference.reader)],
            }),
            Some(reference) => Err(DependencyError::StartsLater {
                reader: self.name(reference.reader),
                option: reference.option.clone(),
                later: self.name(reference.read),
            }),
        }
    }
}

/// The drivers that the context values of a node name, each with its option.
fn context_values(node: &Node) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (option, value) in node.set_values() {
        collect(option, &value, &mut found);
    }
    // What a config reads by default it reads, too.
    for option in node.description().options() {
        let is_read = may_be_context(option.kind())
            && matches!(option.source(), Source::Default(_))
            && found.iter().all(|(known, _)| known != option.name());
        if is_read && let Some(value) = node.get_local(option.name()) {
            collect(option.name(), &value, &mut found);
        }
    }
    found
}

/// Whether a context value can be in an option of that kind.
fn may_be_context(kind: &Kind) -> bool {
    match kind {
        Kind::Any | Kind::Context => true,
        Kind::List(item) | Kind::Map(item) => may_be_context(item),
        Kind::Tuple(kinds) | Kind::Union(kinds) => kinds.iter().any(may_be_context),
        _ => false,
    }
}

fn collect(option: &str, value: &Value, found: &mut Vec<(String, String)>) {
    match value {
        Value::List(items) => items.iter().for_each(|item| collect(option, item, found)),
        Value::Map(entries) => match ContextValue::parts(value) {
            Some((driver, _)) => found.push((option.to_owned(), driver.to_owned())),
            None => entries
                .values()
                .for_each(|entry| collect(option, entry, found)),
        },
        _ => {}
    }
}
