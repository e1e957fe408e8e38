//! The common parts of the drivers of this crate.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use standin_config::{ConfigErrors, Options, Port, Setting};
use standin_driver::{BuildError, DriverBase, WaitEnd};
use standin_entity::ResourceConfig;
use standin_record::LastRecords;
use standin_reply::{Responder, Script, Unexpected};
use standin_socket::Connection;
use standin_sync::Unpoisoned;

use crate::answering::Answering;
use crate::connection::{Noted, noted};
use crate::replies::KNOWN;
use crate::{Encoding, RepliesConfig, TcpConfig, TcpConnection, TcpError};

/// The base of a driver, and what its latest start has found out.
pub(crate) struct TcpBase<S> {
    pub(crate) driver: DriverBase,
    state: RwLock<S>,
    /// The defaults of connection handles.
    defaults: RwLock<(Duration, Encoding)>,
    /// The test has failed elsewhere.
    is_interrupted: AtomicBool,
    pub(crate) answering: Answering,
    #[cfg(feature = "tls")]
    pub(crate) secure: crate::tls::Secure,
}

impl<S: Default> TcpBase<S> {
    pub(crate) fn new(kind: &'static str, options: impl Options) -> Result<Self, BuildError> {
        let driver = DriverBase::new(kind, options)?;
        let config = RepliesConfig::of(driver.options())?;
        if let Some(replies) = &config.replies {
            driver.renders("replies", replies.templates());
        }
        if let Ok(Some(replies)) = config.declared() {
            let tcp = driver.options().shared::<TcpConfig>()?;
            config.may_start_tls(driver.name(), &replies, &tcp)?;
        }
        Ok(TcpBase {
            driver,
            answering: Answering::default(),
            #[cfg(feature = "tls")]
            secure: crate::tls::Secure::default(),
            state: RwLock::default(),
            defaults: RwLock::default(),
            is_interrupted: AtomicBool::new(false),
        })
    }

