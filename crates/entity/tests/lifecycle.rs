//! The life of a resource as its users meet it: failures, threads, aborts.

#![expect(
    clippy::unwrap_used,
    reason = "a test program: what goes wrong in it fails the test"
)]

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use standin_entity::{
    Abort, AbortError, Check, CheckInterval, Error, HookPoint, PauseError, Progress, Resource,
    RestartError, Result, Settings, StartError, Status, Step, Steps, StopError, Timer, WaitError,
    Watch,
};

/// Long enough that only a hang gets there.
const LONG: Duration = Duration::from_secs(30);

type Call = Box<dyn Fn(&Script) -> Result<()> + Send + Sync>;

/// Steps that do what a test tells them.
struct Script {
    resource: Resource,
    settings: Settings,
    calls: HashMap<String, Call>,
    /// How many checks say "not yet" before they are ready.
    not_ready: AtomicU32,
    not_down: AtomicU32,
    trace: Mutex<Vec<String>>,
    dependencies: Vec<Arc<dyn Abort>>,
}

impl Script {
    fn new() -> Self {
        Self {
            resource: Resource::new("peer").expect("a good name"),
            settings: Settings {
                started_check_interval: CheckInterval::Fixed(LONG),
                stopped_check_interval: CheckInterval::Fixed(LONG),
                start_timeout: LONG,
                stop_timeout: LONG,
                status_wait_timeout: LONG,
                ..Settings::default()
            },
            calls: HashMap::new(),
            not_ready: AtomicU32::new(0),
            not_down: AtomicU32::new(0),
            trace: Mutex::default(),
            dependencies: Vec::new(),
        }
    }

    fn on(
        mut self,
        step: &str,
        call: impl Fn(&Self) -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        self.calls.insert(step.to_owned(), Box::new(call));
        self
    }

    fn failing(self, step: &str) -> Self {
        let message = format!("{step} is broken");
        self.on(step, move |_| Err(Error::msg(message.clone())))
    }

    fn asynchronous(self) -> Self {
        self.resource.set_async_start(Some(true));
        self
    }

    fn never_ready(self) -> Self {
        self.not_ready.store(u32::MAX, SeqCst);
        self
    }

    fn never_down(self) -> Self {
        self.not_down.store(u32::MAX, SeqCst);
        self
    }

    fn become_ready(&self) {
        self.not_ready.store(0, SeqCst);
        self.resource.notify();
    }

    fn call(&self, step: &str) -> Result<()> {
        self.trace
            .lock()
            .expect("no panic under it")
            .push(step.to_owned());
        self.calls.get(step).map_or(Ok(()), |call| call(self))
    }

    fn check(&self, step: &str, not_yet: &AtomicU32) -> Result<Check> {
        self.call(step)?;
        let left = not_yet.load(SeqCst);
        if left == 0 {
            return Ok(Check::Ready);
        }
        not_yet.store(left - 1, SeqCst);
        Ok(Check::not_yet("the log does not say `ready`"))
    }

    fn start(&self) -> Result<(), StartError> {
        self.resource.start(self)
    }

    fn stop(&self) -> Result<(), StopError> {
        self.resource.stop(self)
    }

    fn wait(&self, status: Status, timeout: impl Into<Option<Duration>>) -> Result<(), WaitError> {
        self.resource.wait(self, status, timeout)
    }

    fn abort(&self) -> Result<(), AbortError> {
        self.resource.abort(self)
    }

    fn status(&self) -> Status {
        self.resource.status()
    }

    fn take_trace(&self) -> Vec<String> {
        std::mem::take(&mut *self.trace.lock().expect("no panic under it"))
    }

