use standin_entity::{Check, HookPoint, Result, Settings, Steps};

use crate::{Driver, DriverConfig};

/// A driver as the engine of `standin-entity` sees it: what every driver does
/// at each step, and then what this one does.
pub(crate) struct AsSteps<'a>(pub(crate) &'a dyn Driver);

impl AsSteps<'_> {
    fn config(&self) -> Result<DriverConfig> {
        Ok(self.0.base().config()?)
    }
}

impl Steps for AsSteps<'_> {
    fn settings(&self) -> Result<Settings> {
        let config = self.config()?;
        Ok(Settings {
            start_timeout: config.timeout,
            stop_timeout: config.timeout.saturating_add(self.0.stop_grace()),
            async_start: config.resource.async_start.unwrap_or(false),
            auto_start: config.resource.auto_start,
            status_wait_timeout: config.resource.entity.status_wait_timeout,
            abort_wait_timeout: config.resource.entity.abort_wait_timeout,
            ..Settings::default()
        })
    }

    fn pre_start(&self) -> Result<()> {
        let config = self.config()?.resource.entity;
        let entity = self.0.base().resource().entity();
        entity.define_runpath(config.runpath)?;
        entity.make_runpath_dirs(config.path_cleanup)?;
        self.0.pre_start()
    }

    fn starting(&self) -> Result<()> {
        self.0.starting()
    }

    fn started_check(&self) -> Result<Check> {
        let check = self.0.started_check()?;
        match (&check, self.0.start_failure()) {
            (Check::NotYet(_), Some(error)) => Err(error),
            _ => Ok(check),
        }
    }

    fn is_alive(&self) -> bool {
        self.0.is_alive()
    }

    fn post_start(&self) -> Result<()> {
        self.0.post_start()
    }

    fn pre_stop(&self) -> Result<()> {
        self.0.pre_stop()
    }

    fn stopping(&self) -> Result<()> {
        self.0.stopping()
    }

    fn stopped_check(&self) -> Result<Check> {
        self.0.stopped_check()
    }

    fn post_stop(&self) -> Result<()> {
        self.0.post_stop()
    }

    fn aborting(&self) -> Result<()> {
        self.0.aborting()
    }

    fn pausing(&self) -> Result<()> {
        self.0.pausing()
    }

    fn resuming(&self) -> Result<()> {
        self.0.resuming()
    }

    fn hook(&self, point: HookPoint) -> Result<()> {
        let config = self.config()?;
        let hook = match point {
            HookPoint::PreStart => config.pre_start,
            HookPoint::PostStart => config.post_start,
            HookPoint::PreStop => config.pre_stop,
            HookPoint::PostStop => config.post_stop,
        };
        hook.map_or(Ok(()), |hook| hook.run(self.0))
    }
}