    pub(crate) fn name(&self) -> &str {
        self.driver.name()
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, S> {
        self.state.read().unpoisoned()
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, S> {
        self.state.write().unpoisoned()
    }

    /// The number of the port that an option names.
    pub(crate) fn port(&self, setting: &Setting<Port>) -> standin_entity::Result<u16> {
        let port = self.driver.expand(setting)?;
        Ok(port.number().map_err(|source| TcpError::Port {
            driver: self.name().to_owned(),
            source,
        })?)
    }

    /// Sets the limit and the encoding of new connection handles from these options.
    pub(crate) fn set_defaults(&self, options: &TcpConfig) {
        *self.defaults.write().unpoisoned() = (options.io_timeout, options.encoding);
    }

    /// The handle of a connection.
    pub(crate) fn handle(&self, socket: Connection) -> TcpConnection {
        let (timeout, encoding) = *self.defaults.read().unpoisoned();
        let connection = TcpConnection::new(socket, timeout, encoding, self.driver.explainer());
        #[cfg(feature = "tls")]
        let connection = connection.with_tls_side(self.secure.side());
        connection
    }

    /// The last records of its connections, if it has had any.
    pub(crate) fn last_records(&self) -> Option<LastRecords> {
        let records = self.driver.tape().last_records();
        (!records.is_empty()).then_some(records)
    }

    /// The error with possible causes that the environment knows.
    pub(crate) fn noted(&self, error: impl Noted) -> TcpError {
        noted(&self.driver.explainer(), self.name(), error)
    }

    /// Lets there be waits, from a start on.
    pub(crate) fn begin_waits(&self) {
        self.is_interrupted.store(false, Ordering::SeqCst);
        // An abort is known from the resource.
        if let Some(WaitEnd::Interrupted | WaitEnd::Stopped) = WaitEnd::of(&self.driver) {
            self.end_waits();
        }
    }

    /// All waits end because the test has failed elsewhere.
    pub(crate) fn end_waits(&self) {
        self.is_interrupted.store(true, Ordering::SeqCst);
    }

    /// Refuses what would meet what an interruption has closed, without knowing why.
    pub(crate) fn uninterrupted(&self) -> Result<(), TcpError> {
        if !self.is_interrupted.load(Ordering::SeqCst) {
            return Ok(());
        }
        Err(TcpError::Interrupted {
            driver: self.name().to_owned(),
            reason: self.driver.explainer().interruption(self.name()),
        })
    }

    /// This error of an operation that met nothing, or why the driver was interrupted: it closes
    /// what it has, and whoever came before may find nothing only because of that.
    pub(crate) fn unless_interrupted(&self, error: TcpError) -> TcpError {
        self.uninterrupted().err().unwrap_or(error)
    }

    /// Refuses to wait in a start if nothing would end the wait: an abort, or a failure of the
    /// test, that happened before this start could be interrupted.
    pub(crate) fn still_starts(&self) -> Result<(), TcpError> {
        self.uninterrupted()?;
        match self.driver.resource().is_active() {
            true => Ok(()),
            false => Err(self.not_running()),
        }
    }

    pub(crate) fn not_running(&self) -> TcpError {
        TcpError::NotRunning {
            driver: self.name().to_owned(),
            status: self.driver.resource().status(),
        }
    }
}

/// The replies of a driver.
impl<S: Default> TcpBase<S> {
    /// The prepared replies of the driver; `None` if it has none. `who` is its name in messages:
    /// `server`.
    pub(crate) fn script(&self, who: &str, tcp: &TcpConfig) -> Result<Option<Script>, TcpError> {
        let config = RepliesConfig::of(self.driver.options())?;
        let declared = config
            .declared()
            .map_err(|misfits| ConfigErrors::of_misfits(self.name(), misfits))?;
        let Some(replies) = declared else {
            return Ok(None);
        };
        config.may_start_tls(self.name(), &replies, tcp)?;
        let explainer = self.driver.explainer();
        let name = self.name().to_owned();
        let script = replies
            .prepare(KNOWN)?
            .label(format!("{who} \"{name}\""))
            .receive_limit(tcp.receive_limit)
            .record(self.driver.tape())
            .globals(self.driver.template_names())
            .on_unexpected(move |unexpected: &Unexpected| {
                explainer.fail(&name, &unexpected.to_string());
            });
        #[cfg(feature = "tls")]
        let script = match self.secure.side() {
            Some(tls) => script.start_tls(move |connection| Ok(tls.start(connection)?)),
            None => script,
        };
        // What closures answer is not known before.
        #[cfg(not(feature = "tls"))]
        let script = script.start_tls(|_| Err("enable the feature `tls`".into()));
        Ok(Some(script))
    }

    /// The responder of the driver.
    pub(crate) fn responder(&self) -> Result<Arc<Responder>, TcpError> {
        self.answering
            .responder()
            .ok_or_else(|| match self.answers_itself() {
                true => self.unless_interrupted(self.not_running()),
                false => self.no_replies(),
            })
    }

    /// Whether the options declare replies.
    pub(crate) fn answers_itself(&self) -> bool {
        let config = RepliesConfig::of(self.driver.options());
        config.is_ok_and(|config| config.is_declared())
    }

    /// Starts to answer. Its end may take as long as `options` allow a stop to take.
    pub(crate) fn begin(
        &self,
        responder: io::Result<Responder>,
        options: &ResourceConfig,
    ) -> Result<(), TcpError> {
        let responder = responder.map_err(|source| TcpError::NoReactor {
            driver: self.name().to_owned(),
            source,
        })?;
        let limit = options.limit_of_stop(Duration::ZERO).total();
        self.answering.begin(responder, limit);
        Ok(())
    }

    pub(crate) fn no_replies(&self) -> TcpError {
        TcpError::NoReplies {
            driver: self.name().to_owned(),
        }
    }

    /// The error for methods that need a driver that answers by itself.
    pub(crate) fn answers_by_itself(&self, instead: &'static str) -> TcpError {
        TcpError::AnswersByItself {
            driver: self.name().to_owned(),
            instead,
        }
    }
}
