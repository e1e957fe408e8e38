//! Any sequence of operations, with any step failing or panicking, keeps to the
//! status table; and a resource comes down from wherever it is.

#![no_main]

use std::sync::Mutex;
use std::time::Duration;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use standin_config::Value;
use standin_entity::{
    Check, Entity, Error, HookPoint, Resource, ResourceBuilder, Result, Status, Step, Steps,
};

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Operation {
    Start,
    Stop,
    Restart,
    Pause,
    Resume,
    Wait(u8),
    Abort,
    ForceStop,
    ForceStarted,
    Asynchronous(Option<bool>),
    /// From now on, the step of this number is in trouble.
    Trouble(Option<(u8, Trouble)>),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Trouble {
    Fails,
    Panics,
    /// A check says "not yet"; another step does nothing special.
    Waits,
}

/// Each step with the only status in which it is called.
const STEPS: [(Step, Status); 14] = [
    (Step::PreStart, Status::Starting),
    (Step::Hook(HookPoint::PreStart), Status::Starting),
    (Step::Starting, Status::Starting),
    (Step::StartedCheck, Status::Starting),
    (Step::PostStart, Status::Started),
    (Step::Hook(HookPoint::PostStart), Status::Started),
    (Step::PreStop, Status::Stopping),
    (Step::Hook(HookPoint::PreStop), Status::Stopping),
    (Step::Stopping, Status::Stopping),
    (Step::StoppedCheck, Status::Stopping),
    (Step::PostStop, Status::Stopped),
    (Step::Hook(HookPoint::PostStop), Status::Stopped),
    (Step::Pausing, Status::Pausing),
    (Step::Resuming, Status::Resuming),
];

struct Subject {
    resource: Resource,
    trouble: Mutex<Option<(Step, Trouble)>>,
}

impl Subject {
    fn trouble(&self) -> Option<(Step, Trouble)> {
        *self.trouble.lock().expect("nobody panics while holding it")
    }

    fn set_trouble(&self, trouble: Option<(Step, Trouble)>) {
        *self.trouble.lock().expect("nobody panics while holding it") = trouble;
    }

    fn call(&self, step: Step) -> Result<()> {
        let expected = STEPS.iter().find(|(known, _)| *known == step);
        let status = self.resource.status();
        assert_eq!(expected.map(|(_, status)| *status), Some(status), "{step}");
        match self.trouble() {
            Some((at, Trouble::Fails)) if at == step => Err(Error::msg("fails")),
            // Past the panic hook, for which every panic is a crash.
            Some((at, Trouble::Panics)) if at == step => {
                std::panic::resume_unwind(Box::new("panics"))
            }
            _ => Ok(()),
        }
    }

    fn check(&self, step: Step) -> Result<Check> {
        self.call(step)?;
        let waits = matches!(self.trouble(), Some((at, Trouble::Waits)) if at == step);
        Ok(Check::from(!waits))
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

fuzz_target!(|operations: Vec<Operation>| {
    let options = ResourceBuilder::new().name("subject").timeout(Duration::ZERO);
    let entity = Entity::with_options("resource", "resource", options);
    let subject = Subject {
        resource: Resource::from_entity(entity.expect("the name is valid")),
        trouble: Mutex::default(),
    };
    let resource = &subject.resource;
    for operation in operations {
        apply(&subject, operation);
        // Nothing is left on the way but what is asynchronous.
        assert!(!matches!(
            resource.status(),
            Status::Pausing | Status::Resuming
        ));
    }
    // However it got here, it comes down, and starts again unless aborted.
    subject.set_trouble(None);
    set(resource, "async_start", None::<bool>);
    resource.stop(&subject).expect("nothing is in trouble");
    assert!(matches!(resource.status(), Status::None | Status::Stopped));
    assert_eq!(resource.start(&subject).is_ok(), resource.is_active());
});

fn set(resource: &Resource, option: &str, value: impl Into<Value>) {
    let set = resource.entity().options().set_local(option, value);
    set.expect("the value fits");
}

fn apply(subject: &Subject, operation: Operation) {
    let resource = &subject.resource;
    let before = resource.status();
    match operation {
        Operation::Start => {
            let allowed = match resource.start(subject) {
                Ok(()) => &[Status::Starting, Status::Started][..],
                Err(_) => &[before, Status::Stopped],
            };
            assert!(allowed.contains(&resource.status()));
        }
        Operation::Stop => {
            let allowed = match resource.stop(subject) {
                Ok(()) => &[Status::None, Status::Stopping, Status::Stopped][..],
                Err(_) => &[before, Status::Stopped],
            };
            assert!(allowed.contains(&resource.status()));
        }
        Operation::Restart => {
            let restarted = resource.restart(subject).is_ok();
            assert_eq!(restarted, resource.status() == Status::Started);
        }
        Operation::Pause => {
            let paused = resource.pause(subject).is_ok();
            let after = if paused { Status::Paused } else { before };
            assert_eq!(resource.status(), after);
        }
        Operation::Resume => {
            let resumed = resource.resume(subject).is_ok();
            let after = if resumed { Status::Started } else { before };
            assert_eq!(resource.status(), after);
        }
        Operation::Wait(number) => {
            let target = Status::ALL[usize::from(number) % Status::ALL.len()];
            if resource.wait(subject, target, Duration::ZERO).is_ok() {
                assert_eq!(resource.status(), target);
            }
        }
        Operation::Abort => {
            resource.abort(subject).expect("the step succeeds");
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
        Operation::Asynchronous(value) => set(resource, "async_start", value),
        Operation::Trouble(trouble) => subject.set_trouble(
            trouble.map(|(number, trouble)| (STEPS[usize::from(number) % STEPS.len()].0, trouble)),
        ),
    }
}
