//! The life of drivers as a trace in Chrome's format, which <https://ui.perfetto.dev> opens.

use std::time::Duration;

use serde_json::{Value, json};

use crate::driver::until;
use crate::transcript::{Story, Transcript};

impl Transcript {
    /// Returns the steps of all drivers as a trace in Chrome's format, for
    /// [Perfetto](https://ui.perfetto.dev): a row for each driver, with its steps, the
    /// conditions of its readiness and the lines of its logs. Times are those of the clock on
    /// the wall, so that it can be opened beside the trace of a test runner.
    pub fn to_chrome_trace(&self) -> String {
        let process = std::process::id();
        let since = self.started.duration_since(std::time::UNIX_EPOCH);
        let begin = since.unwrap_or_default();
        let mut events = vec![json!({
            "ph": "M", "name": "process_name", "pid": process, "tid": 0,
            "args": { "name": format!("standin: {}", self.name) },
        })];
        for (number, story) in self.drivers.iter().enumerate() {
            let thread = number + 1;
            events.push(json!({
                "ph": "M", "name": "thread_name", "pid": process, "tid": thread,
                "args": { "name": &*story.name },
            }));
            events.push(json!({
                "ph": "M", "name": "thread_sort_index", "pid": process, "tid": thread,
                "args": { "sort_index": thread },
            }));
            let base = json!({ "pid": process, "tid": thread });
            rows(story, self.taken, begin, &base, &mut events);
        }
        json!({ "displayTimeUnit": "ms", "traceEvents": events }).to_string()
    }
}

fn rows(story: &Story, taken: Duration, begin: Duration, base: &Value, out: &mut Vec<Value>) {
    let mut add = |more: Value| {
        let mut event = base.clone();
        if let (Value::Object(event), Value::Object(more)) = (&mut event, more) {
            event.extend(more);
        }
        out.push(event);
    };
    for step in &story.steps {
        add(json!({
            "ph": "X", "cat": "step", "name": step.name,
            "ts": micros(begin + step.at), "dur": micros(until(step, taken)),
            "args": { "error": step.error, "waits for": story.waits_for },
        }));
    }
    for probe in &story.probes {
        add(json!({
            "ph": "X", "cat": "readiness", "name": probe.condition,
            "ts": micros(begin + probe.first),
            "dur": micros(probe.last.saturating_sub(probe.first)),
            "args": { "last answer": probe.answer, "asked": probe.count, "met": probe.is_met },
        }));
    }
    for line in &story.lines {
        add(json!({
            "ph": "i", "s": "t", "cat": "log", "name": line.text,
            "ts": micros(begin + line.at), "args": { "log": line.log },
        }));
    }
    if let Some(end) = &story.exit {
        add(json!({
            "ph": "i", "s": "t", "cat": "exit", "name": end.how, "ts": micros(begin + end.at),
            "args": { "expected": end.is_expected },
        }));
    }
}

/// The format's unit, with the nanoseconds behind the point.
fn micros(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1e3
}
