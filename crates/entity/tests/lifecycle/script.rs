//! Steps that do what a test wants of them.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use standin_config::Value;
use standin_entity::{
    AbortError, Check, CheckInterval, Entity, Error, HookPoint, Resource, ResourceBuilder, Result,
    StartError, Status, Steps, StopError, Timer, WaitError,
};

/// Long enough that only a hang gets there.
pub(crate) const LONG: Duration = Duration::from_secs(30);

pub(crate) type Call = Box<dyn Fn(&Script) -> Result<()> + Send + Sync>;

/// Steps that do what a test wants of them.
pub(crate) struct Script {
    pub(crate) resource: Resource,
    pub(crate) calls: HashMap<String, Call>,
    /// How many checks say "not yet" before they are ready.
    pub(crate) not_ready: AtomicU32,
    pub(crate) not_down: AtomicU32,
    pub(crate) grace: Duration,
    pub(crate) trace: Mutex<Vec<String>>,
}

impl Script {
    pub(crate) fn new() -> Self {
        let options = ResourceBuilder::new()
            .timeout(LONG)
            .status_wait_timeout(LONG);
        let entity = Entity::with_options("resource", "resource", options.name("peer"));
        Self::of(entity.expect("a good name"))
    }

    pub(crate) fn of(entity: Entity) -> Self {
        Self {
            resource: Resource::from_entity(entity),
            calls: HashMap::new(),
            not_ready: AtomicU32::new(0),
            not_down: AtomicU32::new(0),
            grace: Duration::ZERO,
            trace: Mutex::default(),
        }
    }

    pub(crate) fn on(
        mut self,
        step: &str,
        call: impl Fn(&Self) -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        self.calls.insert(step.to_owned(), Box::new(call));
        self
    }

    /// Sets an option.
    pub(crate) fn set(self, option: &str, value: impl Into<Value>) -> Self {
        let options = self.resource.entity().options();
        options.set_local(option, value).expect("a good value");
        self
    }

    /// How long a start and a stop may take.
    pub(crate) fn within(self, timeout: Duration) -> Self {
        self.set("timeout", timeout.as_secs_f64())
    }

    pub(crate) fn failing(self, step: &str) -> Self {
        let message = format!("{step} is broken");
        self.on(step, move |_| Err(Error::msg(message.clone())))
    }

    pub(crate) fn asynchronous(self) -> Self {
        self.set("async_start", true)
    }

    pub(crate) fn never_ready(self) -> Self {
        self.not_ready.store(u32::MAX, SeqCst);
        self
    }

    pub(crate) fn never_down(self) -> Self {
        self.not_down.store(u32::MAX, SeqCst);
        self
    }

    /// How long it says that it takes to stop by itself.
    pub(crate) fn with_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    pub(crate) fn become_ready(&self) {
        self.not_ready.store(0, SeqCst);
        self.resource.notify();
    }

    pub(crate) fn call(&self, step: &str) -> Result<()> {
        self.trace
            .lock()
            .expect("no panic under it")
            .push(step.to_owned());
        self.calls.get(step).map_or(Ok(()), |call| call(self))
    }

    pub(crate) fn check(&self, step: &str, not_yet: &AtomicU32) -> Result<Check> {
        self.call(step)?;
        let left = not_yet.load(SeqCst);
        if left == 0 {
            return Ok(Check::Ready);
        }
        not_yet.store(left - 1, SeqCst);
        Ok(Check::not_yet("the log does not say `ready`"))
    }

    pub(crate) fn start(&self) -> Result<(), StartError> {
        self.resource.start(self)
    }

    pub(crate) fn stop(&self) -> Result<(), StopError> {
        self.resource.stop(self)
    }

    pub(crate) fn wait(
        &self,
        status: Status,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<(), WaitError> {
        self.resource.wait(self, status, timeout)
    }

    pub(crate) fn abort(&self) -> Result<(), AbortError> {
        self.resource.abort(self)
    }

    pub(crate) fn status(&self) -> Status {
        self.resource.status()
    }

    pub(crate) fn take_trace(&self) -> Vec<String> {
        std::mem::take(&mut *self.trace.lock().expect("no panic under it"))
    }

    pub(crate) fn await_call(&self, step: &str) {
        let begun = Instant::now();
        while !self
            .trace
            .lock()
            .expect("no panic under it")
            .iter()
            .any(|called| called == step)
        {
            assert!(begun.elapsed() < LONG, "{step} is not called");
            thread::yield_now();
        }
    }
}

impl Steps for Script {
    fn pre_start(&self) -> Result<()> {
        self.call("pre_start")
    }

    fn starting(&self) -> Result<()> {
        self.call("starting")
    }

    fn started_check(&self) -> Result<Check> {
        self.check("started_check", &self.not_ready)
    }

    fn post_start(&self) -> Result<()> {
        self.call("post_start")
    }

    fn pre_stop(&self) -> Result<()> {
        self.call("pre_stop")
    }

    fn stopping(&self) -> Result<()> {
        self.call("stopping")
    }

    fn stopped_check(&self) -> Result<Check> {
        self.check("stopped_check", &self.not_down)
    }

    fn post_stop(&self) -> Result<()> {
        self.call("post_stop")
    }

    fn aborting(&self) -> Result<()> {
        self.call("aborting")
    }

    fn pausing(&self) -> Result<()> {
        self.call("pausing")
    }

    fn resuming(&self) -> Result<()> {
        self.call("resuming")
    }

    fn hook(&self, point: HookPoint) -> Result<()> {
        self.call(&format!("hook {point}"))
    }

    fn describe_failure(&self) -> Vec<String> {
        match self.call("describe_failure") {
            Ok(()) => vec!["app.log:".to_owned(), "  out of memory".to_owned()],
            Err(error) => vec![error.to_string()],
        }
    }

    fn stop_grace(&self) -> Duration {
        self.grace
    }

    fn started_check_interval(&self) -> CheckInterval {
        CheckInterval::Fixed(LONG)
    }

    fn stopped_check_interval(&self) -> CheckInterval {
        CheckInterval::Fixed(LONG)
    }
}

pub(crate) const STOP_STEPS: [&str; 6] = [
    "pre_stop",
    "hook pre_stop",
    "stopping",
    "stopped_check",
    "post_stop",
    "hook post_stop",
];

#[track_caller]
pub(crate) fn check_down_and_startable(script: &Script) {
    assert_eq!(script.status(), Status::Stopped);
    for name in [Timer::SETUP, Timer::TEARDOWN, Timer::LIFESPAN] {
        let timers = script.resource.timers();
        assert!(
            timers.get(name).iter().all(|interval| interval.has_ended()),
            "{name} is open"
        );
    }
}