    fn await_call(&self, step: &str) {
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
    fn settings(&self) -> Result<Settings> {
        self.calls
            .get("settings")
            .map_or(Ok(()), |call| call(self))?;
        Ok(self.settings.clone())
    }

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

    fn abort_dependencies(&self) -> Vec<Arc<dyn Abort>> {
        self.dependencies.clone()
    }
}

const STOP_STEPS: [&str; 6] = [
    "pre_stop",
    "hook pre_stop",
    "stopping",
    "stopped_check",
    "post_stop",
    "hook post_stop",
];

#[track_caller]
fn check_down_and_startable(script: &Script) {
    assert_eq!(script.status(), Status::Stopped);
    for name in [Timer::SETUP, Timer::TEARDOWN, Timer::LIFESPAN] {
        let timers = script.resource.timers();
        assert!(
            timers.get(name).iter().all(|interval| interval.has_ended()),
            "{name} is open"
        );
    }
}

// Failures of a start.

#[test]
fn a_failed_start_runs_the_stop_steps_and_can_be_repeated() {
    for step in ["starting", "started_check", "post_start", "hook post_start"] {
        let failed = AtomicU32::new(0);
        let script = Script::new().on(step, move |_| match failed.fetch_add(1, SeqCst) {
            0 => Err(Error::msg("boom")),
            _ => Ok(()),
        });
        let error = script.start().unwrap_err();
        assert!(matches!(error, StartError::Step { .. }), "{error}");
        assert_eq!(error.entity(), "resource[peer]");
        let trace = script.take_trace();
        assert!(
            trace
                .iter()
                .map(String::as_str)
                .rev()
                .take(6)
                .rev()
                .eq(STOP_STEPS),
            "{step}: {trace:?}"
        );
        check_down_and_startable(&script);
        script.start().unwrap();
        assert_eq!(script.status(), Status::Started);
    }
}

#[test]
fn a_start_that_fails_before_starting_runs_no_stop_step() {
    for step in ["pre_start", "hook pre_start"] {
        let script = Script::new().failing(step);
        let error = script.start().unwrap_err();
        assert!(error.to_string().contains("did not start"), "{error}");
        assert!(
            !script
                .take_trace()
                .iter()
                .any(|called| STOP_STEPS.contains(&called.as_str()))
        );
        check_down_and_startable(&script);
    }
}

#[test]
fn evidence_is_collected_before_anything_is_cleaned_up() {
    let script = Script::new().failing("starting");
    let error = script.start().unwrap_err();
    let trace = script.take_trace();
    let at = |step: &str| trace.iter().position(|called| called == step);
    assert!(at("describe_failure") < at("pre_stop"), "{trace:?}");
    assert!(
        error
            .to_string()
            .ends_with("\n  app.log:\n    out of memory"),
        "{error}"
    );
}

#[test]
fn what_fails_while_cleaning_up_is_told_too() {
    let script = Script::new()
        .failing("starting")
        .failing("stopping")
        .failing("hook post_stop");
    let StartError::Step {
        failure, cleanup, ..
    } = script.start().unwrap_err()
    else {
        unreachable!("`starting` failed");
    };
    assert_eq!(failure.step, Step::Starting);
    assert_eq!(
        cleanup
            .iter()
            .map(|failure| failure.step)
            .collect::<Vec<_>>(),
        [Step::Stopping, Step::Hook(HookPoint::PostStop)]
    );
    check_down_and_startable(&script);
}

#[test]
fn a_panic_is_a_failure_with_its_message() {
    for step in [
        "settings",
        "pre_start",
        "hook pre_start",
        "starting",
        "started_check",
        "hook post_start",
    ] {
        let script = Script::new().on(step, |_| panic!("index out of bounds"));
        let StartError::Step { failure, .. } = script.start().unwrap_err() else {
            unreachable!("{step} panicked");
        };
        assert!(failure.panicked);
        assert_eq!(failure.cause.to_string(), "index out of bounds");
        assert!(matches!(script.status(), Status::Stopped | Status::None));
    }
    let script = Script::new()
        .failing("starting")
        .on("describe_failure", |_| panic!("no log"));
    assert!(
        script
            .start()
            .unwrap_err()
            .to_string()
            .contains("`describe_failure` panicked")
    );
}

#[test]
fn a_start_timeout_tells_what_was_missing() {
    let mut script = Script::new().never_ready();
    script.settings.start_timeout = Duration::from_millis(30);
    let StartError::Timeout {
        overdue, evidence, ..
    } = script.start().unwrap_err()
    else {
        unreachable!("it is never ready");
    };
    // At once, and at the deadline: the interval is longer.
    assert_eq!(overdue.checks, 2);
    assert_eq!(
        overdue.last.as_deref(),
        Some("the log does not say `ready`")
    );
    assert!(overdue.elapsed >= overdue.limit && overdue.limit == Duration::from_millis(30));
    assert_eq!(evidence.0, ["app.log:", "  out of memory"]);
    check_down_and_startable(&script);
}

#[test]
fn what_becomes_ready_just_before_the_deadline_is_ready() {
    let mut script = Script::new();
    script.settings.start_timeout = Duration::from_millis(30);
    script.not_ready.store(1, SeqCst);
    script.start().unwrap();
}

#[test]
fn a_timeout_of_zero_checks_once() {
    let mut script = Script::new();
    script.settings.start_timeout = Duration::ZERO;
    script.start().unwrap();
    script.stop().unwrap();
    let script = Script {
        settings: script.settings.clone(),
        ..Script::new().never_ready()
    };
    assert!(
        matches!(script.start(), Err(StartError::Timeout { overdue, .. }) if overdue.checks == 1)
    );
}

#[test]
fn a_failing_test_shows_what_to_know() {
    let mut script = Script::new().never_ready();
    script.settings.start_timeout = Duration::ZERO;
    let error = Error::from(script.start().unwrap_err());
    let shown = format!("{error:?}");
    let (first, rest) = shown.split_once(" (limit").unwrap();
    assert!(
        first.starts_with("resource[peer] was not ready after "),
        "{shown}"
    );
    assert_eq!(
        rest,
        " 0ns, 1 check): the log does not say `ready`\n  app.log:\n    out of memory\n  \
         help: look for why it is not ready, or raise its `timeout` (now 0ns)\n  \
         code: standin::entity::start_timeout"
    );
}

// Failures of a stop.

#[test]
fn a_stop_runs_every_step_and_reports_every_failure() {
    let script = Script::new()
        .failing("pre_stop")
        .failing("hook pre_stop")
        .failing("stopping")
        .failing("post_stop");
    script.start().unwrap();
    script.take_trace();
    let StopError::Step {
        failure, further, ..
    } = script.stop().unwrap_err()
    else {
        unreachable!("steps failed");
    };
    assert_eq!(failure.step, Step::PreStop);
    assert_eq!(further.len(), 3);
    let trace = script.take_trace();
    assert!(trace.contains(&"hook post_stop".to_owned()));
    // There is no point in waiting for what was not told to end.
    assert!(!trace.contains(&"stopped_check".to_owned()));
    check_down_and_startable(&script);
}

#[test]
fn a_stop_timeout_ends_in_stopped() {
    let mut script = Script::new();
    script.settings.stop_timeout = Duration::from_millis(20);
    script.start().unwrap();
    let script = script.never_down();
    script.take_trace();
    let StopError::Timeout { overdue, .. } = script.stop().unwrap_err() else {
        unreachable!("it is never down");
    };
    assert_eq!(overdue.checks, 2);
    assert!(script.take_trace().contains(&"hook post_stop".to_owned()));
    check_down_and_startable(&script);
}

#[test]
fn a_stop_without_settings_stops_all_the_same() {
    let fail = Arc::new(AtomicU32::new(0));
    let failing = Arc::clone(&fail);
    let script = Script::new().on("settings", move |_| match failing.load(SeqCst) {
        0 => Ok(()),
        _ => Err(Error::msg("no settings")),
    });
    script.start().unwrap();
    fail.store(1, SeqCst);
    assert!(
        matches!(script.stop(), Err(StopError::Step { failure, .. }) if failure.step == Step::Settings)
    );
    check_down_and_startable(&script);
}

#[test]
fn a_restart_that_does_not_stop_well_does_not_start() {
    let script = Script::new().failing("stopping");
    script.start().unwrap();
    assert!(matches!(
        script.resource.restart(&script),
        Err(RestartError::Stop(_))
    ));
    assert_eq!(script.status(), Status::Stopped);
}

// Threads.

#[test]
fn many_starts_at_once_start_once() {
    let script = Script::new();
    let barrier = Barrier::new(8);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                barrier.wait();
                script.start().unwrap();
                // Whoever returns finds it ready, hooks included.
                assert!(
                    script
                        .trace
                        .lock()
                        .unwrap()
                        .contains(&"hook post_start".to_owned())
                );
            });
        }
    });
    assert_eq!(
        script
            .take_trace()
            .iter()
            .filter(|called| *called == "starting")
            .count(),
        1
    );
}

