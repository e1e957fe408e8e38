//! Any operation on a resource, with any step in trouble, and what it promises: for
//! random sequences of them, by proptest beside this folder and by libFuzzer.

use std::sync::Mutex;
use std::time::Duration;

use standin_config::Value;
use standin_entity::{
    Check, Entity, Error, HookPoint, Resource, ResourceBuilder, Result, StartError, Status, Step,
    Steps, StopError, Timer,
};

pub(crate) const STEPS: [Step; 14] = [
    Step::PreStart,
    Step::Hook(HookPoint::PreStart),
    Step::Starting,
    Step::StartedCheck,
    Step::PostStart,
    Step::Hook(HookPoint::PostStart),
    Step::PreStop,
    Step::Hook(HookPoint::PreStop),
    Step::Stopping,
    Step::StoppedCheck,
    Step::PostStop,
    Step::Hook(HookPoint::PostStop),
    Step::Pausing,
    Step::Resuming,
];

/// The only status in which a step is called.
fn status_of(step: Step) -> Status {
    match step {
        Step::PreStart | Step::Hook(HookPoint::PreStart) | Step::Starting | Step::StartedCheck => {
            Status::Starting
        }
        Step::PostStart | Step::Hook(HookPoint::PostStart) => Status::Started,
        Step::PreStop | Step::Hook(HookPoint::PreStop) | Step::Stopping | Step::StoppedCheck => {
            Status::Stopping
        }
        Step::PostStop | Step::Hook(HookPoint::PostStop) => Status::Stopped,
        Step::Pausing => Status::Pausing,
        Step::Resuming => Status::Resuming,
        other => panic!("{other} has no status of its own"),
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Trouble {
    Fails,
    Panics,
    /// A check says "not yet"; another step does nothing special.
    Waits,
}

#[derive(Clone, Debug)]
pub(crate) enum Operation {
    Start,
    Stop,
    Restart,
    Pause,
    Resume,
    Wait(Status),
    Abort,
    ForceStop,
    ForceStarted,
    Asynchronous(Option<bool>),
    Trouble(Option<(Step, Trouble)>),
}

fn set(resource: &Resource, option: &str, value: impl Into<Value>) {
    let options = resource.entity().options();
    options.set_local(option, value).unwrap();
}

struct Subject {
    resource: Resource,
    trouble: Mutex<Option<(Step, Trouble)>>,
    trace: Mutex<Vec<(Step, Status)>>,
}

impl Subject {
    fn new() -> Self {
        let options = ResourceBuilder::new()
            .name("subject")
            .timeout(Duration::ZERO);
        let entity = Entity::with_options("resource", "resource", options).unwrap();
        Self {
            resource: Resource::from_entity(entity),
            trouble: Mutex::default(),
            trace: Mutex::default(),
        }
    }

    fn call(&self, step: Step) -> Result<()> {
        self.trace
            .lock()
            .unwrap()
            .push((step, self.resource.status()));
        let trouble = *self.trouble.lock().unwrap();
        match trouble {
            Some((at, Trouble::Fails)) if at == step => Err(Error::msg("fails")),
            // Past the panic hook: for a fuzzer every panic is a crash.
            Some((at, Trouble::Panics)) if at == step => {
                std::panic::resume_unwind(Box::new("panics"))
            }
            _ => Ok(()),
        }
    }

    fn check(&self, step: Step) -> Result<Check> {
        self.call(step)?;
        let trouble = *self.trouble.lock().unwrap();
        Ok(Check::from(
            !matches!(trouble, Some((at, Trouble::Waits)) if at == step),
        ))
    }
}

impl Steps for Subject {
    fn pre_start(&self) -> Result<()> {
        self.call(Step::PreStart)
    }

    fn starting(&self) -> Result<()> {
        self.call(Step::Starting)
    }

    fn started_check(&self) -> Result<Check> {
        self.check(Step::StartedCheck)
    }

    fn post_start(&self) -> Result<()> {
        self.call(Step::PostStart)
    }

    fn pre_stop(&self) -> Result<()> {
        self.call(Step::PreStop)
    }

    fn stopping(&self) -> Result<()> {
        self.call(Step::Stopping)
    }

    fn stopped_check(&self) -> Result<Check> {
        self.check(Step::StoppedCheck)
    }

    fn post_stop(&self) -> Result<()> {
        self.call(Step::PostStop)
    }

    fn pausing(&self) -> Result<()> {
        self.call(Step::Pausing)
    }

    fn resuming(&self) -> Result<()> {
        self.call(Step::Resuming)
    }

    fn hook(&self, point: HookPoint) -> Result<()> {
        self.call(Step::Hook(point))
    }
}

/// Runs one operation and checks what it promises.
fn apply(subject: &Subject, operation: &Operation) {
    let resource = &subject.resource;
    let before = resource.status();
    match operation {
        Operation::Start => match resource.start(subject) {
            Ok(()) => assert!(matches!(
                resource.status(),
                Status::Starting | Status::Started
            )),
            Err(StartError::Illegal { .. } | StartError::Aborted { .. }) => {
                assert_eq!(resource.status(), before)
            }
            Err(StartError::Step { .. } | StartError::Timeout { .. }) => {
                assert_eq!(resource.status(), Status::Stopped);
            }
            Err(other) => panic!("in one thread: {other}"),
        },
        Operation::Stop => match resource.stop(subject) {
            Ok(()) => assert!(matches!(
                resource.status(),
                Status::None | Status::Stopping | Status::Stopped
            )),
            Err(StopError::Step { .. } | StopError::Timeout { .. }) => {
                assert_eq!(resource.status(), Status::Stopped);
            }
            Err(other) => panic!("in one thread: {other}"),
        },
        Operation::Restart => match resource.restart(subject) {
            Ok(()) => assert_eq!(resource.status(), Status::Started),
            Err(_) => assert!(matches!(resource.status(), Status::None | Status::Stopped)),
        },
        Operation::Pause => match resource.pause(subject) {
            Ok(()) => assert_eq!(
                (before, resource.status()),
                (Status::Started, Status::Paused)
            ),
            Err(_) => assert_eq!(resource.status(), before),
        },
        Operation::Resume => match resource.resume(subject) {
            Ok(()) => assert_eq!(
                (before, resource.status()),
                (Status::Paused, Status::Started)
            ),
            Err(_) => assert_eq!(resource.status(), before),
        },
        Operation::Wait(target) => {
            if resource.wait(subject, *target, Duration::ZERO).is_ok() {
                assert_eq!(resource.status(), *target);
            }
        }
        Operation::Abort => {
            resource.abort(subject).unwrap();
            assert!(resource.is_aborted());
            assert_eq!(resource.status(), before);
        }
        Operation::ForceStop => {
            resource.force_stop();
            assert_eq!(resource.status(), Status::Stopped);
        }
        Operation::ForceStarted => {
            resource.force_started();
            assert_eq!(resource.status(), Status::Started);
        }
        Operation::Asynchronous(value) => set(resource, "async_start", *value),
        Operation::Trouble(trouble) => *subject.trouble.lock().unwrap() = *trouble,
    }
    for (step, status) in std::mem::take(&mut *subject.trace.lock().unwrap()) {
        assert_eq!(status, status_of(step), "{step}");
    }
    // Nothing is left on the way but what is asynchronous.
    assert!(!matches!(
        resource.status(),
        Status::Pausing | Status::Resuming
    ));
    if resource.status() == Status::Stopped {
        for name in [Timer::SETUP, Timer::TEARDOWN, Timer::LIFESPAN] {
            assert!(
                resource
                    .timers()
                    .get(name)
                    .iter()
                    .all(|interval| interval.has_ended()),
                "{name} is open"
            );
        }
    }
}

/// Does one after the other with a new resource. However it gets where it is then, it comes
/// down, and starts again unless it was aborted.
pub(crate) fn apply_all(operations: impl IntoIterator<Item = Operation>) {
    let subject = Subject::new();
    for operation in operations {
        apply(&subject, &operation);
    }
    *subject.trouble.lock().unwrap() = None;
    set(&subject.resource, "async_start", None::<bool>);
    subject.resource.stop(&subject).unwrap();
    let status = subject.resource.status();
    assert!(matches!(status, Status::None | Status::Stopped));
    let starts = subject.resource.start(&subject).is_ok();
    assert_eq!(starts, subject.resource.is_active());
}
