//! What the user's code may call from where: every operation of an environment, from every
//! place that an environment calls. None of it hangs, and nothing stays up.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what cannot be in a test fails it"
)]

mod support;

use std::fmt;
use std::path::Path;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use standin_config::{Config, FromOptions};
use standin_driver::{
    BuildError, Driver, DriverBase, DriverConfig, Lifecycle, Predicate, Readiness,
};
use standin_entity::{Check, Error, Result, Status};
use standin_environment::{AbortHandle, Environment, EnvironmentError, RunningEnvironment};
use support::within_time;

/// Where the call comes from: the user's code in a driver of the environment in the middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// A hook or step of a start.
    Start(&'static str),
    /// One of a stop.
    Stop(&'static str),
    /// The step `aborting`.
    Abort,
}

/// Whose operation is called, as seen from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Own,
    Parent,
    Child,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Start,
    Stop,
    Restart,
    Abort,
    /// Dropping the guard.
    Drop,
    /// Everything that only looks.
    Look,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// It does what it does elsewhere.
    Works,
    /// It would wait for its own end: an error says where it was called from.
    CalledFromWithin,
    /// What belongs to a stopped environment does not start.
    ParentStopped,
    /// Nothing starts after an abort.
    Aborted,
}

use Call::{Abort, Drop as DropGuard, Look, Restart, Start, Stop};
use Outcome::{Aborted, CalledFromWithin, ParentStopped, Works};
use Target::{Child, Own, Parent};

const PLACES: &[Place] = &[
    Place::Start("pre_start"),
    Place::Start("starting"),
    Place::Start("ready"),
    Place::Start("started_check"),
    Place::Start("post_start"),
    Place::Stop("pre_stop"),
    Place::Stop("stopping"),
    Place::Stop("stopped_check"),
    Place::Stop("post_stop"),
    Place::Abort,
];

/// What each call does in each kind of place.
const DURING_A_START: &[(Target, Call, Outcome)] = &[
    (Own, Start, CalledFromWithin),
    (Own, Stop, CalledFromWithin),
    (Own, Restart, CalledFromWithin),
    (Own, Abort, Works),
    (Own, DropGuard, Works),
    (Own, Look, Works),
    (Parent, Start, Works),
    (Parent, Stop, CalledFromWithin),
    (Parent, Restart, CalledFromWithin),
    (Parent, Abort, Works),
    (Parent, DropGuard, Works),
    (Parent, Look, Works),
    (Child, Start, Works),
    (Child, Stop, Works),
    (Child, Restart, Works),
    (Child, Abort, Works),
    (Child, DropGuard, Works),
    (Child, Look, Works),
];

const DURING_A_STOP: &[(Target, Call, Outcome)] = &[
    (Own, Start, CalledFromWithin),
    (Own, Stop, CalledFromWithin),
    (Own, Restart, CalledFromWithin),
    (Own, Abort, Works),
    (Own, DropGuard, Works),
    (Own, Look, Works),
    (Parent, Start, Works),
    (Parent, Stop, CalledFromWithin),
    (Parent, Restart, CalledFromWithin),
    (Parent, Abort, Works),
    (Parent, DropGuard, Works),
    (Parent, Look, Works),
    (Child, Start, ParentStopped),
    (Child, Stop, Works),
    (Child, Restart, ParentStopped),
    (Child, Abort, Works),
    (Child, DropGuard, Works),
    (Child, Look, Works),
];

const DURING_AN_ABORT: &[(Target, Call, Outcome)] = &[
    (Own, Start, Aborted),
    (Own, Stop, Works),
    (Own, Restart, Aborted),
    (Own, Abort, Works),
    (Own, DropGuard, Works),
    (Own, Look, Works),
    (Parent, Start, Works),
    (Parent, Stop, Works),
    (Parent, Restart, Works),
    (Parent, Abort, Works),
    (Parent, DropGuard, Works),
    (Parent, Look, Works),
    (Child, Start, Aborted),
    (Child, Stop, Works),
    (Child, Restart, Aborted),
    (Child, Abort, Works),
    (Child, DropGuard, Works),
    (Child, Look, Works),
];

/// The user's code of one driver, called with the name of the place.
#[derive(Clone)]
struct Code(Arc<UsersCode>);

type UsersCode = dyn Fn(&str) -> Result<()> + Send + Sync;

impl Code {
    fn none() -> Self {
        Code(Arc::new(|_| Ok(())))
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code")
    }
}

