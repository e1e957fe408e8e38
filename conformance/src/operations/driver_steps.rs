//! What vectors do with a driver of any kind.

use indexmap::IndexMap;
use standin::entity::{CheckInterval, Entity};
use standin::{Check, ConnectionInfo, DriverConfig, Lifecycle, Status};

use super::configs::ConfigHandle;
use super::environments::EnvironmentHandle;
use super::statuses::{status, status_argument};
use super::{Entry, configs, drivers};
use crate::category::of_step;
use crate::failure::Failure;
use crate::value::Value;
use crate::world::{Call, Outcome, seconds_of};

pub(super) const OPERATIONS: &[Entry] = &[
    ("driver.new", drivers::new),
    ("driver.start", start),
    ("driver.stop", stop),
    ("driver.wait", wait),
    ("driver.restart", restart),
    ("driver.pause", pause),
    ("driver.resume", resume),
    ("driver.abort", abort),
    ("driver.force_stop", force_stop),
    ("driver.force_started", force_started),
    ("driver.status", now),
    ("driver.flags", flags),
    ("driver.set_status", set_status),
    ("driver.enter", enter),
    ("driver.exit", exit),
    ("driver.get", get),
    ("driver.uid", |call| Ok(Value::text(entity(call)?.uid()))),
    ("driver.str", |call| {
        Ok(Value::text(entity(call)?.to_string()))
    }),
    ("driver.set_async_start", set_async_start),
    ("driver.timers", timers),
    ("driver.timer_elapsed", timer_elapsed),
    ("driver.define_runpath", define_runpath),
    ("driver.make_runpath_dirs", make_runpath_dirs),
    ("driver.clear_runpath", clear_runpath),
    ("driver.set_parent", set_parent),
    ("driver.set_context", set_context),
    ("driver.context_input", context_input),
    ("driver.get_connections", get_connections),
    ("driver.started_check", started_check),
    ("driver.extract_values", extract_values),
    ("driver.extracts", extracts),
    ("driver.fetch_error_log", fetch_error_log),
    ("driver.fetch_error_log_sorted", fetch_error_log_sorted),
    ("driver.install_files", install_files),
    ("driver.log", log),
    ("driver.cfg", cfg),
    ("driver.cfg_local_names", cfg_local_names),
    ("driver.cfg_set_parent", cfg_set_parent),
];

fn now(call: &Call) -> Outcome {
    Ok(status(call.driver()?.as_driver().status().as_str()))
}

fn entity(call: &Call) -> Result<&Entity, Failure> {
    Ok(call.driver()?.as_driver().base().resource().entity())
}

fn start(call: &Call) -> Outcome {
    call.driver()?.as_driver().start()?;
    now(call)
}

fn stop(call: &Call) -> Outcome {
    call.driver()?.as_driver().stop()?;
    now(call)
}

fn wait(call: &Call) -> Outcome {
    let target = status_argument(call, "status")?;
    let timeout = call.float("timeout")?.map(seconds_of).transpose()?;
    call.driver()?.as_driver().wait(target, timeout)?;
    now(call)
}

fn restart(call: &Call) -> Outcome {
    call.driver()?.as_driver().restart()?;
    now(call)
}

fn pause(call: &Call) -> Outcome {
    call.driver()?.as_driver().pause()?;
    now(call)
}

fn resume(call: &Call) -> Outcome {
    call.driver()?.as_driver().resume()?;
    now(call)
}

fn abort(call: &Call) -> Outcome {
    call.driver()?.as_driver().abort()?;
    let mut answer = flag_values(call)?;
    answer.insert("status".to_owned(), now(call)?);
    Ok(Value::Map(answer))
}

fn flags(call: &Call) -> Outcome {
    flag_values(call).map(Value::Map)
}

fn flag_values(call: &Call) -> Result<IndexMap<String, Value>, Failure> {
    let resource = call.driver()?.as_driver().base().resource();
    Ok(IndexMap::from([
        ("aborted".to_owned(), Value::Bool(resource.is_aborted())),
        ("active".to_owned(), Value::Bool(resource.is_active())),
    ]))
}

fn force_stop(call: &Call) -> Outcome {
    call.driver()?.as_driver().base().resource().force_stop();
    now(call)
}

fn force_started(call: &Call) -> Outcome {
    call.driver()?.as_driver().base().resource().force_started();
    now(call)
}

fn set_status(call: &Call) -> Outcome {
    let to = status_argument(call, "to")?;
    call.driver()?.as_driver().base().resource().force(to);
    now(call)
}

/// What a `with` block does at its beginning.
fn enter(call: &Call) -> Outcome {
    let driver = call.driver()?.as_driver();
    driver.start()?;
    driver.wait(Status::Started, None)?;
    now(call)
}

