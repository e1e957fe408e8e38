//! [`Stage`]: where the environment of a service is between its file and its end.

use std::time::Instant;

use indexmap::IndexMap;
use standin::environment::{Artifacts, EnvironmentView};
use standin::{AbortHandle, Result};
use standin_sync::Monitor;

use super::error::ServeError;
use crate::{Observer, Running, Session};

/// How many records an error shows.
const LAST_RECORDS: usize = 12;

/// The environment, if there is one, and its state.
#[derive(Default)]
pub(crate) struct Stage {
    state: Monitor<State>,
}

#[derive(Default)]
struct State {
    phase: Phase,
    view: Option<EnvironmentView>,
    abort: Option<AbortHandle>,
    /// The client has gone, so that nothing starts any longer.
    is_over: bool,
}

#[derive(Default)]
enum Phase {
    #[default]
    Empty,
    Loaded(Box<Session>),
    Starting,
    Running(Box<Running>),
    Stopping,
    Stopped,
}

impl Stage {
    /// Has the session that `make` makes from now on.
    pub(crate) fn load(&self, make: impl FnOnce() -> Result<Session>) -> Result<EnvironmentView> {
        self.state.lock().may_load()?;
        let session = make()?;
        let view = session.view();
        let mut state = self.state.lock();
        // Another request may have started one meanwhile.
        state.may_load()?;
        *state = State {
            view: Some(view.clone()),
            abort: Some(session.abort_handle()),
            phase: Phase::Loaded(Box::new(session)),
            is_over: false,
        };
        Ok(view)
    }

    /// Starts the environment.
    pub(crate) fn start(&self, observer: &dyn Observer) -> Result<IndexMap<String, String>> {
        let session = {
            let mut state = self.state.lock();
            match std::mem::replace(&mut state.phase, Phase::Starting) {
                Phase::Loaded(session) if !state.is_over => session,
                phase => {
                    state.phase = phase;
                    return Err(state.wrong("start").into());
                }
            }
        };
        let started = session.start(observer);
        match started {
            Ok(running) => {
                let variables = running.variables();
                self.enter(Phase::Running(Box::new(running)));
                variables
            }
            Err(error) => {
                self.enter(Phase::Stopped);
                Err(error)
            }
        }
    }

    /// The test has failed, so that the files of the environment stay.
    pub(crate) fn note_failure(&self) {
        if let Phase::Running(running) = &self.state.lock().phase {
            running.note_failure();
        }
    }

    /// The test has failed: writes what explains that. Nothing if the environment is not up.
    pub(crate) fn write_failure(&self) -> Artifacts {
        match &self.state.lock().phase {
            Phase::Running(running) => running.write_failure(),
            _ => Artifacts::default(),
        }
    }

    /// Stops the environment, and gives what explains a failure that was noted.
    pub(crate) fn stop(&self, observer: &dyn Observer) -> Result<Artifacts> {
        let running = {
            let mut state = self.state.lock();
            match std::mem::replace(&mut state.phase, Phase::Stopping) {
                Phase::Running(running) => running,
                // One that never started is down.
                Phase::Loaded(_) | Phase::Stopped => {
                    state.phase = Phase::Stopped;
                    return Ok(Artifacts::default());
                }
                phase => {
                    state.phase = phase;
                    return Err(state.wrong("stop").into());
                }
            }
        };
        self.stop_running(*running, observer)
    }

    fn stop_running(&self, running: Running, observer: &dyn Observer) -> Result<Artifacts> {
        let stopped = running.stop(observer);
        self.enter(Phase::Stopped);
        Ok(stopped?)
    }

    /// Ends what the environment does, at once: a start, waits, conversations. What is up is taken
    /// down.
    pub(crate) fn abort(&self, observer: &dyn Observer) -> Result<()> {
        let abort = self.state.lock().abort.clone();
        let Some(abort) = abort else {
            return Err(ServeError::NoEnvironment.into());
        };
        abort.abort();
        self.take_down(observer)
    }

    /// The client has gone: as [`take_down`](Stage::take_down), and what it has asked for and is
    /// not begun yet does not begin.
    pub(crate) fn end(&self, observer: &dyn Observer) -> Result<()> {
        self.state.lock().is_over = true;
        self.take_down(observer)
    }

    /// Ends a start that is under way, and takes down what is up. Returns when all of it is down.
    fn take_down(&self, observer: &dyn Observer) -> Result<()> {
        let abort = {
            let state = self.state.lock();
            let is_starting = matches!(state.phase, Phase::Starting);
            state.abort.clone().filter(|_| is_starting)
        };
        if let Some(abort) = abort {
            abort.abort();
        }
        let is_busy = |state: &mut State| matches!(state.phase, Phase::Starting | Phase::Stopping);
        let mut state = self
            .state
            .wait_while(self.state.lock(), None::<Instant>, is_busy);
        // Under the same lock: another request may be about to stop it.
        match std::mem::replace(&mut state.phase, Phase::Stopping) {
            Phase::Running(running) => {
                drop(state);
                self.stop_running(*running, observer).map(drop)
            }
            phase => {
                state.phase = phase;
                Ok(())
            }
        }
    }

    /// The variables of the environment that is up.
    pub(crate) fn variables(&self) -> Result<IndexMap<String, String>> {
        let state = self.state.lock();
        match &state.phase {
            Phase::Running(running) => running.variables(),
            _ => Err(state.wrong("give its variables").into()),
        }
    }

    /// A look at the environment.
    pub(crate) fn view(&self) -> Result<EnvironmentView, ServeError> {
        let view = self.state.lock().view.clone();
        view.ok_or(ServeError::NoEnvironment)
    }

    /// The state of the environment, in a word.
    pub(crate) fn phase(&self) -> &'static str {
        self.state.lock().phase.word()
    }

    /// The last records of a driver, a line each.
    pub(crate) fn last_records(&self, driver: &str) -> Vec<String> {
        let Ok(view) = self.view() else {
            return Vec::new();
        };
        let transcript = view.transcript().of(driver);
        let text = transcript.text().last(LAST_RECORDS).to_string();
        text.lines().map(str::to_owned).collect()
    }

    fn enter(&self, phase: Phase) {
        self.state.update(|state| state.phase = phase);
    }
}

impl State {
    fn may_load(&self) -> Result<(), ServeError> {
        match self.phase {
            Phase::Empty | Phase::Loaded(_) | Phase::Stopped if !self.is_over => Ok(()),
            _ => Err(self.wrong("load another one")),
        }
    }

    fn wrong(&self, action: &str) -> ServeError {
        match &self.view {
            None => ServeError::NoEnvironment,
            Some(view) => ServeError::WrongPhase {
                action: action.to_owned(),
                environment: view.name().to_owned(),
                phase: self.phase.word(),
            },
        }
    }
}

impl Phase {
    fn word(&self) -> &'static str {
        match self {
            Phase::Empty => "empty",
            Phase::Loaded(_) => "loaded",
            Phase::Starting => "starting",
            Phase::Running(_) => "running",
            Phase::Stopping => "stopping",
            Phase::Stopped => "stopped",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_starts_once_the_client_has_gone() {
        // Its last requests may come to their turn after it.
        let stage = Stage::default();
        let make = || Ok(Session::parse("environment", "name = 'late'", &[])?);
        stage.load(make).unwrap();
        stage.end(&|_: &crate::Event| {}).unwrap();
        assert!(stage.start(&|_: &crate::Event| {}).is_err());
        assert!(stage.load(make).is_err());
        assert_eq!(stage.phase(), "loaded");
    }
}
