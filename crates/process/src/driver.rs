//! What a process does at each step of its life.

use std::net::ToSocketAddrs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use standin_child::Child;
use standin_config::{Text, Value};
use standin_connection::{ConnectionInfo, ProcessState};
use standin_driver::{Attributes, Driver, DriverBase, Readiness, WaitEnd};
use standin_entity::{Check, Error, Result};

use crate::command::Prepared;
use crate::listen::{Bound, Listen};
use crate::process::{Process, State};
use crate::stop::Stop;
use crate::{Exit, ProcessError, connections, log, sys};

impl Driver for Process {
    fn base(&self) -> &DriverBase {
        &self.base
    }

    fn prepare(&self) -> Result<()> {
        if cfg!(not(unix)) {
            Err(ProcessError::NotSupported {
                driver: self.base.name().to_owned(),
            })?;
        }
        *self.state() = State::default();
        let bound = self.bind(&self.config()?.listen)?;
        self.state().bound = bound;
        Ok(())
    }

    /// Empties what an earlier run has written: what comes there now is of this one,
    /// and makes it ready.
    fn pre_start(&self) -> Result<()> {
        for file in [self.out_path(), self.err_path()].into_iter().flatten() {
            // Not one that is empty: some systems write a file to the disk when it was truncated.
            if std::fs::metadata(&file).is_ok_and(|file| file.len() > 0) {
                self.open_output(&file)?;
            }
        }
        Ok(())
    }