/// What a `with` block does at its end.
fn exit(call: &Call) -> Outcome {
    let driver = call.driver()?.as_driver();
    driver.stop()?;
    if driver.status() != Status::None {
        driver.wait(Status::Stopped, None)?;
    }
    now(call)
}

/// An attribute, by the name that it has in the reference.
fn get(call: &Call) -> Outcome {
    let any = call.driver()?;
    let driver = any.as_driver();
    let base = driver.base();
    let entity = base.resource().entity();
    let path = |path: Option<std::path::PathBuf>| path.map_or(Value::Null, Value::Path);
    let name = call.text("attr")?;
    Ok(match name {
        "name" => Value::text(driver.name()),
        "uid" => Value::text(entity.uid()),
        "runpath" => path(entity.runpath()),
        "scratch" => path(entity.scratch()),
        "logpath" => path(driver.log_path()),
        "outpath" => path(driver.out_path()),
        "errpath" => path(driver.err_path()),
        "active" => Value::Bool(base.resource().is_active()),
        "aborted" => Value::Bool(base.resource().is_aborted()),
        "async_start" => {
            let config: DriverConfig = base.config()?;
            Value::Bool(config.resource.async_start.unwrap_or(false))
        }
        "auto_start" => configs::value_of(base.options(), "auto_start")?,
        // Both come from one option.
        "start_timeout" | "stop_timeout" => configs::value_of(base.options(), "timeout")?,
        "started_check_interval" => interval(driver.started_check_interval()),
        "stopped_check_interval" => interval(driver.stopped_check_interval()),
        name => match driver.context().get(name) {
            Some(value) => Value::from_option(value),
            None => {
                return Err(Failure::error(
                    "no_attribute",
                    format!("there is no {name}"),
                ));
            }
        },
    })
}

/// A number of seconds, or the first and the longest.
fn interval(interval: CheckInterval) -> Value {
    let seconds = |duration: std::time::Duration| Value::Float(duration.as_secs_f64());
    match interval {
        CheckInterval::Fixed(interval) => seconds(interval),
        CheckInterval::Growing { min, max } => Value::Tuple(vec![seconds(min), seconds(max)]),
    }
}

fn set_async_start(call: &Call) -> Outcome {
    let value = match call.arg("value") {
        Some(Value::Bool(value)) => Some(*value),
        _ => None,
    };
    let options = call.driver()?.as_driver().base().options();
    options.set_local("async_start", value)?;
    Ok(Value::Null)
}

fn timers(call: &Call) -> Outcome {
    let timers = call.driver()?.as_driver().base().resource().timers();
    let mut rows: Vec<(String, Value)> = timers
        .iter()
        .map(|(name, intervals)| {
            let ended = |ended| Value::map([("ended", Value::Bool(ended))]);
            let intervals = intervals.iter().map(|interval| ended(interval.has_ended()));
            (name.to_owned(), Value::List(intervals.collect()))
        })
        .collect();
    rows.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(Value::Map(rows.into_iter().collect()))
}

fn timer_elapsed(call: &Call) -> Outcome {
    let timers = call.driver()?.as_driver().base().resource().timers();
    let interval = timers
        .get(call.text("key")?)
        .get(call.size("index")?.unwrap_or_default());
    let elapsed = interval.and_then(|interval| interval.elapsed());
    match elapsed {
        Some(elapsed) => Ok(Value::Float((elapsed.as_secs_f64() * 10.0).round() / 10.0)),
        None => Err(Failure::error("unknown_key", "there is no such interval")),
    }
}

fn define_runpath(call: &Call) -> Outcome {
    let config: DriverConfig = call.driver()?.as_driver().base().config()?;
    // A configuration of a parent is not a runpath of ours.
    let explicit = call
        .driver()?
        .as_driver()
        .base()
        .options()
        .get_local("runpath");
    let explicit = explicit.and(config.resource.entity.runpath);
    let runpath = entity(call)?.define_runpath(explicit)?;
    Ok(Value::Path(runpath))
}

fn make_runpath_dirs(call: &Call) -> Outcome {
    let config: DriverConfig = call.driver()?.as_driver().base().config()?;
    define_runpath(call)?;
    let entity = entity(call)?;
    entity.make_runpath_dirs(config.resource.entity.path_cleanup)?;
    let path = |path: Option<std::path::PathBuf>| path.map_or(Value::Null, Value::Path);
    Ok(Value::map([
        ("runpath", path(entity.runpath())),
        ("scratch", path(entity.scratch())),
    ]))
}

fn clear_runpath(call: &Call) -> Outcome {
    entity(call)?.release_runpath();
    Ok(Value::Null)
}

