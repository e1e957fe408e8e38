//! Environments.
//!
//! A start of ours consumes the environment and gives a guard, and a start that
//! fails stops everything again; the failures are what `env.exceptions` asks for.

use std::collections::BTreeSet;
use std::mem;
use std::sync::Arc;

use indexmap::IndexMap;
use standin::driver::DriverBuilder;
use standin::environment::{EnvironmentError, NotStarted, NotStopped};
use standin::{
    Attributes, ContextValue, Driver, Environment, Lifecycle, RunningEnvironment, Status,
};

use super::Entry;
use super::drivers::{AnyDriver, attributes};
use super::failures::Row;
use super::statuses::{status, status_argument};
use super::trace_driver::ContextStub;
use crate::failure::Failure;
use crate::value::{Object, Value};
use crate::world::{Call, Outcome, Shared};

pub(super) const OPERATIONS: &[Entry] = &[
    ("env.new", new),
    ("env.add", add),
    ("env.remove", remove),
    ("env.first", first),
    ("env.get", get),
    ("env.getattr", getattr),
    ("env.getitem", getattr),
    ("env.setattr", setattr),
    ("env.set_initial_context", set_initial_context),
    ("env.contains", contains),
    ("env.len", |call| {
        Ok(Value::count(call.environment()?.names().len()))
    }),
    ("env.uids", uids),
    ("env.names", names),
    ("env.start", |call| call.environment()?.start()),
    ("env.stop", |call| call.environment()?.stop()),
    ("env.enter", |call| call.environment()?.start()),
    ("env.exit", |call| call.environment()?.stop()),
    ("env.start_in_pool", start_in_pool),
    ("env.stop_in_pool", |call| call.environment()?.stop()),
    ("env.sync_stop_resource", sync_stop_resource),
    ("env.status", statuses),
    ("env.all_status", all_status),
    ("env.exceptions", exceptions),
    ("env.parse_dependency", parse_dependency),
    ("env.parse_dependency_raw", parse_dependency_raw),
    ("env.set_dependency", set_dependency),
];

/// Groups of drivers, each with those that start after it.
type Edges = IndexMap<Vec<String>, Vec<String>>;

/// An environment, before its start and after it.
pub(crate) struct EnvironmentHandle {
    class: &'static str,
    state: Shared<State>,
    members: Shared<IndexMap<String, AnyDriver>>,
    /// Plain values that templates can read, by name.
    initial: Shared<IndexMap<String, Value>>,
    by_dependencies: Shared<bool>,
    start_failures: Shared<Vec<Row>>,
    stop_failures: Shared<Vec<Row>>,
}

enum State {
    Fresh(Box<Environment>),
    Running(Arc<RunningEnvironment>),
    /// Its first start failed.
    Gone,
}

impl Object for EnvironmentHandle {
    fn class(&self) -> String {
        self.class.to_owned()
    }
}

impl EnvironmentHandle {
    /// Does something with an environment that was not started yet.
    fn fresh<T>(
        &self,
        what: impl FnOnce(&mut Environment) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        match &mut *self.state.lock() {
            State::Fresh(environment) => what(environment),
            _ => Err(Failure::error(
                "environment_started",
                "an environment that was started does not change",
            )),
        }
    }

    pub(super) fn add(&self, driver: &AnyDriver, uid: Option<&str>) -> Result<String, Failure> {
        let base = driver.as_driver().base();
        let name = uid.unwrap_or_else(|| base.name()).to_owned();
        self.fresh(|environment| {
            let shared: Arc<dyn Driver> = match driver {
                AnyDriver::Trace(driver) => driver.clone(),
                AnyDriver::Stub(driver) => driver.clone(),
                AnyDriver::Client(driver) => driver.clone(),
                AnyDriver::Server(driver) | AnyDriver::InstallServer(driver) => driver.clone(),
            };
            environment.add_as(&name, shared)?;
            Ok(())
        })?;
        self.members.lock().insert(name.clone(), driver.clone());
        Ok(name)
    }

    fn names(&self) -> Vec<String> {
        match &*self.state.lock() {
            State::Fresh(environment) => environment.names(),
            State::Running(running) => running
                .statuses()
                .into_iter()
                .map(|(name, _)| name)
                .collect(),
            State::Gone => self.members.lock().keys().cloned().collect(),
        }
    }