#[test]
fn a_second_start_gets_the_failure_of_the_first() {
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(Some(wait));
    let script = Script::new().on("starting", move |_| {
        if let Some(wait) = wait.lock().unwrap().take() {
            wait.recv_timeout(LONG).map_err(Error::other)?;
        }
        Err(Error::msg("port is taken"))
    });
    thread::scope(|scope| {
        let first = scope.spawn(|| script.start());
        script.await_call("starting");
        let second = scope.spawn(|| script.start());
        go.send(()).unwrap();
        for error in [first, second].map(|thread| thread.join().unwrap().unwrap_err()) {
            let StartError::Step { cause, .. } = error else {
                unreachable!("{error}");
            };
            assert_eq!(cause.to_string(), "port is taken");
        }
    });
}

#[test]
fn notify_wakes_a_check() {
    let script = Script::new().never_ready();
    thread::scope(|scope| {
        let start = scope.spawn(|| script.start());
        script.await_call("started_check");
        script.become_ready();
        start.join().unwrap().unwrap();
    });
}

#[test]
fn a_stop_ends_the_start_of_another_thread() {
    let script = Script::new().never_ready();
    thread::scope(|scope| {
        let start = scope.spawn(|| script.start());
        script.await_call("started_check");
        script.stop().unwrap();
        assert!(matches!(
            start.join().unwrap(),
            Err(StartError::Interrupted { .. })
        ));
    });
    let trace = script.take_trace();
    assert_eq!(
        trace.iter().filter(|called| *called == "stopping").count(),
        1,
        "{trace:?}"
    );
    check_down_and_startable(&script);
}