fn set_parent(call: &Call) -> Outcome {
    let parent = Entity::new("parent")?;
    if let Some(runpath) = call.given("runpath").and_then(Value::as_str) {
        parent.define_runpath(Some(runpath.into()))?;
    }
    let entity = entity(call)?;
    entity.leave();
    entity.join(&parent)?;
    call.world.keep(parent);
    Ok(Value::Null)
}

fn set_context(call: &Call) -> Outcome {
    let driver = call.driver()?;
    match call.given("env") {
        None => Ok(Value::Null),
        Some(_) => {
            let environment = call.named("env")?;
            let environment = environment.required::<EnvironmentHandle>("env")?;
            environment.add(driver, None).map(|_| Value::Null)
        }
    }
}

fn context_input(call: &Call) -> Outcome {
    let exclude: Vec<&str> = call
        .list("exclude")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let context = call.driver()?.as_driver().context_input(&exclude);
    let pick = call.list("pick").iter().filter_map(Value::as_str);
    let picked = pick.map(|name| {
        let value = match context.get(name) {
            Some(value) => Value::from_option(value),
            None => Value::text("<ABSENT>"),
        };
        (name.to_owned(), value)
    });
    Ok(Value::Map(picked.collect()))
}

fn get_connections(call: &Call) -> Outcome {
    let infos = call.driver()?.as_driver().connections();
    Ok(Value::List(infos.iter().map(info_value).collect()))
}

/// A connection info as the vectors write it.
pub(super) fn info_value(info: &ConnectionInfo) -> Value {
    match serde_json::to_value(info) {
        Ok(json) => from_json(&json),
        Err(error) => Value::text(error.to_string()),
    }
}

/// Data that is written as JSON already.
pub(super) fn from_json(json: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::Int(number),
            None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::text(text),
        Json::Array(items) => Value::List(items.iter().map(from_json).collect()),
        Json::Object(members) => Value::Map(
            members
                .iter()
                .map(|(name, value)| (name.clone(), from_json(value)))
                .collect(),
        ),
    }
}

fn answer(check: standin::Result<Check>) -> Outcome {
    Ok(match check.map_err(|error| of_step(&error))? {
        Check::Ready => Value::Bool(true),
        Check::NotYet(reason) if reason.is_empty() => Value::Bool(false),
        Check::NotYet(reason) => Value::FailedAction(reason),
    })
}

/// What the driver says, and then what its options demand.
fn started_check(call: &Call) -> Outcome {
    let driver = call.driver()?.as_driver();
    answer(match driver.started_check() {
        Ok(Check::Ready) => driver.extract_values(),
        check => check,
    })
}

fn extract_values(call: &Call) -> Outcome {
    answer(call.driver()?.as_driver().extract_values())
}

fn extracts(call: &Call) -> Outcome {
    let extracts = call.driver()?.as_driver().base().extracts();
    let extracts = extracts
        .into_iter()
        .map(|(name, value)| (name, Value::Text(value)));
    Ok(Value::Map(extracts.collect()))
}

fn lines(lines: impl IntoIterator<Item = String>) -> Value {
    Value::List(lines.into_iter().map(Value::Text).collect())
}

fn fetch_error_log(call: &Call) -> Outcome {
    Ok(lines(call.driver()?.as_driver().last_log_lines()?))
}

/// The part of each log, in the order of their headings.
fn fetch_error_log_sorted(call: &Call) -> Outcome {
    let all = call.driver()?.as_driver().last_log_lines()?;
    let mut blocks: Vec<&[String]> = all.split(String::is_empty).collect();
    blocks.sort();
    let blocks = blocks.into_iter().map(|block| lines(block.to_vec()));
    Ok(Value::List(blocks.collect()))
}

/// Files are installed by a start.
fn install_files(call: &Call) -> Outcome {
    let driver = call.driver()?.as_driver();
    driver.start()?;
    driver.stop()?;
    Ok(Value::Null)
}

fn log(call: &Call) -> Outcome {
    let base = call.driver()?.as_driver().base();
    base.log(tracing::Level::INFO, call.text("message")?);
    Ok(Value::Null)
}

fn cfg(call: &Call) -> Outcome {
    configs::value_of(
        call.driver()?.as_driver().base().options(),
        call.text("name")?,
    )
}

fn cfg_local_names(call: &Call) -> Outcome {
    let mut names = call.driver()?.as_driver().base().options().local_names();
    names.sort();
    Ok(Value::List(names.into_iter().map(Value::Text).collect()))
}

fn cfg_set_parent(call: &Call) -> Outcome {
    let parent = call.named("parent")?;
    let node = call.driver()?.as_driver().base().options();
    node.set_parent(&parent.required::<ConfigHandle>("parent")?.node)?;
    Ok(Value::Null)
}
