//! Runs the recorded vectors of the area `status` through the public API.
//!
//! `vectors/status.json` holds what the reference did, `vectors/differences.json`
//! where and why we do something else; an entry there that does not differ
//! any more fails the test, and so does a difference without an entry.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test program: what goes wrong in it fails the test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Map, Value, json};
use standin_entity::{
    Check, CheckInterval, EntityStatus, Error, HookPoint, Machine, PauseError, Resource,
    RestartError, Result, RunnableStatus, Settings, StartError, Status, Steps, StopError,
    Transitions, WaitError,
};

#[derive(Deserialize)]
struct File {
    area: String,
    count: usize,
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    id: String,
    title: String,
    steps: Vec<VectorStep>,
}

#[derive(Deserialize)]
struct VectorStep {
    op: String,
    on: Option<String>,
    #[serde(default)]
    args: Option<Map<String, Value>>,
    #[serde(rename = "as")]
    name: Option<String>,
    bg: Option<String>,
    expect: Value,
    correct: Option<Value>,
}

/// What is deliberately not as in the reference.
#[derive(Deserialize)]
struct Differences {
    differences: Vec<Difference>,
    elsewhere: Vec<Elsewhere>,
}

#[derive(Deserialize)]
struct Difference {
    id: String,
    reason: String,
    /// Index of the step, and what we answer there.
    #[serde(default)]
    steps: BTreeMap<usize, Value>,
    /// Index of the step, and how long it takes us at most, in seconds.
    #[serde(default)]
    faster: BTreeMap<usize, f64>,
}

#[derive(Deserialize)]
struct Elsewhere {
    id: String,
    reason: String,
}

fn load<T: for<'a> Deserialize<'a>>(text: &str) -> T {
    serde_json::from_str(text).expect("the file is in the repository and has its format")
}

#[test]
fn behaves_as_recorded() {
    let file: File = load(include_str!("vectors/status.json"));
    let listed: Arc<Differences> = Arc::new(load(include_str!("vectors/differences.json")));
    assert_eq!(
        (file.area.as_str(), file.count),
        ("status", file.vectors.len())
    );
    let known = |id: &str| file.vectors.iter().any(|vector| vector.id == id);
    for (id, reason) in (listed.differences.iter().map(|d| (&d.id, &d.reason)))
        .chain(listed.elsewhere.iter().map(|e| (&e.id, &e.reason)))
    {
        assert!(
            known(id) && reason.len() > 20,
            "{id}: unknown vector, or no reason"
        );
    }

    let mut mistakes = Vec::new();
    let mut threads = Vec::new();
    for vector in file.vectors {
        if listed
            .elsewhere
            .iter()
            .any(|elsewhere| elsewhere.id == vector.id)
        {
            continue;
        }
        let differences = Arc::clone(&listed);
        // Most of the time is spent in recorded waits.
        threads.push(std::thread::spawn(move || {
            run_vector(&vector, &differences)
        }));
    }
    for thread in threads {
        mistakes.extend(thread.join().expect("a vector does not panic"));
    }
    let differing: BTreeSet<&str> = (listed.differences.iter())
        .map(|difference| difference.id.as_str())
        .collect();
    println!(
        "status: {} vectors, {} as recorded, {} with deliberate differences, {} run elsewhere",
        file.count,
        file.count - differing.len() - listed.elsewhere.len(),
        differing.len(),
        listed.elsewhere.len(),
    );
    assert!(
        mistakes.is_empty(),
        "{} mistakes:\n{}",
        mistakes.len(),
        mistakes.join("\n")
    );
}