#[derive(Clone, Debug, Config)]
#[config(type_name = "actor", builds = Actor)]
struct ActorConfig {
    #[config(include)]
    driver: DriverConfig,
    /// Called at each step.
    #[config(code_only)]
    code: Option<Code>,
}

#[derive(Debug)]
struct Actor {
    base: DriverBase,
}

impl Actor {
    fn at(&self, place: &str) -> Result<()> {
        let config: ActorConfig = self.base.config()?;
        config.code.map_or(Ok(()), |code| code.0(place))
    }
}

impl FromOptions<ActorBuilder> for Actor {
    type Error = BuildError;

    fn from_options(options: ActorBuilder) -> Result<Self, BuildError> {
        Ok(Actor {
            base: DriverBase::new("Actor", options)?,
        })
    }
}

impl Driver for Actor {
    fn base(&self) -> &DriverBase {
        &self.base
    }

    fn starting(&self) -> Result<()> {
        self.at("starting")
    }

    fn started_check(&self) -> Result<Check> {
        self.at("started_check")?;
        Ok(Check::Ready)
    }

    fn stopping(&self) -> Result<()> {
        self.at("stopping")
    }

    fn stopped_check(&self) -> Result<Check> {
        self.at("stopped_check")?;
        Ok(Check::Ready)
    }

    fn aborting(&self) -> Result<()> {
        self.at("aborting")
    }
}

fn actor(name: &str, code: &Code) -> Actor {
    let hook = |place: &'static str| {
        let code = code.clone();
        move |_: &dyn Driver| code.0(place)
    };
    let ready = {
        let code = code.clone();
        Predicate::new("ready", move |_| code.0("ready").map(|()| Check::Ready))
    };
    ActorBuilder::new()
        .name(name)
        .code(code.clone())
        .ready([Readiness::Predicate(ready)])
        .pre_start(hook("pre_start"))
        .post_start(hook("post_start"))
        .pre_stop(hook("pre_stop"))
        .post_stop(hook("post_stop"))
        .build()
        .unwrap()
}

/// A guard that the user's code can get at, too.
type Slot = Arc<Mutex<Option<Arc<RunningEnvironment>>>>;

fn guard(slot: &Slot) -> Option<Arc<RunningEnvironment>> {
    slot.lock().unwrap().clone()
}

/// Three environments, each in the one before.
struct Nest {
    slots: [Slot; 3],
    aborts: [Option<AbortHandle>; 3],
    drivers: Vec<Arc<dyn Driver>>,
    /// What the code of the one in the middle does, when it is to do something.
    armed: Arc<Mutex<Option<Act>>>,
}