    fn starting(&self) -> Result<()> {
        let config = self.config()?;
        let runpath = match self.base.resource().entity().runpath() {
            Some(runpath) => runpath,
            None => self.base.resource().entity().make_runpath_dirs(false)?,
        };
        let bound = std::mem::take(&mut self.state().bound);
        let prepared = Prepared::new(self, &config, &runpath)?;
        let line = prepared.line();
        self.state().line = Some(line.clone());
        let mut handed_over = Vec::new();
        for bound in bound {
            if let Some((listener, others)) = bound.handed_over {
                handed_over.push((bound.name, listener));
                self.state().others.push(others);
            }
        }
        let input = self.open_stdin(&config.stdin, &runpath)?;
        let mut command = prepared.command(self.base.name(), input, handed_over)?;
        let (out, err) = (runpath.join("stdout"), runpath.join("stderr"));
        command
            .stdout(self.open_output(&out)?)
            .stderr(self.open_output(&err)?);
        let resource = self.base.resource().clone();
        let (tape, started) = (self.base.tape(), Arc::<OnceLock<Weak<Child>>>::default());
        let expected = config.expected_retcode.unwrap_or_default();
        let ended = {
            let started = started.clone();
            move || {
                let child = started.get().and_then(Weak::upgrade);
                if let Some(exit) = child.and_then(|child| child.exit()) {
                    tape.exited(&format!("ended with {exit}"), exit.retcode() == expected);
                }
            }
        };
        let record = ended.clone();
        let child = command
            .spawn_and_notify(move || {
                record();
                resource.notify();
            })
            .map_err(|source| prepared.spawn_error(self.base.name(), source))?;
        let child = Arc::new(child);
        // One that has ended already was not known then.
        let _ = started.set(Arc::downgrade(&child));
        ended();
        let text = format!("started as process {}: {line}", child.pid());
        log::info(&self.base, text);
        self.state().child = Some(child);
        // What came in the meantime found no process.
        match WaitEnd::of(&self.base) {
            Some(WaitEnd::Aborted) => self.aborting(),
            Some(WaitEnd::Interrupted | WaitEnd::Stopped) => {
                self.interrupting();
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn started_check(&self) -> Result<Check> {
        let Some(child) = self.child() else {
            return Ok(Check::Ready);
        };
        match child.exit() {
            // The connection that checked whether the process is ready may have ended it.
            Some(exit) if !self.may_end_with(exit)? || self.serves_nobody(&child)? => {
                Err(self.ended_early(&child, exit).into())
            }
            _ => Ok(Check::Ready),
        }
    }

    fn start_failure(&self) -> Option<Error> {
        let child = self.child()?;
        let exit = child.exit()?;
        let may_become_ready = match self.may_end_with(exit) {
            // What it has started continues: a daemon.
            Ok(may) => may && !child.is_over(),
            Err(error) => return Some(error),
        };
        (!may_become_ready).then(|| self.ended_early(&child, exit).into())
    }

    fn exit_code(&self) -> Option<i32> {
        self.retcode()
    }

    fn has_process(&self) -> bool {
        true
    }

    fn is_alive(&self) -> bool {
        self.child().is_some_and(|child| !child.is_over())
    }

    fn trouble(&self) -> Option<String> {
        let child = self.child()?;
        let exit = child.exit()?;
        let goes_on = if child.is_over() {
            ""
        } else {
            "; what it started goes on"
        };
        Some(format!("has ended with {exit}{goes_on}"))
    }

    fn stop_grace(&self) -> Duration {
        let grace = self.config().map(|config| config.stop_timeout);
        grace.unwrap_or_default().saturating_add(2 * Child::DEATH)
    }

    fn post_start(&self) -> Result<()> {
        self.state().was_ready = true;
        Ok(())
    }

    fn stopping(&self) -> Result<()> {
        let Some(child) = self.child() else {
            return Ok(());
        };
        let config = self.config()?;
        let mut stop = Stop::new(config.stop_signal, config.stop_timeout);
        if child.exit().is_none() {
            let signal = sys::number(config.stop_signal);
            let sent = match config.shell {
                true => child.signal_group(signal),
                false => child.signal(signal),
            };
            // One that is frozen does not see the signal.
            let _ = child.signal_group(sys::freezing(false));
            if let Err(source) = sent
                && child.exit().is_none()
            {
                // It will be killed, and the report says why.
                let error = self.signal_error(&child, config.stop_signal, source);
                log::warn(&self.base, format!("{error}; killing it"));
                stop.until = Some(Instant::now());
            }
        }
        self.state().stop = Some(stop);
        Ok(())
    }

    fn stopped_check(&self) -> Result<Check> {
        let (child, stop) = {
            let mut state = self.state();
            (state.child.clone(), state.stop.take())
        };
        let (Some(child), Some(mut stop)) = (child, stop) else {
            return Ok(Check::Ready);
        };
        let check = stop.come_down(&child, &self.base);
        let mut state = self.state();
        state.orphans.append(&mut stop.orphans);
        state.stop = Some(stop);
        Ok(check)
    }

    fn post_stop(&self) -> Result<()> {
        let config = self.config()?;
        let (exit, killed, was_ready) = {
            let mut state = self.state();
            state.others.clear();
            let Some(child) = state.child.take() else {
                return Ok(());
            };
            state.exit = child.exit();
            let killed = state.stop.take().map(|stop| stop.killed);
            (state.exit, killed.unwrap_or_default(), state.was_ready)
        };
        if !killed.is_empty() {
            let text = format!("{} had to be killed", killed.join(", "));
            self.base.resource().entity().note(text);
        }
        // What never became ready has said so already.
        if !was_ready {
            return Ok(());
        }
        let driver = || self.base.name().to_owned();
        let expected = config.expected_retcode.map(Exit::from_retcode);
        match (expected, exit) {
            (Some(expected), Some(found)) if found != expected => {
                Err(ProcessError::UnexpectedRetcode {
                    driver: driver(),
                    expected,
                    found,
                    killed: !killed.is_empty(),
                })?
            }
            _ if config.must_stop_cleanly && !killed.is_empty() => Err(ProcessError::Killed {
                driver: driver(),
                killed,
            })?,
            _ => Ok(()),
        }
    }

    fn interrupting(&self) {
        if let Some(child) = self.child() {
            child.interrupt();
        }
    }

    fn aborting(&self) -> Result<()> {
        if let Some(child) = self.child() {
            // First: nobody is to take its end for one of its own.
            child.interrupt();
            child.end(Instant::now() + Child::DEATH);
        }
        self.state().others.clear();
        Ok(())
    }

    fn pausing(&self) -> Result<()> {
        self.freeze(true)
    }

    fn resuming(&self) -> Result<()> {
        self.freeze(false)
    }

    fn attributes(&self) -> Attributes {
        let path = |path: Option<PathBuf>| path.map(|path| path.display().to_string());
        let ports = self.state().ports.clone();
        let first = ports.first().cloned();
        let ports = (!ports.is_empty()).then(|| {
            let ports = ports.into_iter().map(|(name, _, port)| (name, port));
            ports.collect::<Value>()
        });
        Attributes::new()
            .with_known("host", first.as_ref().map(|(_, host, _)| host.as_str()))
            .with_known("port", first.as_ref().map(|(.., port)| *port))
            .with_known("ports", ports)
            .with_known("pid", self.pid())
            .with_known("retcode", self.retcode())
            .with_known("cmd", self.command_line())
            .with_known("etcpath", path(self.install_target()))
    }

    /// The ports of `listen`, and the connections and files that the process and
    /// all below it have open.
    fn connections(&self) -> Vec<ConnectionInfo> {
        let log = self.config().ok();
        let log = log.and_then(|config| config.logname.clone());
        // A daemon has left its parent, but not what is above that.
        let running = self.child().filter(|child| !child.is_over());
        let process = running.map_or(ProcessState::NotRunning, |child| {
            ProcessState::Running(child.root())
        });
        connections::of(&self.base, process, log, self.state().ports.clone())
    }

    fn log_path(&self) -> Option<PathBuf> {
        match &self.config().ok()?.logname {
            Some(name) => self.file(name),
            None => self.out_path(),
        }
    }

    fn out_path(&self) -> Option<PathBuf> {
        self.file("stdout")
    }

    fn err_path(&self) -> Option<PathBuf> {
        self.file("stderr")
    }

    fn install_target(&self) -> Option<PathBuf> {
        self.file("etc")
    }
}

impl Process {
    /// Binds to the ports, and publishes them.
    fn bind(&self, listen: &[Listen]) -> Result<Vec<Bound>> {
        let mut all = Vec::new();
        let (recorder, tape) = (self.base.recorder(), self.base.tape());
        for listen in listen {
            let (host, port) = listen.settings();
            let host = self.text(&Text::from(host.clone()))?;
            let port = self.base.expand(port)?;
            let number = port.number().map_err(|source| ProcessError::Port {
                driver: self.base.name().to_owned(),
                name: listen.name().to_owned(),
                source,
            })?;
            let bound = listen
                .bind(&host, number)
                .map_err(|source| ProcessError::Listen {
                    driver: self.base.name().to_owned(),
                    name: listen.name().to_owned(),
                    host: host.clone(),
                    port: number,
                    source,
                })?;
            let addresses = (bound.host.as_str(), bound.port).to_socket_addrs();
            for address in addresses.into_iter().flatten() {
                recorder.name_address(address, tape.name());
            }
            let known = (bound.name.clone(), bound.host.clone(), bound.port);
            self.state().ports.push(known);
            all.push(bound);
        }
        Ok(all)
    }

    fn file(&self, name: impl AsRef<Path>) -> Option<PathBuf> {
        let runpath = self.base.resource().entity().runpath()?;
        Some(runpath.join(name))
    }

    fn ended_early(&self, child: &Child, exit: Exit) -> ProcessError {
        ProcessError::EndedEarly {
            driver: self.base.name().to_owned(),
            exit,
            after: child.lifetime().unwrap_or_default(),
            command: self.command_line().unwrap_or_default(),
        }
    }

    /// Whether it may end so before it is ready: as a condition waits for, or as
    /// it has to anyway.
    fn may_end_with(&self, exit: Exit) -> Result<bool> {
        let config = self.config()?;
        let code = exit.retcode();
        let mut conditions = config.driver.ready.iter();
        Ok(conditions.any(|condition| condition.awaits_exit(code))
            || config.expected_retcode.unwrap_or_default() == code)
    }

    /// Whether it should accept connections, and nothing of it is there to do that.
    fn serves_nobody(&self, child: &Child) -> Result<bool> {
        fn is_about_a_port(condition: &Readiness) -> bool {
            match condition {
                Readiness::Port(_) => true,
                Readiness::All(conditions) => conditions.iter().any(is_about_a_port),
                _ => false,
            }
        }
        let config = self.config()?;
        Ok(child.is_over() && config.driver.ready.iter().any(is_about_a_port))
    }

    fn freeze(&self, frozen: bool) -> Result<()> {
        let child = self.child().filter(|child| child.exit().is_none());
        let child = child.ok_or_else(|| self.not_running())?;
        Ok(child.signal_group(sys::freezing(frozen))?)
    }
}