#[test]
fn a_stop_that_does_not_wait_for_a_blocked_step_leaves_the_stop_to_it() {
    let (go, blocked) = mpsc::channel::<()>();
    let blocked = Mutex::new(blocked);
    let mut script = Script::new().on("starting", move |_| {
        blocked
            .lock()
            .unwrap()
            .recv_timeout(LONG)
            .map_err(Error::other)
    });
    script.settings.status_wait_timeout = Duration::from_millis(20);
    thread::scope(|scope| {
        let start = scope.spawn(|| script.start());
        script.await_call("starting");
        assert!(matches!(script.stop(), Err(StopError::Busy { .. })));
        assert_eq!(script.status(), Status::Stopping);
        go.send(()).unwrap();
        assert!(matches!(
            start.join().unwrap(),
            Err(StartError::Interrupted { .. })
        ));
    });
    assert!(script.take_trace().contains(&"stopping".to_owned()));
    check_down_and_startable(&script);
}

#[test]
fn a_hook_may_stop_its_own_resource() {
    let script = Script::new().on("hook post_start", |script| Ok(script.stop()?));
    assert!(matches!(
        script.start(),
        Err(StartError::Interrupted { .. })
    ));
    assert_eq!(
        script
            .take_trace()
            .iter()
            .filter(|called| *called == "stopping")
            .count(),
        1
    );
    check_down_and_startable(&script);
}

#[test]
fn a_hook_may_start_what_is_starting() {
    let script = Script::new().on("hook pre_start", |script| Ok(script.start()?));
    script.start().unwrap();
    assert_eq!(
        script
            .take_trace()
            .iter()
            .filter(|called| *called == "starting")
            .count(),
        1
    );
}

#[test]
fn a_hook_that_waits_for_its_own_start_is_told_so() {
    let script = Script::new().on("hook pre_start", |script| {
        Ok(script.wait(Status::Started, LONG)?)
    });
    let shown = format!("{:?}", Error::from(script.start().unwrap_err()));
    assert!(shown.contains("does not become STARTED"), "{shown}");
}

// Waiting.

#[test]
fn a_wait_for_what_cannot_be_reached_fails_at_once() {
    let script = Script::new();
    for (status, target) in [
        (Status::None, Status::Started),
        (Status::None, Status::Paused),
        (Status::Stopping, Status::Started),
        (Status::Stopped, Status::Started),
        (Status::Started, Status::Starting),
    ] {
        script.resource.force(status);
        let begun = Instant::now();
        let error = script.wait(target, LONG).unwrap_err();
        assert!(matches!(error, WaitError::Unreachable { .. }), "{error}");
        assert!(begun.elapsed() < LONG / 2);
        let shown = error.to_string();
        assert!(
            shown.contains(status.as_str()) && shown.contains(target.as_str()),
            "{shown}"
        );
    }
}