type Act = (&'static str, Box<dyn FnOnce() + Send>);

impl Nest {
    /// Without the child, and maybe without the parent, where they are not needed.
    fn new(folder: &Path, levels: std::ops::Range<usize>, concurrent: bool) -> Self {
        let armed: Arc<Mutex<Option<Act>>> = Arc::default();
        let once = armed.clone();
        let code = Code(Arc::new(move |place| {
            let mut armed = once.lock().unwrap();
            let Some((_, act)) = armed.take_if(|(wanted, _)| *wanted == place) else {
                return Ok(());
            };
            drop(armed);
            act();
            Ok(())
        }));
        let mut nest = Nest {
            slots: Default::default(),
            aborts: Default::default(),
            drivers: Vec::new(),
            armed,
        };
        for level in levels {
            let name = ["parent", "own", "child"][level];
            let mut env = Environment::builder(name)
                .runpath(folder.join(name))
                .concurrent(concurrent)
                .build()
                .unwrap();
            let around = level
                .checked_sub(1)
                .and_then(|around| guard(&nest.slots[around]));
            if let Some(around) = around {
                env.set_parent(&*around).unwrap();
            }
            for driver in ["first", "second"] {
                let code = match (level, driver) {
                    (1, "second") => code.clone(),
                    _ => Code::none(),
                };
                let name = format!("{name} {driver}");
                nest.drivers.push(env.add(actor(&name, &code)).unwrap());
            }
            nest.aborts[level] = Some(env.abort_handle());
            let env = Arc::new(env.start().unwrap());
            *nest.slots[level].lock().unwrap() = Some(env);
        }
        nest
    }

    fn arm(&self, place: &'static str, act: impl FnOnce() + Send + 'static) {
        *self.armed.lock().unwrap() = Some((place, Box::new(act)));
    }
}

fn call(call: Call, slot: &Slot, abort: &AbortHandle) -> Result<(), EnvironmentError> {
    let Some(env) = guard(slot) else {
        panic!("the guard is gone");
    };
    match call {
        Start => env.start(),
        Stop => env.stop(),
        Restart => env.restart(),
        Abort => {
            abort.abort();
            Ok(())
        }
        DropGuard => {
            drop(env);
            let taken = slot.lock().unwrap().take();
            drop(taken);
            Ok(())
        }
        Look => {
            let _ = (
                env.statuses(),
                env.variables(),
                env.connections(),
                env.report(),
            );
            let _ = format!("{env:?} {:?} {:?}", env.runpath(), env.drivers().len());
            env.get::<Actor>("own second").map(drop).unwrap_or_default();
            Ok(())
        }
    }
}

fn outcome(result: &Result<(), EnvironmentError>) -> Outcome {
    match result {
        Ok(()) => Works,
        Err(EnvironmentError::CalledFromWithin { .. }) => CalledFromWithin,
        Err(EnvironmentError::ParentStopped { .. }) => ParentStopped,
        Err(EnvironmentError::Aborted { .. }) => Aborted,
        Err(other) => panic!("{other:?}"),
    }
}

/// One line of the table.
fn check(folder: &Path, place: Place, target: Target, what: Call, concurrent: bool) -> Outcome {
    let (which, levels) = match target {
        Parent => (0, 0..2),
        Own => (1, 0..2),
        Child => (2, 1..3),
    };
    let nest = Nest::new(folder, levels, concurrent);
    let own = &nest.slots[1];
    let (slot, abort) = (
        nest.slots[which].clone(),
        nest.aborts[which].clone().unwrap(),
    );
    let (tell, told) = channel();
    let act = move || tell.send(call(what, &slot, &abort)).unwrap();
    let own_guard = guard(own).unwrap();
    match place {
        Place::Start(step) => {
            own_guard.stop().unwrap();
            nest.arm(step, act);
            let _ = own_guard.start();
            drop(own_guard);
        }
        // With the guard of the parent alone the hook has the last one of its own.
        Place::Stop(step) if target == Own && what == DropGuard => {
            nest.arm(step, act);
            drop(own_guard);
            guard(&nest.slots[0]).unwrap().stop().unwrap();
        }
        Place::Stop(step) => {
            nest.arm(step, act);
            let _ = own_guard.stop();
            drop(own_guard);
        }
        Place::Abort => {
            nest.arm("aborting", act);
            drop(own_guard);
            nest.aborts[1].as_ref().unwrap().abort();
        }
    }
    let result = told.try_recv().expect("the place was not reached");
    // What is left goes now, from outside.
    for slot in nest.slots.iter().rev() {
        let left = slot.lock().unwrap().take();
        drop(left);
    }
    for driver in &nest.drivers {
        assert!(
            matches!(driver.status(), Status::Stopped | Status::None),
            "{} is {} after {what:?} of {target:?} in {place:?}",
            driver.name(),
            driver.status(),
        );
    }
    outcome(&result)
}

fn check_all(concurrent: bool) {
    for &place in PLACES {
        let table = match place {
            Place::Start(_) => DURING_A_START,
            Place::Stop(_) => DURING_A_STOP,
            Place::Abort => DURING_AN_ABORT,
        };
        for &(target, call, expected) in table {
            let what = format!("{call:?} of {target:?} in {place:?}");
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().to_owned();
            let seen = within_time(&what, move || check(&path, place, target, call, concurrent));
            assert_eq!(seen, expected, "{what}");
        }
    }
}

#[test]
fn every_call_from_every_place_works_or_says_why_not_in_declared_order() {
    check_all(false);
}

#[test]
fn every_call_from_every_place_works_or_says_why_not_with_workers() {
    check_all(true);
}

#[test]
fn a_call_from_a_factory_says_so_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    within_time("a call from a factory", move || {
        let parent = Environment::builder("parent").runpath(path.join("parent"));
        let parent = Arc::new(parent.build().unwrap().start().unwrap());
        let mut env = Environment::builder("own")
            .runpath(path.join("own"))
            .build()
            .unwrap();
        env.set_parent(&*parent).unwrap();
        let fails = |_: &dyn Driver| Err(Error::msg("it does not start"));
        let broken = ActorBuilder::new()
            .name("broken")
            .post_start(fails)
            .build()
            .unwrap();
        env.add(broken).unwrap();
        env.register_failover("broken", move || {
            let error = parent.stop().unwrap_err();
            let shown = error.to_string();
            assert!(
                shown.contains("cannot stop environment \"parent\" from within the start"),
                "{shown}"
            );
            Ok(actor("other", &Code::none()))
        })
        .unwrap();
        env.start().unwrap().stop().unwrap();
    });
}