fn run_vector(vector: &Vector, listed: &Differences) -> Vec<String> {
    let difference = listed
        .differences
        .iter()
        .find(|difference| difference.id == vector.id);
    let tmp = tempfile::tempdir().expect("a temporary directory");
    let mut runner = Runner::new(tmp.path().to_str().expect("temporary paths are text"));
    let mut mistakes = Vec::new();
    for (index, step) in vector.steps.iter().enumerate() {
        let begun = Instant::now();
        let got = runner.step(step);
        let elapsed = begun.elapsed().as_secs_f64();
        let wanted = normal(step.correct.as_ref().unwrap_or(&step.expect));
        let ours = difference.and_then(|difference| difference.steps.get(&index));
        let faster = difference.and_then(|difference| difference.faster.get(&index));
        let place = format!("{} step {index} ({}): {}", vector.id, step.op, vector.title);
        if ours.is_some_and(|ours| *ours == wanted) {
            mistakes.push(format!("{place}\n  the listed difference is none"));
        }
        let wanted = ours.unwrap_or(&wanted);
        if got != *wanted {
            mistakes.push(format!("{place}\n  wanted {wanted}\n  got    {got}"));
        }
        if let Some(bounds) = step.expect.get("elapsed_s") {
            let (min, max) = (bounds["min"].as_f64(), bounds["max"].as_f64());
            let (min, max) = match faster {
                Some(most) => (0.0, *most),
                // The upper bound is there to catch a hang: other tests run too.
                None => (min.unwrap_or(0.0), max.unwrap_or(0.0) + 3.0),
            };
            if elapsed < min || elapsed > max {
                mistakes.push(format!(
                    "{place}\n  took {elapsed:.2} s, not {min} to {max}"
                ));
            }
        }
    }
    mistakes
}

/// An expectation without what other members of the file tell.
fn normal(expect: &Value) -> Value {
    let mut expect = expect.clone();
    if let Some(fields) = expect.as_object_mut() {
        fields.remove("elapsed_s");
    }
    expect
}

type Trace = Arc<Mutex<Vec<(String, String, Status)>>>;
type Outcome = Result<Value, &'static str>;

/// The one table from our errors to the recorded categories.
mod category {
    use super::*;

    pub(super) fn start(error: &StartError) -> &'static str {
        match error {
            StartError::Illegal { .. } => "illegal_transition",
            StartError::Timeout { .. } | StartError::Busy { .. } => "timeout",
            StartError::Step { .. } => "runtime_error",
            StartError::Aborted { .. } => "aborted",
            _ => "interrupted",
        }
    }

    pub(super) fn stop(error: &StopError) -> &'static str {
        match error {
            StopError::Illegal { .. } => "illegal_transition",
            StopError::Timeout { .. } | StopError::Busy { .. } => "timeout",
            StopError::Step { .. } => "runtime_error",
            _ => "aborted",
        }
    }

    pub(super) fn wait(error: &WaitError) -> &'static str {
        match error {
            WaitError::Unreachable { .. } => "illegal_transition",
            WaitError::Timeout { .. } => "timeout",
            WaitError::Start(error) => start(error),
            WaitError::Stop(error) => stop(error),
            WaitError::Aborted { .. } => "aborted",
            _ => "runtime_error",
        }
    }

    pub(super) fn restart(error: &RestartError) -> &'static str {
        match error {
            RestartError::Start(error) => start(error),
            RestartError::Stop(error) => stop(error),
            RestartError::Wait(error) => wait(error),
            _ => "runtime_error",
        }
    }

    pub(super) fn pause(error: &PauseError) -> &'static str {
        match error {
            PauseError::Illegal { .. } => "illegal_transition",
            _ => "runtime_error",
        }
    }
}

/// The recorded kind `TraceDriver`: tells which of its steps were called, and
/// fails, dawdles and becomes ready as the vector wants it.
struct TraceDriver {
    name: String,
    resource: Resource,
    trace: Trace,
    options: Map<String, Value>,
    behaviour: Map<String, Value>,
    counts: Mutex<BTreeMap<String, u64>>,
}

impl TraceDriver {
    fn number(&self, key: &str) -> Option<u64> {
        self.behaviour.get(key).and_then(Value::as_u64)
    }

    fn count(&self, key: &str) -> u64 {
        let mut counts = self.counts.lock().unwrap();
        let count = counts.entry(key.to_owned()).or_default();
        *count += 1;
        *count
    }

    fn note(&self, label: &str) {
        let entry = (self.name.clone(), label.to_owned(), self.resource.status());
        self.trace.lock().unwrap().push(entry);
    }