#[test]
fn a_wait_for_a_start_that_fails_ends_with_its_failure() {
    let script = Script::new().asynchronous().never_ready();
    script.start().unwrap();
    thread::scope(|scope| {
        let driving = scope.spawn(|| script.wait(Status::Started, None));
        script.await_call("started_check");
        let watching = scope.spawn(|| script.wait(Status::Started, None));
        script.stop().unwrap();
        for error in [driving, watching].map(|wait| wait.join().unwrap().unwrap_err()) {
            assert!(
                matches!(error, WaitError::Start(_) | WaitError::Unreachable { .. }),
                "{error}"
            );
        }
    });
}

#[test]
fn a_given_timeout_leaves_the_start_under_way() {
    let script = Script::new().asynchronous().never_ready();
    script.start().unwrap();
    for timeout in [Duration::ZERO, Duration::from_millis(5)] {
        let WaitError::Timeout {
            overdue, status, ..
        } = script.wait(Status::Started, timeout).unwrap_err()
        else {
            unreachable!("it is not ready");
        };
        assert_eq!(status, Status::Starting);
        assert_eq!(
            overdue.last.as_deref(),
            Some("the log does not say `ready`")
        );
    }
    script.become_ready();
    script.wait(Status::Started, Duration::ZERO).unwrap();
    assert_eq!(
        script.take_trace().last().map(String::as_str),
        Some("hook post_start")
    );
}

#[test]
fn without_a_timeout_the_settings_limit_an_asynchronous_start_and_stop() {
    let mut script = Script::new().asynchronous().never_ready();
    script.settings.start_timeout = Duration::from_millis(10);
    script.settings.stop_timeout = Duration::from_millis(10);
    script.start().unwrap();
    let error = script.wait(Status::Started, None).unwrap_err();
    assert!(
        matches!(error, WaitError::Start(StartError::Timeout { .. })),
        "{error}"
    );
    check_down_and_startable(&script);

    script.become_ready();
    script.start().unwrap();
    script.wait(Status::Started, None).unwrap();
    let script = script.never_down();
    script.stop().unwrap();
    let error = script.wait(Status::Stopped, None).unwrap_err();
    assert!(
        matches!(error, WaitError::Stop(StopError::Timeout { .. })),
        "{error}"
    );
    check_down_and_startable(&script);
}

#[test]
fn an_asynchronous_stop_that_fails_says_so_itself() {
    let script = Script::new().asynchronous().failing("stopping");
    script.start().unwrap();
    assert!(script.stop().is_err());
    check_down_and_startable(&script);
}

#[test]
fn one_thread_can_look_after_several_starts() {
    let scripts = [Script::new(), Script::new(), Script::new()].map(Script::asynchronous);
    let mut watches = Vec::new();
    for (count, script) in scripts.iter().enumerate() {
        script.not_ready.store(count as u32, SeqCst);
        script.start().unwrap();
        let mut settings = script.settings.clone();
        settings.started_check_interval = CheckInterval::Fixed(Duration::from_millis(1));
        watches.push(Watch::of_start(&settings));
    }
    let begun = Instant::now();
    let mut left = vec![0, 1, 2];
    while !left.is_empty() {
        assert!(begun.elapsed() < LONG);
        left.retain(|&i| {
            scripts[i]
                .resource
                .advance(&scripts[i], &mut watches[i])
                .unwrap()
                != Progress::Done
        });
    }
    for (count, script) in scripts.iter().enumerate() {
        assert_eq!(script.status(), Status::Started);
        assert_eq!(
            script
                .take_trace()
                .iter()
                .filter(|c| *c == "started_check")
                .count(),
            count + 1
        );
    }
}

#[test]
fn a_watch_calls_the_check_only_when_it_is_due_or_notified() {
    let script = Script::new().asynchronous().never_ready();
    script.start().unwrap();
    let mut watch = Watch::of_start(&script.settings);
    let checks = || {
        script
            .trace
            .lock()
            .unwrap()
            .iter()
            .filter(|c| *c == "started_check")
            .count()
    };
    for _ in 0..3 {
        let progress = script.resource.advance(&script, &mut watch).unwrap();
        assert!(matches!(progress, Progress::NotYet { look_again } if look_again > Instant::now()));
    }
    assert_eq!(checks(), 1);
    script.resource.notify();
    script.resource.advance(&script, &mut watch).unwrap();
    assert_eq!(checks(), 2);
}

#[test]
fn a_watch_whose_time_is_up_fails_the_start() {
    let mut script = Script::new().asynchronous().never_ready();
    script.settings.start_timeout = Duration::ZERO;
    script.settings.stop_timeout = Duration::ZERO;
    script.start().unwrap();
    let mut watch = Watch::of_start(&script.settings);
    let error = script.resource.advance(&script, &mut watch).unwrap_err();
    assert!(
        matches!(error, WaitError::Start(StartError::Timeout { .. })),
        "{error}"
    );
    check_down_and_startable(&script);
}

