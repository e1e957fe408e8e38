//! Waiting, intervals, durations and timers.
//!
//! A condition is waited for as a resource waits for its readiness; that is the
//! one loop of ours that checks again and again.

use std::sync::Arc;
use std::time::Duration;

use standin::config::duration;
use standin::entity::{CheckInterval, Entity, Resource, ResourceBuilder, StartError, Steps, Timer};
use standin::{Check, Error, Result};

use super::Entry;
use crate::failure::Failure;
use crate::value::Value;
use crate::world::{Call, Outcome, Shared, seconds_of};

pub(super) const OPERATIONS: &[Entry] = &[
    ("timing.wait", wait),
    ("timing.wait_failed_action", wait_failed_action),
    ("timing.get_sleeper", get_sleeper),
    ("timing.sleeper_intervals", sleeper_intervals),
    ("timing.parse_duration", parse_duration),
    ("timing.format_duration", format_duration),
    ("timing.exponential_interval", exponential_interval),
    ("timing.timer", timer),
    ("timing.timer_record_raise", timer_record_raise),
    ("timing.timer_merge_alias", timer_merge_alias),
    ("timing.retry", retry),
    ("pocketwatch.sequence", pocketwatch),
];

/// A condition, as something that becomes ready.
struct Condition<F> {
    check: F,
    interval: CheckInterval,
}

impl<F: Fn() -> Result<Check> + Send + Sync> Steps for Condition<F> {
    fn started_check_interval(&self) -> CheckInterval {
        self.interval
    }

    fn started_check(&self) -> Result<Check> {
        (self.check)()
    }
}

/// Waits for a condition.
fn wait_until(
    check: impl Fn() -> Result<Check> + Send + Sync,
    interval: CheckInterval,
    timeout: Duration,
) -> std::result::Result<(), StartError> {
    let options = ResourceBuilder::new().name("condition").timeout(timeout);
    let Ok(entity) = Entity::with_options("resource", "resource", options) else {
        return Ok(());
    };
    Resource::from_entity(entity).start(&Condition { check, interval })
}

fn seconds(value: Option<&Value>) -> std::result::Result<f64, Failure> {
    match value {
        Some(Value::Int(number)) => Ok(*number as f64),
        Some(Value::Float(number)) => Ok(*number),
        _ => Err(Failure::broken("a number of seconds is missing")),
    }
}

/// An interval: a number, or the first and the longest.
fn interval(value: Option<&Value>) -> std::result::Result<CheckInterval, Failure> {
    let of = |value: Option<&Value>| seconds(value).and_then(seconds_of);
    match value.and_then(Value::items) {
        Some(ends) => Ok((of(ends.first())?, of(ends.get(1))?).into()),
        None => Ok(of(value)?.into()),
    }
}

fn timeout(call: &Call) -> std::result::Result<Duration, Failure> {
    seconds_of(seconds(call.arg("timeout"))?)
}

fn wait(call: &Call) -> Outcome {
    let values = call.list("values");
    let count = Shared::new(0);
    let last = Shared::new(Value::Null);
    let check = || {
        let mut count = count.lock();
        let value = values.get(*count).or(values.last()).cloned();
        *count += 1;
        let value = value.unwrap_or(Value::Null);
        *last.lock() = value.clone();
        // Only what is true is: not what Python takes for it.
        Ok(Check::from(matches!(value, Value::Bool(true))))
    };
    let between = match call.arg("interval") {
        None => Duration::from_millis(50).into(),
        value => interval(value)?,
    };
    match wait_until(check, between, timeout(call)?) {
        Ok(()) => Ok(last.lock().clone()),
        Err(StartError::Timeout { .. }) if !call.flag("raise_on_timeout", true) => {
            Ok(last.lock().clone())
        }
        Err(error) => Err(error.into()),
    }
}

fn wait_failed_action(call: &Call) -> Outcome {
    let reason = call.text("error_msg")?;
    let between = Duration::from_millis(50).into();
    wait_until(|| Ok(Check::not_yet(reason)), between, timeout(call)?)?;
    Ok(Value::Bool(true))
}

/// How often a condition that is never met is looked at.
fn get_sleeper(call: &Call) -> Outcome {
    let count = Shared::new(0_i64);
    let check = || {
        *count.lock() += 1;
        Ok(Check::NotYet(String::new()))
    };
    let over = wait_until(check, interval(call.arg("interval"))?, timeout(call)?);
    if call.given("raise_timeout_with_msg").is_some() {
        over?;
    }
    let count = *count.lock();
    Ok(Value::map([
        ("true_yields", Value::Int(count)),
        ("then", Value::Bool(false)),
    ]))
}

fn rounded(seconds: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (seconds * scale).round() / scale
}

/// The intervals between the looks at a condition that is never met.
fn sleeper_intervals(call: &Call) -> Outcome {
    let interval = interval(call.arg("interval"))?;
    let limit = timeout(call)?;
    let mut sleeps = Vec::new();
    let mut elapsed = Duration::ZERO;
    let mut checks = 1;
    while elapsed <= limit {
        let sleep = interval.after(checks);
        elapsed += sleep;
        sleeps.push(Value::Float(rounded(sleep.as_secs_f64(), 3)));
        checks += 1;
    }
    let yields = Value::count(sleeps.len());
    Ok(Value::map([
        ("sleeps", Value::List(sleeps)),
        ("true_yields", yields),
    ]))
}