    fn called(&self, step: &str) -> Result<()> {
        self.note(step);
        if let Some(seconds) = self
            .behaviour
            .get("sleep")
            .and_then(|s| s.get(step))
            .and_then(Value::as_f64)
        {
            std::thread::sleep(Duration::from_secs_f64(seconds));
        }
        match self.behaviour.get("fail") {
            Some(fail) if fail["hook"] == step => {
                let times = fail["times"].as_u64().unwrap_or(u64::MAX);
                if self.count("failures") > times {
                    return Ok(());
                }
                Err(Error::msg(fail["message"].as_str().unwrap_or_default()))
            }
            _ => Ok(()),
        }
    }

    fn checked(&self, step: &str, not_ready: &str) -> Result<Check> {
        self.called(step)?;
        let count = self.count(step);
        Ok(Check::from(
            self.number(not_ready).is_none_or(|n| count > n),
        ))
    }

    fn interval(&self, key: &str) -> CheckInterval {
        let seconds = |value: &Value| Duration::from_secs_f64(value.as_f64().unwrap_or_default());
        match self.behaviour.get(key) {
            Some(Value::Array(ends)) => CheckInterval::from((seconds(&ends[0]), seconds(&ends[1]))),
            Some(value) => seconds(value).into(),
            // The reference's own.
            None => Duration::from_millis(200).into(),
        }
    }
}

impl Steps for TraceDriver {
    fn settings(&self) -> Result<Settings> {
        let timeout = self
            .options
            .get("timeout")
            .and_then(Value::as_f64)
            .unwrap_or(300.0);
        let timeout = Duration::from_secs_f64(timeout);
        Ok(Settings {
            start_timeout: timeout,
            stop_timeout: timeout,
            started_check_interval: self.interval("started_check_interval"),
            stopped_check_interval: self.interval("stopped_check_interval"),
            async_start: self
                .options
                .get("async_start")
                .and_then(Value::as_bool)
                .unwrap_or(false),
            ..Settings::default()
        })
    }

    fn pre_start(&self) -> Result<()> {
        let runpath = self.options.get("runpath").and_then(Value::as_str);
        self.resource
            .entity()
            .define_runpath(runpath.map(Into::into))?;
        self.resource.entity().make_runpath_dirs(true)?;
        self.called("pre_start")
    }

    fn starting(&self) -> Result<()> {
        self.called("starting")
    }

    fn started_check(&self) -> Result<Check> {
        self.checked("started_check", "started_after_checks")
    }

    fn post_start(&self) -> Result<()> {
        self.called("post_start")
    }

    fn pre_stop(&self) -> Result<()> {
        self.called("pre_stop")
    }

    fn stopping(&self) -> Result<()> {
        self.called("stopping")
    }

    fn stopped_check(&self) -> Result<Check> {
        self.checked("stopped_check", "stopped_after_checks")
    }

    fn post_stop(&self) -> Result<()> {
        self.called("post_stop")
    }

    fn aborting(&self) -> Result<()> {
        self.called("aborting")
    }

    fn pausing(&self) -> Result<()> {
        self.called("pausing")
    }

    fn resuming(&self) -> Result<()> {
        self.called("resuming")
    }

    fn hook(&self, point: HookPoint) -> Result<()> {
        let Some(hook) = self
            .options
            .get(point.as_str())
            .and_then(|option| option.get("$fn"))
        else {
            return Ok(());
        };
        self.note(hook["label"].as_str().unwrap_or_default());
        match hook.get("raise").and_then(Value::as_str) {
            Some(message) => Err(Error::msg(message)),
            None => Ok(()),
        }
    }
}

enum AnyMachine {
    Entity(Machine<EntityStatus>),
    Resource(Machine<Status>),
    Runnable(Machine<RunnableStatus>),
}