// Aborting.

#[test]
fn an_abort_ends_every_wait() {
    let script = Script::new().never_ready();
    thread::scope(|scope| {
        let start = scope.spawn(|| script.start());
        script.await_call("started_check");
        let second = scope.spawn(|| script.start());
        let paused = scope.spawn(|| script.wait(Status::Paused, None));
        let started = scope.spawn(|| script.wait(Status::Started, None));
        script.abort().unwrap();
        assert!(matches!(
            start.join().unwrap(),
            Err(StartError::Aborted { .. })
        ));
        assert!(matches!(
            second.join().unwrap(),
            Err(StartError::Aborted { .. })
        ));
        for wait in [paused, started] {
            let error = wait.join().unwrap().unwrap_err();
            // Depending on when they came to it.
            assert!(matches!(
                error,
                WaitError::Aborted { .. }
                    | WaitError::Unreachable { .. }
                    | WaitError::Start(StartError::Aborted { .. })
            ));
        }
    });
    assert!(script.resource.is_aborted() && !script.resource.is_active());
    let trace = script.take_trace();
    let at = |step: &str| trace.iter().position(|called| called == step);
    assert!(
        at("aborting") < at("stopping"),
        "aborting first, then the cleaning up: {trace:?}"
    );
    check_down_and_startable(&script);
}

#[test]
fn an_abort_ends_a_stop_that_waits() {
    let script = Script::new();
    script.start().unwrap();
    let script = script.never_down();
    thread::scope(|scope| {
        let stop = scope.spawn(|| script.stop());
        script.await_call("stopped_check");
        script.abort().unwrap();
        assert!(matches!(
            stop.join().unwrap(),
            Err(StopError::Aborted { .. })
        ));
    });
    check_down_and_startable(&script);
}

#[test]
fn an_abort_ends_a_step_that_blocks() {
    let (end, blocked) = mpsc::channel::<()>();
    let blocked = Mutex::new(blocked);
    let script = Script::new()
        .on("starting", move |_| {
            match blocked.lock().unwrap().recv_timeout(LONG) {
                Ok(()) => Err(Error::msg("the socket was closed")),
                Err(_) => Ok(()),
            }
        })
        .on("aborting", move |_| end.send(()).map_err(Error::other));
    thread::scope(|scope| {
        let start = scope.spawn(|| script.start());
        script.await_call("starting");
        script.abort().unwrap();
        assert!(matches!(
            start.join().unwrap(),
            Err(StartError::Aborted { .. })
        ));
    });
    check_down_and_startable(&script);
}

#[test]
fn what_is_aborted_does_not_start_and_does_stop() {
    let script = Script::new();
    script.start().unwrap();
    script.abort().unwrap();
    script.abort().unwrap();
    assert_eq!(script.status(), Status::Started);
    script.stop().unwrap();
    assert!(matches!(script.start(), Err(StartError::Aborted { .. })));
    assert_eq!(
        script
            .take_trace()
            .iter()
            .filter(|called| *called == "aborting")
            .count(),
        1
    );
    assert!(script.resource.report().aborted);
}

#[test]
fn a_request_to_abort_ends_waits_and_the_abort_follows() {
    let script = Script::new().never_ready();
    thread::scope(|scope| {
        let start = scope.spawn(|| script.start());
        script.await_call("started_check");
        script.resource.request_abort();
        assert!(matches!(
            start.join().unwrap(),
            Err(StartError::Aborted { .. })
        ));
    });
    assert!(!script.resource.is_active() && !script.resource.is_aborted());
    script.abort().unwrap();
    assert!(script.resource.is_aborted());
}

#[test]
fn an_abort_that_fails_is_an_abort() {
    let script = Script::new().on("aborting", |_| panic!("no such process"));
    let error = script.abort().unwrap_err();
    assert_eq!(error.failures[0].cause.to_string(), "no such process");
    assert!(script.resource.is_aborted());
}

struct Dependency {
    name: &'static str,
    log: Arc<Mutex<String>>,
    abort: fn() -> Result<()>,
}

impl Abort for Dependency {
    fn label(&self) -> String {
        self.name.to_owned()
    }

