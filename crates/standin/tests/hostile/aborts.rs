//! An abort at every step of a start and of a stop, in hundreds of random
//! schedules.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use fastrand::Rng;
use standin::process::Process;
use standin::socket::LeakCheck;
use standin::{
    AbortHandle, BuildError, Check, Config, Driver, DriverBase, DriverConfig, Environment, Error,
    FromOptions, Lifecycle, Result, Status, TcpClient, context,
};

use crate::support::{SOON, alone, random, server};

/// How many schedules; `STANDIN_SCHEDULES` says otherwise.
const SCHEDULES: usize = 300;

/// Counts the steps of all drivers, and wakes who aborts at one of them.
#[derive(Clone, Debug)]
struct Steps(Arc<Counter>);

#[derive(Debug)]
struct Counter {
    count: AtomicUsize,
    at: usize,
    /// Taken by the step that it is for.
    alarm: Mutex<Option<Sender<()>>>,
}

impl Steps {
    fn new(at: usize, alarm: Sender<()>) -> Self {
        Steps(Arc::new(Counter {
            count: AtomicUsize::new(0),
            at,
            alarm: Mutex::new(Some(alarm)),
        }))
    }

    fn pass(&self) {
        if self.0.count.fetch_add(1, SeqCst) == self.0.at {
            // Dropping it wakes the other end.
            drop(self.0.alarm.lock().unwrap().take());
            // Lets the abort come while the step is still running, or not.
            std::thread::yield_now();
        }
    }

    fn hook(&self) -> impl Fn(&dyn Driver) -> Result<()> + Send + Sync + 'static {
        let steps = self.clone();
        move |_| {
            steps.pass();
            Ok(())
        }
    }
}

/// The options of a [`Walker`].
#[derive(Clone, Debug, Config)]
#[config(builds = Walker)]
struct WalkerConfig {
    /// The options that every driver has.
    #[config(include)]
    driver: DriverConfig,
    /// Where it counts.
    #[config(code_only)]
    steps: Option<Steps>,
    /// How often it is not ready yet.
    #[config(default = 0)]
    laziness: usize,
}

/// A driver whose every step can be aborted.
#[derive(Debug)]
struct Walker {
    base: DriverBase,
    checks: AtomicUsize,
}

impl FromOptions<WalkerBuilder> for Walker {
    type Error = BuildError;

    fn from_options(options: WalkerBuilder) -> Result<Self, BuildError> {
        Ok(Walker {
            base: DriverBase::new("Walker", options)?,
            checks: AtomicUsize::new(0),
        })
    }
}

impl Walker {
    fn pass(&self) -> Result<()> {
        let config: WalkerConfig = self.base.config()?;
        if let Some(steps) = config.steps {
            steps.pass();
        }
        Ok(())
    }

    fn check(&self) -> Result<Check> {
        self.pass()?;
        let config: WalkerConfig = self.base.config()?;
        let ready = self.checks.fetch_add(1, SeqCst) >= config.laziness;
        // Asks again at once.
        self.base.resource().notify();
        Ok(Check::from(ready))
    }
}

impl Driver for Walker {
    fn base(&self) -> &DriverBase {
        &self.base
    }
    fn prepare(&self) -> Result<()> {
        self.pass()
    }
    fn pre_start(&self) -> Result<()> {
        self.pass()
    }
    fn starting(&self) -> Result<()> {
        self.pass()
    }
    fn started_check(&self) -> Result<Check> {
        self.check()
    }
    fn post_start(&self) -> Result<()> {
        self.pass()
    }
    fn pre_stop(&self) -> Result<()> {
        self.pass()
    }
    fn stopping(&self) -> Result<()> {
        self.pass()
    }
    fn stopped_check(&self) -> Result<Check> {
        self.check()
    }
    fn post_stop(&self) -> Result<()> {
        self.pass()
    }
    fn aborting(&self) -> Result<()> {
        self.pass()
    }
}