    fn start(&self) -> Outcome {
        let state = mem::replace(&mut *self.state.lock(), State::Gone);
        self.start_failures.lock().clear();
        let outcome = match state {
            State::Fresh(environment) => environment.start().map(|running| {
                *self.state.lock() = State::Running(Arc::new(running));
            }),
            State::Running(running) => {
                *self.state.lock() = State::Running(running.clone());
                running.start()
            }
            State::Gone => {
                return Err(Failure::error(
                    "environment_gone",
                    "a failed start has consumed the environment",
                ));
            }
        };
        match outcome {
            Ok(()) => Ok(Value::Null),
            Err(EnvironmentError::Start(NotStarted { failures, .. })) => {
                *self.start_failures.lock() = failures.iter().map(Row::of).collect();
                Ok(Value::Null)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn stop(&self) -> Outcome {
        let running = match &*self.state.lock() {
            State::Running(running) => running.clone(),
            // Nothing is up.
            _ => return Ok(Value::Null),
        };
        self.stop_failures.lock().clear();
        match running.stop() {
            Ok(()) => Ok(Value::Null),
            Err(EnvironmentError::Stop(NotStopped { failures, .. })) => {
                *self.stop_failures.lock() = failures.iter().map(Row::of).collect();
                Ok(Value::Null)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The text that a context value gives here.
    pub(super) fn reader<T>(
        &self,
        read: impl FnOnce(&dyn Driver) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        if let Some(driver) = self.members.lock().values().next() {
            return read(driver.as_driver());
        }
        self.fresh(|environment| {
            const NAME: &str = "reader";
            let reader = environment.add(stub(NAME)?)?;
            let text = read(&*reader);
            environment.remove(NAME)?;
            text
        })
    }
}

/// A driver that does nothing.
pub(super) fn stub(name: &str) -> Result<ContextStub, Failure> {
    let options = DriverBuilder::new().name(name);
    Ok(ContextStub::new("Driver", options, Attributes::new())?)
}

fn new(call: &Call) -> Outcome {
    let class = match call.given("kind").and_then(Value::as_str) {
        None | Some("environment") => "Environment",
        Some("test_environment") => "TestEnvironment",
        Some(other) => return Err(Failure::broken(format!("unknown kind {other}"))),
    };
    Ok(Value::handle(EnvironmentHandle {
        class,
        state: Shared::new(State::Fresh(Box::new(Environment::new("environment")))),
        members: Shared::default(),
        initial: Shared::default(),
        by_dependencies: Shared::default(),
        start_failures: Shared::default(),
        stop_failures: Shared::default(),
    }))
}

fn driver(call: &Call, name: &str) -> Result<AnyDriver, Failure> {
    let value = call.world.variable(name)?;
    value.object::<AnyDriver>().cloned().ok_or_else(|| {
        let kind = value.python_type();
        Failure::error("type_error", format!("{name} is a {kind}, not a driver"))
    })
}

fn add(call: &Call) -> Outcome {
    let driver = driver(call, call.text("driver")?)?;
    let uid = call.given("uid").and_then(Value::as_str);
    Ok(Value::Text(call.environment()?.add(&driver, uid)?))
}

fn remove(call: &Call) -> Outcome {
    let environment = call.environment()?;
    let uid = call.text("uid")?;
    environment.fresh(|environment| Ok(environment.remove(uid)?))?;
    environment.members.lock().shift_remove(uid);
    Ok(Value::Null)
}

fn first(call: &Call) -> Outcome {
    match call.environment()?.names().into_iter().next() {
        Some(name) => Ok(Value::Text(name)),
        None => Err(Failure::error("empty", "the environment has no drivers")),
    }
}

/// The driver of that name (its own), or the plain values.
fn find(call: &Call, name: &str) -> Result<Option<Value>, Failure> {
    let environment = call.environment()?;
    if environment.names().iter().any(|known| known == name)
        && let Some(driver) = environment.members.lock().get(name)
    {
        return Ok(Some(Value::text(driver.as_driver().name())));
    }
    Ok(environment.initial.lock().get(name).cloned())
}

fn get(call: &Call) -> Outcome {
    let found = find(call, call.text("key")?)?;
    Ok(found
        .or_else(|| call.arg("default").cloned())
        .unwrap_or(Value::Null))
}

fn getattr(call: &Call) -> Outcome {
    let name = call.text("name")?;
    find(call, name)?.ok_or_else(|| Failure::error("no_attribute", format!("there is no {name}")))
}

/// Drivers are not replaced by assigning to their names.
fn setattr(call: &Call) -> Outcome {
    let name = call.text("name")?;
    match find(call, name)? {
        None => Ok(Value::Null),
        Some(_) => Err(Failure::error(
            "runtime_error",
            format!("{name} cannot be replaced"),
        )),
    }
}

fn set_initial_context(call: &Call) -> Outcome {
    let environment = call.environment()?;
    for (name, value) in call.map("values") {
        let published = match &value {
            Value::Map(values) => attributes(values)?,
            other => {
                let kind = other.python_type();
                let what = format!("{name} has to be a table of values, not a {kind}");
                return Err(Failure::error("type_error", what));
            }
        };
        environment.fresh(|environment| Ok(environment.set_context(&name, published)?))?;
        environment.initial.lock().insert(name, value);
    }
    Ok(Value::Null)
}

fn contains(call: &Call) -> Outcome {
    Ok(Value::Bool(find(call, call.text("name")?)?.is_some()))
}

fn uids(call: &Call) -> Outcome {
    let names = call.environment()?.names();
    Ok(Value::List(names.into_iter().map(Value::Text).collect()))
}

fn names(call: &Call) -> Outcome {
    let members = call.environment()?.members.lock();
    let names = members
        .values()
        .map(|driver| Value::text(driver.as_driver().name()));
    Ok(Value::List(names.collect()))
}

/// Several at once, but no more than that.
fn start_in_pool(call: &Call) -> Outcome {
    let environment = call.environment()?;
    let workers = call.int("workers")?.unwrap_or(4);
    if matches!(&*environment.state.lock(), State::Fresh(_)) {
        environment.fresh(|environment| {
            environment.options().set_local("concurrent", true)?;
            Ok(environment.options().set_local("workers", workers)?)
        })?;
    }
    environment.start()
}

fn sync_stop_resource(call: &Call) -> Outcome {
    let driver = driver(call, call.text("driver")?)?;
    let driver = driver.as_driver();
    driver.stop()?;
    if driver.status() == Status::Stopping {
        driver.wait(Status::Stopped, None)?;
    }
    Ok(Value::Null)
}

fn statuses(call: &Call) -> Outcome {
    let members = call.environment()?.members.lock();
    let rows = members.values().map(|driver| {
        let driver = driver.as_driver();
        (driver.name().to_owned(), status(driver.status().as_str()))
    });
    Ok(Value::Map(rows.collect()))
}

fn all_status(call: &Call) -> Outcome {
    let target = status_argument(call, "target")?;
    let members = call.environment()?.members.lock();
    Ok(Value::Bool(
        members
            .values()
            .all(|driver| driver.as_driver().status() == target),
    ))
}

fn exceptions(call: &Call) -> Outcome {
    let environment = call.environment()?;
    let rows = match call.given("which").and_then(Value::as_str) {
        Some("stop") => environment.stop_failures.lock(),
        _ => environment.start_failures.lock(),
    };
    let by_dependencies = *environment.by_dependencies.lock();
    let full = call.flag("full", false);
    Ok(Value::List(
        rows.iter()
            .map(|row| row.value(by_dependencies, full))
            .collect(),
    ))
}

/// Edges as a mapping: a key that is repeated keeps its last value.
fn edges(call: &Call) -> Result<Edges, Failure> {
    let group = |side: &Value| -> Vec<String> {
        match side.items() {
            Some(items) => items
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
            None => side.as_str().map(str::to_owned).into_iter().collect(),
        }
    };
    let mut edges = Edges::new();
    for edge in call.list("edges") {
        match edge.items() {
            Some([first, then]) => drop(edges.insert(group(first), group(then))),
            _ => return Err(Failure::error("type_error", "an edge has two sides")),
        }
    }
    Ok(edges)
}

/// The graph that dependencies make, checked by an environment of stubs.
fn parse_dependency(call: &Call) -> Outcome {
    let edges = edges(call)?;
    let mut environment = Environment::new("environment");
    let mut known = BTreeSet::new();
    for handle in edges
        .iter()
        .flat_map(|(first, then)| first.iter().chain(then))
    {
        // Names of variables: they tell apart drivers of one name.
        if known.insert(handle.clone()) {
            driver(call, handle)?;
            environment.add(stub(handle)?)?;
        }
    }
    let name = |handle: &String| -> Result<String, Failure> {
        Ok(driver(call, handle)?.as_driver().name().to_owned())
    };
    let mut graph: IndexMap<String, Vec<Value>> = IndexMap::new();
    for (first, then) in &edges {
        environment.add_dependency(first, then)?;
        for first in first {
            for then in then {
                let (first, then): (String, String) = (name(first)?, name(then)?);
                let after = graph.entry(first).or_default();
                if !after.iter().any(|known| known.as_str() == Some(&then)) {
                    after.push(Value::text(&then));
                }
                graph.entry(then).or_default();
            }
        }
    }
    let graph = graph
        .into_iter()
        .map(|(name, after)| (name, Value::List(after)));
    Ok(Value::Map(graph.collect()))
}

/// Anything but a mapping of drivers does not compile.
fn parse_dependency_raw(call: &Call) -> Outcome {
    match call.arg("value") {
        Some(Value::Map(entries)) if entries.is_empty() => Ok(Value::Null),
        _ => Err(Failure::error(
            "type_error",
            "dependencies are between drivers",
        )),
    }
}

fn set_dependency(call: &Call) -> Outcome {
    if call.given("edges").is_none() {
        return Ok(Value::Null);
    }
    let environment = call.environment()?;
    let edges = edges(call)?;
    let drivers = |handles: &[String]| -> Result<Vec<Arc<dyn Driver>>, Failure> {
        handles
            .iter()
            .map(|handle| Ok(driver(call, handle)?.shared()))
            .collect()
    };
    environment.fresh(|environment| {
        for (first, then) in &edges {
            environment.add_dependency(drivers(first)?, drivers(then)?)?;
        }
        // Also without any edge.
        Ok(environment.options().set_local("concurrent", true)?)
    })?;
    *environment.by_dependencies.lock() = true;
    Ok(Value::Null)
}

/// A context value without an environment.
pub(super) fn read_alone(value: &ContextValue) -> Outcome {
    Ok(Value::Text(stub("reader")?.base().render(value)?))
}