fn machine_step<S>(machine: &mut Machine<S>, op: &str, to: Option<&str>) -> Outcome
where
    S: Transitions + Default + std::str::FromStr,
{
    let to = match to.unwrap_or("NONE").parse::<S>() {
        Ok(to) => to,
        // What the table does not know, it does not allow.
        Err(_) => return Err("illegal_transition"),
    };
    match op {
        "status.change" => drop(machine.change(to).map_err(|_| "illegal_transition")?),
        "status.force" => machine.force(to),
        "status.reset" => machine.reset(),
        "status.current" => {}
        other => panic!("unknown operation {other}"),
    }
    Ok(tag(&machine.current().to_string()))
}

fn tag(status: &str) -> Value {
    if status == "NONE" {
        Value::Null
    } else {
        json!(status)
    }
}

struct Runner {
    tmp: String,
    machines: BTreeMap<String, AnyMachine>,
    drivers: BTreeMap<String, Arc<TraceDriver>>,
    trace: Trace,
    background: BTreeMap<String, Receiver<Outcome>>,
}

impl Runner {
    fn new(tmp: &str) -> Self {
        Self {
            tmp: tmp.to_owned(),
            machines: BTreeMap::new(),
            drivers: BTreeMap::new(),
            trace: Trace::default(),
            background: BTreeMap::new(),
        }
    }

    fn step(&mut self, step: &VectorStep) -> Value {
        let args = step.args.clone().unwrap_or_default();
        let outcome = match (step.op.as_str(), step.on.as_deref(), &step.bg) {
            ("join", _, _) => {
                let within = Duration::from_secs_f64(args["within"].as_f64().unwrap_or(5.0));
                let handle = args["handle"].as_str().unwrap_or_default();
                match self.background[handle].recv_timeout(within) {
                    Ok(outcome) => outcome,
                    Err(_) => return json!({"still_running": true}),
                }
            }
            (op, Some(on), Some(handle)) => {
                let (sender, receiver) = mpsc::channel();
                let (driver, op) = (Arc::clone(&self.drivers[on]), op.to_owned());
                std::thread::spawn(move || sender.send(driver_step(&driver, &op, &args)));
                self.background.insert(handle.clone(), receiver);
                return json!({"started": true});
            }
            ("sleep", _, _) => {
                std::thread::sleep(Duration::from_secs_f64(
                    args["s"].as_f64().unwrap_or_default(),
                ));
                Ok(Value::Null)
            }
            ("trace.get", _, _) => Ok(self.trace_rows(&args)),
            ("trace.clear", _, _) => {
                self.trace.lock().unwrap().clear();
                Ok(Value::Null)
            }
            ("driver.new", _, _) => {
                Ok(self.new_driver(step.name.as_deref().unwrap_or_default(), &args))
            }
            ("status.new", _, _) => {
                let machine = match args["class"].as_str() {
                    Some("EntityStatus") => AnyMachine::Entity(Machine::default()),
                    Some("ResourceStatus") => AnyMachine::Resource(Machine::default()),
                    Some("RunnableStatus") => AnyMachine::Runnable(Machine::default()),
                    other => panic!("unknown class {other:?}"),
                };
                self.machines
                    .insert(step.name.clone().unwrap_or_default(), machine);
                Ok(Value::Null)
            }
            (op, Some(on), None) if op.starts_with("status.") => {
                let to = args.get("to").and_then(Value::as_str);
                match self.machines.get_mut(on).expect("made by status.new") {
                    AnyMachine::Entity(machine) => machine_step(machine, op, to),
                    AnyMachine::Resource(machine) => machine_step(machine, op, to),
                    AnyMachine::Runnable(machine) => machine_step(machine, op, to),
                }
            }
            (op, Some(on), None) => driver_step(&self.drivers[on], op, &args),
            (op, None, _) => panic!("unknown operation {op}"),
        };
        match outcome {
            Ok(value) => json!({"ok": value}),
            Err(category) => json!({"error": {"category": category}}),
        }
    }