#[test]
fn at_any_step_end_every_wait_and_leave_nothing() {
    alone(|folder| {
        let mut random = random();
        let given = std::env::var("STANDIN_SCHEDULES").ok();
        let schedules = given
            .and_then(|text| text.parse().ok())
            .unwrap_or(SCHEDULES);
        let mut met = 0;
        for number in 0..schedules {
            let mine = random.clone();
            let begin = Instant::now();
            let check = LeakCheck::new().map_err(Error::other)?;
            let runpath = folder.join(number.to_string());
            met += usize::from(schedule(&mut random, &runpath)?);
            check.finish()?;
            let _ = fs::remove_dir_all(&runpath);
            assert!(
                begin.elapsed() < SOON,
                "schedule {number}, {mine:?}, took too long"
            );
        }
        println!("{met} of {schedules} schedules were aborted on their way");
        // The others were over before; if all were, this would show nothing.
        assert!(met * 20 > schedules, "{met} of {schedules}");
        Ok(())
    });
}

/// Makes an environment, and aborts it at some step of its start, its use or
/// its stop. Answers whether the abort came before the end.
fn schedule(random: &mut Rng, runpath: &Path) -> Result<bool> {
    let (alarm, bell) = channel();
    let steps = Steps::new(random.usize(..60), alarm);
    let env = environment(random, runpath, &steps)?;
    let abort: AbortHandle = env.abort_handle();
    let drivers = env.drivers();
    let jitter = random.usize(..200);
    let uses = random.bool();
    std::thread::scope(|scope| {
        let aborting = scope.spawn({
            let abort = abort.clone();
            move || {
                // Ends when the step comes, or when it can no longer be reached.
                let _ = bell.recv_timeout(SOON);
                for _ in 0..jitter {
                    std::hint::spin_loop();
                }
                abort.abort();
            }
        });
        let result = env.start();
        let aborted = match result {
            Err(_) => abort.is_aborted() || !bell_is_set(&steps),
            Ok(env) => {
                if uses && let Ok(server) = env.get::<standin::TcpServer>("server") {
                    let _ = server.accept_connection(std::time::Duration::ZERO);
                }
                let _ = env.stop();
                let aborted = abort.is_aborted();
                drop(env);
                aborted
            }
        };
        // A thread that still waits for a step waits for nothing.
        drop(steps.0.alarm.lock().unwrap().take());
        aborting.join().unwrap();
        for driver in drivers {
            let status = driver.status();
            assert!(
                matches!(status, Status::None | Status::Stopped),
                "{} is {status}",
                driver.name()
            );
        }
        Ok(aborted)
    })
}

/// Whether no step has set it off yet.
fn bell_is_set(steps: &Steps) -> bool {
    steps.0.alarm.lock().unwrap().is_some()
}

fn environment(random: &mut Rng, runpath: &Path, steps: &Steps) -> Result<Environment> {
    let concurrent = random.bool();
    let mut env = Environment::builder("aborted")
        .runpath(runpath)
        .timeout(SOON)
        .concurrent(concurrent)
        .build()?;
    env.add(
        server("server")
            .pre_start(steps.hook())
            .post_start(steps.hook())
            .pre_stop(steps.hook())
            .post_stop(steps.hook())
            .build()?,
    )?;
    for number in 0..random.usize(..3) {
        env.add(
            TcpClient::builder(format!("client-{number}"))
                .host(context("server", "{{ host }}"))
                .port(context("server", "{{ port }}"))
                .pre_start(steps.hook())
                .post_start(steps.hook())
                .pre_stop(steps.hook())
                .post_stop(steps.hook())
                .build()?,
        )?;
    }
    for number in 0..random.usize(..4) {
        let options = WalkerBuilder::new()
            .name(format!("walker-{number}"))
            .steps(steps.clone())
            .laziness(random.usize(..3));
        env.add(match !concurrent && random.usize(..3) == 0 {
            true => options.async_start(true).build()?,
            false => options.build()?,
        })?;
    }
    if random.usize(..8) == 0 {
        env.add(
            Process::builder("process")
                .binary("sh")
                .args(["-c", "echo ready; read line"])
                .stdout_regexps(["ready"])
                .pre_start(steps.hook())
                .post_start(steps.hook())
                .pre_stop(steps.hook())
                .post_stop(steps.hook())
                .build()?,
        )?;
    }
    Ok(env)
}
