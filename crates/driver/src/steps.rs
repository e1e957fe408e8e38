use std::sync::{Arc, OnceLock};
use std::time::Duration;

use standin_entity::{Check, CheckInterval, HookPoint, Result, Steps};

use crate::error::FileLogError;
use crate::{Driver, DriverConfig, Readiness, error_log, install};

/// A driver as the engine of `standin-entity` sees it: what every driver does
/// at each step, and then what this one does.
pub(crate) struct AsSteps<'a> {
    driver: &'a dyn Driver,
    /// Resolved once for each operation, whose steps then agree on it.
    config: OnceLock<Arc<DriverConfig>>,
}

impl<'a> AsSteps<'a> {
    pub(crate) fn new(driver: &'a dyn Driver) -> Self {
        AsSteps {
            driver,
            config: OnceLock::new(),
        }
    }

    fn config(&self) -> Result<&DriverConfig> {
        if let Some(config) = self.config.get() {
            return Ok(config);
        }
        let config = self.driver.base().options().shared()?;
        Ok(self.config.get_or_init(|| config))
    }

    /// Ends what the drivers that this one extends still have, which is nothing unless an
    /// override has forgotten them.
    fn end_extended(&self) -> Result<()> {
        let mut extended = self.driver.extends();
        while let Some(driver) = extended {
            driver.aborting()?;
            extended = driver.extends();
        }
        Ok(())
    }
}

impl Steps for AsSteps<'_> {
    fn started_check_interval(&self) -> CheckInterval {
        let shortest = self.config().ok().and_then(|config| {
            let intervals = config.ready.iter().filter_map(Readiness::interval);
            intervals.min()
        });
        shortest.map_or_else(|| self.driver.started_check_interval(), CheckInterval::from)
    }

    fn stopped_check_interval(&self) -> CheckInterval {
        self.driver.stopped_check_interval()
    }

    fn stop_grace(&self) -> Duration {
        self.driver.stop_grace()
    }

    fn pre_start(&self) -> Result<()> {
        let config = self.config()?;
        let base = self.driver.base();
        let entity = base.entity();
        let own = config.resource.entity.runpath.clone();
        let own = own.filter(|path| !path.as_os_str().is_empty());
        let computed = || Some(config.runpath_of.as_ref()?.compute(self.driver));
        entity.define_runpath(own.or_else(computed))?;
        let runpath = entity.make_runpath_dirs(config.resource.entity.path_cleanup)?;
        if let Some(name) = &config.file_logger {
            let path = runpath.join(name);
            base.file_log
                .open(path.clone())
                .map_err(|source| FileLogError {
                    driver: base.name().to_owned(),
                    path,
                    source,
                })?;
        }
        base.starting.begin(self.driver, config)?;
        self.driver.prepare()?;
        install::install(self.driver, &config.install_files)?;
        self.driver.pre_start()
    }

    fn starting(&self) -> Result<()> {
        let starting = &self.driver.base().starting;
        starting.note(self.driver, self.config()?);
        self.driver.starting()
    }

    fn started_check(&self) -> Result<Check> {
        let starting = &self.driver.base().starting;
        if let Check::NotYet(missing) = starting.check(self.driver, false)? {
            let Some(error) = self.driver.start_failure() else {
                return Ok(Check::NotYet(missing));
            };
            // Its last words may have come since: they count.
            if starting.check(self.driver, true)? != Check::Ready {
                return Err(error);
            }
        }
        let check = self.driver.started_check()?;
        match (&check, self.driver.start_failure()) {
            (Check::NotYet(_), Some(error)) => Err(error),
            (Check::NotYet(_), None) => Ok(check),
            (Check::Ready, _) => {
                starting.end();
                Ok(check)
            }
        }
    }

    fn post_start(&self) -> Result<()> {
        self.driver.post_start()
    }

    fn pre_stop(&self) -> Result<()> {
        self.driver.pre_stop()
    }

    fn verify(&self) -> Result<()> {
        self.driver.verify()
    }

    fn stopping(&self) -> Result<()> {
        self.driver.base().starting.end();
        self.driver.stopping()
    }

    fn stopped_check(&self) -> Result<Check> {
        self.driver.stopped_check()
    }

    fn post_stop(&self) -> Result<()> {
        let result = self.driver.post_stop().and(self.end_extended());
        let base = self.driver.base();
        base.starting.bell.set_over(true);
        base.file_log.close();
        result
    }

    fn describe_failure(&self) -> Vec<String> {
        let Ok(config) = self.config() else {
            return Vec::new();
        };
        let mut evidence = self.driver.base().starting.hints(self.driver, config);
        match self.driver.fetch_error_log() {
            Ok(lines) => evidence.extend(lines),
            Err(error) => {
                evidence.push(format!("its error log cannot be shown: {error}"));
                evidence.extend(error_log::fetch(self.driver, config));
            }
        }
        evidence
    }

    fn aborting(&self) -> Result<()> {
        let base = self.driver.base();
        base.starting.bell.set_over(true);
        let result = self.driver.aborting().and(self.end_extended());
        base.file_log.close();
        result
    }

    fn pausing(&self) -> Result<()> {
        self.driver.pausing()
    }

    fn resuming(&self) -> Result<()> {
        self.driver.resuming()
    }

    fn hook(&self, point: HookPoint) -> Result<()> {
        let config = self.config()?;
        let hook = match point {
            HookPoint::PreStart => &config.pre_start,
            HookPoint::PostStart => &config.post_start,
            HookPoint::PreStop => &config.pre_stop,
            HookPoint::PostStop => &config.post_stop,
        };
        hook.as_ref().map_or(Ok(()), |hook| hook.run(self.driver))
    }
}