fn parse_duration(call: &Call) -> Outcome {
    match duration::parse(call.text("text")?) {
        Ok(duration) => Ok(Value::Float(duration.as_secs_f64())),
        Err(error) => Err(Failure::error("invalid_argument", error.to_string())),
    }
}

fn format_duration(call: &Call) -> Outcome {
    Ok(Value::Text(duration::format(seconds_of(seconds(
        call.arg("seconds"),
    )?)?)))
}

/// Intervals that grow twofold; no others are there.
fn exponential_interval(call: &Call) -> Outcome {
    let given = |name: &str, default: f64| match call.given(name) {
        None => Ok(default),
        value => seconds(value),
    };
    if given("multiplier", 2.0)? != 2.0 || call.given("minimum").is_some() {
        return Err(Failure::error("type_error", "an interval grows twofold"));
    }
    let longest = given("maximum", f64::from(u32::MAX))?;
    let interval: CheckInterval =
        (seconds_of(given("initial", 0.1)?)?, seconds_of(longest)?).into();
    let count = u32::try_from(call.int("n")?.unwrap_or_default()).unwrap_or_default();
    let values = (1..=count).map(|check| rounded(interval.after(check).as_secs_f64(), 4));
    Ok(Value::List(values.map(Value::Float).collect()))
}

fn ends(timer: &Timer) -> Value {
    let rows = timer.iter().map(|(name, intervals)| {
        let ended = intervals
            .iter()
            .map(|interval| Value::Bool(interval.has_ended()));
        (name.to_owned(), Value::List(ended.collect()))
    });
    Value::Map(rows.collect())
}

fn timer(call: &Call) -> Outcome {
    let mut timer = Timer::new();
    for action in call.list("actions") {
        match action.items() {
            Some([Value::Text(action), Value::Text(name)]) => match action.as_str() {
                "start" => timer.start(name),
                "end" => drop(timer.end(name)?),
                "record" => {
                    timer.start(name);
                    timer.end(name)?;
                }
                other => return Err(Failure::broken(format!("unknown action {other}"))),
            },
            _ => return Err(Failure::broken("an action has a verb and a name")),
        }
    }
    Ok(ends(&timer))
}

fn timer_record_raise(call: &Call) -> Outcome {
    let entity = Entity::new("timed")?;
    let failed: Result<()> = entity.record(call.text("key")?, || Err(Error::msg("x")));
    drop(failed);
    Ok(ends(&entity.timer()))
}

/// Timers that were merged stay apart.
fn timer_merge_alias(_: &Call) -> Outcome {
    let (mut a, mut b) = (Timer::new(), Timer::new());
    b.start("k");
    a.merge(&b);
    a.start("k");
    Ok(Value::map([
        ("a", Value::count(a.get("k").len())),
        ("b", Value::count(b.get("k").len())),
    ]))
}

/// Tries again while it fails in the expected way.
fn retry(call: &Call) -> Outcome {
    let text = |name: &str| {
        call.given(name)
            .and_then(Value::as_str)
            .unwrap_or("KeyError")
    };
    let expected = text("exception") == text("raises");
    let fail_times = call.int("fail_times")?.unwrap_or_default();
    let count = Arc::new(Shared::new(0_i64));
    let check = || {
        let mut count = count.lock();
        *count += 1;
        match *count <= fail_times {
            false => Ok(Check::Ready),
            true if expected => Ok(Check::not_yet("nope")),
            true => Err(Error::msg("nope")),
        }
    };
    let between = Duration::from_millis(50).into();
    match wait_until(check, between, timeout(call)?) {
        Ok(()) => Ok(Value::Int(*count.lock())),
        Err(StartError::Timeout { .. }) if !call.flag("raise_on_timeout", true) => Ok(Value::Null),
        Err(error @ StartError::Timeout { .. }) => Err(error.into()),
        Err(_) => Err(Failure::error(
            if text("raises") == "KeyError" {
                "unknown_key"
            } else {
                "invalid_argument"
            },
            "nope",
        )),
    }
}

/// Sleeps and checks on a clock that only sleeps move: after a sleep, a check
/// is due.
fn pocketwatch(call: &Call) -> Outcome {
    let first = seconds_of(seconds(call.arg("interval"))?)?;
    let cap = seconds_of(seconds(call.arg("cap")).unwrap_or(0.0))?;
    let interval: CheckInterval = match cap {
        Duration::ZERO => first.into(),
        cap => (first, cap).into(),
    };
    let mut events = Vec::new();
    let (mut elapsed, mut due_in, mut checks) = (Duration::ZERO, interval.after(1), 1);
    for step in call.list("calls") {
        let sleep = interval.after(checks);
        events.push(Value::List(match step.as_str() {
            Some("sleep") => {
                elapsed += sleep;
                due_in = due_in.saturating_sub(sleep);
                let slept = rounded(sleep.as_secs_f64(), 3);
                vec![Value::text("sleep"), Value::Float(slept)]
            }
            _ => {
                let due = due_in.is_zero();
                if due {
                    checks += 1;
                    due_in = interval.after(checks);
                }
                vec![Value::text("check"), Value::Bool(due)]
            }
        }));
    }
    Ok(Value::map([
        ("events", Value::List(events)),
        ("elapsed", Value::Float(rounded(elapsed.as_secs_f64(), 3))),
    ]))
}
