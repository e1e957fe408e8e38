//! The process of one vector: it runs the steps, and prints the answers.

use std::any::Any;
use std::collections::BTreeMap;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use indexmap::IndexMap;
use serde_json::{Value as Json, json};

use crate::decode::decode;
use crate::encode::{encode, encode_failure};
use crate::error::ConformanceError;
use crate::failure::Failure;
use crate::operations;
use crate::print;
use crate::vectors::{Step, Vector};
use crate::world::{Call, Outcome, World};

/// How long a step may take before it counts as blocked.
const DEFAULT_BOUND: f64 = 12.0;

/// The same where a block is what is wanted: no need to wait that long.
const SHORT_BOUND: f64 = 1.5;

/// An outcome, and how long it took.
type Timed = (Outcome, Duration);

pub(crate) fn from_standard_input() -> Result<(), ConformanceError> {
    let cannot = |source| ConformanceError::CannotRun { source };
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).map_err(cannot)?;
    let vector: Vector = serde_json::from_str(&text).map_err(|error| cannot(error.into()))?;
    let tmp = std::env::current_dir().map_err(cannot)?;
    // A panic is an answer, not something for the terminal.
    std::panic::set_hook(Box::new(|_| {}));
    let answers = Execution::new(&tmp.display().to_string()).run(&vector);
    print(&format!("{}\n", Json::Array(answers)))?;
    // Steps that block are left where they are.
    if let Ok(root) = standin::entity::default_root() {
        let _ = std::fs::remove_dir_all(root);
    }
    std::process::exit(0);
}

struct Execution {
    world: Arc<World>,
    background: BTreeMap<String, (Step, Receiver<Timed>)>,
}

impl Execution {
    fn new(tmp: &str) -> Self {
        Self {
            world: Arc::new(World::new(tmp)),
            background: BTreeMap::new(),
        }
    }

    fn run(&mut self, vector: &Vector) -> Vec<Json> {
        vector.steps.iter().map(|step| self.step(step)).collect()
    }

    fn step(&mut self, step: &Step) -> Json {
        if step.is_join() {
            return self.join(step);
        }
        let receiver = match self.begin(step) {
            Ok(receiver) => receiver,
            Err(failure) => return encode_failure(&self.world, &failure),
        };
        if let Some(handle) = &step.bg {
            let background = (step.clone(), receiver);
            self.background.insert(handle.clone(), background);
            return json!({ "started": true });
        }
        let blocks = step.wanted().get("blocked").is_some();
        let bound = if blocks { SHORT_BOUND } else { DEFAULT_BOUND };
        let bound = Duration::from_secs_f64(step.bound.unwrap_or(bound));
        match receiver.recv_timeout(bound) {
            Ok(timed) => self.finish(step, timed),
            Err(error) => blocked(error),
        }
    }

    /// Starts a step in a thread of its own.
    fn begin(&self, step: &Step) -> Result<Receiver<Timed>, Failure> {
        let operation = operations::find(&step.op)
            .ok_or_else(|| Failure::broken(format!("unsupported operation {}", step.op)))?;
        let on = match &step.on {
            None => None,
            Some(name) => Some(self.world.variable(name)?),
        };
        let mut args = IndexMap::new();
        for (name, value) in step.args.iter().flatten() {
            args.insert(name.clone(), decode(&self.world, value)?);
        }
        let call = Call {
            world: self.world.clone(),
            on,
            args,
        };
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let begun = Instant::now();
            let outcome = catch_unwind(AssertUnwindSafe(|| operation(&call)))
                .unwrap_or_else(|panic| Err(Failure::error("panic", panic_text(&*panic))));
            // Nobody listens any longer when the step was found to block.
            let _ = sender.send((outcome, begun.elapsed()));
        });
        Ok(receiver)
    }

    fn join(&mut self, step: &Step) -> Json {
        let args = step.args.clone().unwrap_or_default();
        let handle = args
            .get("handle")
            .and_then(Json::as_str)
            .unwrap_or_default();
        let within = args.get("within").and_then(Json::as_f64).unwrap_or(5.0);
        let Some((step, receiver)) = self.background.get(handle) else {
            let missing = Failure::broken(format!("there is no background step {handle}"));
            return encode_failure(&self.world, &missing);
        };
        match receiver.recv_timeout(Duration::from_secs_f64(within)) {
            Ok(timed) => self.finish(step, timed),
            Err(RecvTimeoutError::Timeout) => json!({ "still_running": true }),
            Err(error) => blocked(error),
        }
    }

    /// The answer to a step that has come to an end.
    fn finish(&self, step: &Step, (outcome, elapsed): Timed) -> Json {
        let mut answer = match outcome {
            Err(failure) => encode_failure(&self.world, &failure),
            Ok(value) => {
                let answer = match &step.name {
                    Some(name) if step.volatile => {
                        let kind = value.python_type();
                        let mut volatile = self.world.volatile.lock();
                        volatile.insert(name.clone(), value.clone());
                        json!({ "$bind": name, "type": kind })
                    }
                    _ => encode(&self.world, &value),
                };
                if let Some(name) = &step.name {
                    self.world.variables.lock().insert(name.clone(), value);
                }
                json!({ "ok": answer })
            }
        };
        if step.timing.is_some() {
            answer["elapsed_s"] = json!(elapsed.as_secs_f64());
        }
        answer
    }
}

fn blocked(error: RecvTimeoutError) -> Json {
    match error {
        RecvTimeoutError::Timeout => json!({ "blocked": true }),
        RecvTimeoutError::Disconnected => json!({ "broken": "the step's thread is gone" }),
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default()
}