    fn request_abort(&self) {
        write!(self.log.lock().unwrap(), "request {}, ", self.name).unwrap();
    }

    fn abort(&self) -> Result<()> {
        write!(self.log.lock().unwrap(), "abort {}, ", self.name).unwrap();
        (self.abort)()
    }
}

#[test]
fn dependencies_are_aborted_first_whatever_they_do() {
    let log = Arc::new(Mutex::new(String::new()));
    let dependency = |name, abort| {
        Arc::new(Dependency {
            name,
            log: Arc::clone(&log),
            abort,
        }) as Arc<dyn Abort>
    };
    let last = Arc::clone(&log);
    let mut script = Script::new().on("aborting", move |_| {
        last.lock().unwrap().push_str("self");
        Ok(())
    });
    script.settings.abort_wait_timeout = Duration::from_millis(50);
    script.dependencies = vec![
        dependency("a", || Err(Error::msg("a is stubborn"))),
        dependency("b", || panic!("b is ill")),
        dependency("c", || {
            // Never ends: its thread is left alone.
            thread::park_timeout(LONG);
            Ok(())
        }),
        dependency("d", || Ok(())),
    ];
    let error = script.abort().unwrap_err();
    assert_eq!(
        *log.lock().unwrap(),
        "request a, request b, request c, request d, abort a, abort b, abort c, abort d, self"
    );
    let shown = format!("{:?}", Error::from(error.clone()));
    assert_eq!(error.failures.len(), 3);
    for text in ["a is stubborn", "b is ill", "c was not aborted within 50ms"] {
        assert!(
            error
                .failures
                .iter()
                .any(|f| format!("{:?}", f.cause).contains(text)),
            "{shown}"
        );
    }
}

// Pausing.

#[test]
fn a_pause_that_fails_changes_nothing() {
    let script = Script::new().failing("pausing");
    script.start().unwrap();
    assert!(matches!(
        script.resource.pause(&script),
        Err(PauseError::Step { .. })
    ));
    assert_eq!(script.status(), Status::Started);
    script.stop().unwrap();
}

#[test]
fn a_stop_waits_for_a_pause_under_way() {
    let (go, blocked) = mpsc::channel::<()>();
    let blocked = Mutex::new(blocked);
    let script = Script::new().on("pausing", move |_| {
        blocked
            .lock()
            .unwrap()
            .recv_timeout(LONG)
            .map_err(Error::other)
    });
    script.start().unwrap();
    thread::scope(|scope| {
        let pause = scope.spawn(|| script.resource.pause(&script));
        script.await_call("pausing");
        let stop = scope.spawn(|| script.stop());
        go.send(()).unwrap();
        pause.join().unwrap().unwrap();
        stop.join().unwrap().unwrap();
    });
    check_down_and_startable(&script);
}

// Forcing, reports.

#[test]
fn forcing_ends_what_is_under_way() {
    let script = Script::new().never_ready();
    thread::scope(|scope| {
        let start = scope.spawn(|| script.start());
        script.await_call("started_check");
        script.resource.force_stop();
        assert!(matches!(
            start.join().unwrap(),
            Err(StartError::Interrupted { .. })
        ));
    });
    check_down_and_startable(&script);
}

#[test]
fn the_report_tells_what_failed_and_serialises() {
    let environment = standin_entity::Entity::with_kind("environment", "greeting").unwrap();
    let script = Script::new().failing("starting");
    script.resource.entity().set_parent(&environment).unwrap();
    script.start().unwrap_err();
    let report = environment.report();
    assert!(!report.passed());
    assert_eq!(
        report
            .walk()
            .map(|report| report.name.as_str())
            .collect::<Vec<_>>(),
        ["greeting", "peer"]
    );
    let json = serde_json::to_value(&report).unwrap();
    let peer = &json["children"][0];
    assert_eq!(
        (&peer["kind"], &peer["status"]),
        (&"resource".into(), &"STOPPED".into())
    );
    assert_eq!(peer["failures"][0]["during"], "start");
    assert!(
        peer["failures"][0]["message"]
            .as_str()
            .unwrap()
            .contains("starting is broken"),
        "{json:#}"
    );
    assert!(peer["timer"]["setup"][0]["seconds"].is_number(), "{json:#}");
    assert!(
        peer["timer"]["lifespan"][0]["started_at"].is_string(),
        "{json:#}"
    );
}