    fn new_driver(&mut self, handle: &str, args: &Map<String, Value>) -> Value {
        let text = serde_json::to_string(args).expect("values are JSON");
        let args: Map<String, Value> = load(&text.replace("${TMP}", &self.tmp));
        let object = |key: &str| {
            args.get(key)
                .and_then(Value::as_object)
                .cloned()
                .unwrap_or_default()
        };
        let options = object("options");
        let name = options["name"].as_str().unwrap_or_default().to_owned();
        let driver = TraceDriver {
            resource: Resource::new(&name).expect("recorded names are good"),
            name,
            trace: Arc::clone(&self.trace),
            options,
            behaviour: object("behaviour"),
            counts: Mutex::default(),
        };
        self.drivers.insert(handle.to_owned(), Arc::new(driver));
        json!({"$obj": args["kind"]})
    }

    fn trace_rows(&self, args: &Map<String, Value>) -> Value {
        let hooks = args.get("hooks").and_then(Value::as_array);
        let trace = self.trace.lock().unwrap();
        let rows = trace.iter().filter(|(_, hook, _)| {
            hooks.is_none_or(|hooks| hooks.iter().any(|wanted| wanted == hook))
        });
        rows.map(|(driver, hook, status)| json!([driver, hook, tag(status.as_str())]))
            .collect()
    }
}

fn driver_step(driver: &TraceDriver, op: &str, args: &Map<String, Value>) -> Outcome {
    let resource = &driver.resource;
    let wait = |status| {
        resource
            .wait(driver, status, None)
            .map_err(|e| category::wait(&e))
    };
    match op {
        "driver.start" => resource.start(driver).map_err(|e| category::start(&e))?,
        "driver.stop" => resource.stop(driver).map_err(|e| category::stop(&e))?,
        "driver.enter" => {
            resource.start(driver).map_err(|e| category::start(&e))?;
            wait(Status::Started)?;
        }
        "driver.exit" => {
            resource.stop(driver).map_err(|e| category::stop(&e))?;
            wait(Status::Stopped)?;
        }
        "driver.wait" => {
            let target: Status = args["status"]
                .as_str()
                .unwrap_or_default()
                .parse()
                .expect("a status");
            let timeout = args
                .get("timeout")
                .and_then(Value::as_f64)
                .map(Duration::from_secs_f64);
            resource
                .wait(driver, target, timeout)
                .map_err(|e| category::wait(&e))?;
        }
        "driver.restart" => resource
            .restart(driver)
            .map_err(|e| category::restart(&e))?,
        "driver.pause" => resource.pause(driver).map_err(|e| category::pause(&e))?,
        "driver.resume" => resource.resume(driver).map_err(|e| category::pause(&e))?,
        "driver.force_stop" => resource.force_stop(),
        "driver.force_started" => resource.force_started(),
        "driver.set_status" => {
            let to = args["to"].as_str().unwrap_or("NONE");
            resource.force(to.parse().expect("a status"));
        }
        "driver.abort" | "driver.flags" => {
            if op == "driver.abort" {
                resource.abort(driver).map_err(|_| "runtime_error")?;
            }
            let mut flags =
                json!({"aborted": resource.is_aborted(), "active": resource.is_active()});
            if op == "driver.abort" {
                flags["status"] = tag(resource.status().as_str());
            }
            return Ok(flags);
        }
        "driver.status" => {}
        "driver.timers" => {
            let timers = resource.timers();
            let mut rows: Vec<(&str, Value)> = timers
                .iter()
                .map(|(name, all)| {
                    (
                        name,
                        all.iter()
                            .map(|i| json!({"ended": i.has_ended()}))
                            .collect(),
                    )
                })
                .collect();
            rows.sort_by_key(|(name, _)| *name);
            return Ok(rows
                .into_iter()
                .map(|(name, all)| (name.to_owned(), all))
                .collect());
        }
        "driver.timer_elapsed" => {
            let key = args["key"].as_str().unwrap_or_default();
            let index = args["index"].as_u64().unwrap_or_default() as usize;
            let timers = resource.timers();
            let elapsed = timers.get(key)[index].elapsed().expect("it has ended");
            return Ok(json!((elapsed.as_secs_f64() * 10.0).round() / 10.0));
        }
        other => panic!("unknown operation {other}"),
    }
    Ok(tag(resource.status().as_str()))
}
