//! The trace, sleeps, and probes of the process.

use std::fs;
use std::fs::File;
use std::time::{Duration, Instant};

use super::Entry;
use crate::category::of_io;
use crate::failure::Failure;
use crate::value::Value;
use crate::world::{Call, Outcome, seconds_of};

pub(super) const OPERATIONS: &[Entry] = &[
    ("sleep", sleep),
    ("probe_select", probe_select),
    ("fd_exhaust", fd_exhaust),
    ("var_eq", var_eq),
    ("trace.get", trace_get),
    ("trace.clear", trace_clear),
];

/// Part of a recorded conversation, not a way to synchronise with it.
fn sleep(call: &Call) -> Outcome {
    std::thread::sleep(seconds_of(call.float("s")?.unwrap_or_default())?);
    Ok(Value::Null)
}

/// How often threads of this process wake up by themselves: a server that is
/// left alone does not.
fn probe_select(call: &Call) -> Outcome {
    let before = wake_ups()?;
    let duration = seconds_of(call.float("duration")?.unwrap_or_default())?;
    let end = Instant::now() + duration;
    while let Some(rest) = end.checked_duration_since(Instant::now()) {
        std::thread::sleep(rest.max(Duration::from_micros(1)));
    }
    let count = match wake_ups()?.saturating_sub(before) {
        0..=5 => "few(<=5)",
        6..50 => "some",
        _ => "many(>=50)",
    };
    Ok(Value::map([
        ("select_calls", Value::text(count)),
        ("value_errors", Value::text("none")),
    ]))
}

fn wake_ups() -> Result<u64, Failure> {
    let mut sum = 0;
    for task in fs::read_dir("/proc/self/task").map_err(|error| of_io(&error))? {
        let path = task.map_err(|error| of_io(&error))?.path().join("status");
        // A thread may have ended meanwhile.
        let status = fs::read_to_string(path).unwrap_or_default();
        sum += status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))
            .and_then(|count| count.trim().parse::<u64>().ok())
            .unwrap_or_default();
    }
    Ok(sum)
}

/// Uses up descriptors until one has the number `upto`.
fn fd_exhaust(call: &Call) -> Outcome {
    use std::os::fd::AsRawFd;
    let upto = call.int("upto")?.unwrap_or_default();
    let mut files = Vec::new();
    loop {
        let file = File::open("/dev/null").map_err(|error| of_io(&error))?;
        let number = i64::from(file.as_raw_fd());
        files.push(file);
        if number >= upto {
            break;
        }
    }
    call.world.keep(files);
    Ok(Value::Bool(true))
}

fn var_eq(call: &Call) -> Outcome {
    let text = |name: &str| format!("{:?}", call.arg(name));
    Ok(Value::Bool(text("a") == text("b")))
}

fn trace_get(call: &Call) -> Outcome {
    let driver = call.given("driver").and_then(Value::as_str);
    let hooks = call.given("hooks").and_then(Value::items);
    let trace = call.world.trace.lock();
    let rows = trace.iter().filter(|(who, hook, _)| {
        driver.is_none_or(|driver| driver == who)
            && hooks.is_none_or(|hooks| hooks.iter().any(|wanted| wanted.as_str() == Some(hook)))
    });
    if call.flag("count_only", false) {
        return Ok(Value::count(rows.count()));
    }
    let names_only = call.flag("names_only", false);
    let row = |(who, hook, status): &(String, String, Value)| {
        let mut row = vec![Value::text(who), Value::text(hook)];
        if !names_only {
            row.push(status.clone());
        }
        Value::List(row)
    };
    Ok(Value::List(rows.map(row).collect()))
}

fn trace_clear(call: &Call) -> Outcome {
    call.world.trace.lock().clear();
    Ok(Value::Null)
}
