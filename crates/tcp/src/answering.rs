//! [`Answering`]: who answers for a driver that answers by itself.

use std::sync::{Arc, RwLock};
use std::time::Duration;

use standin_reply::{Ledger, Responder, StuckError, VerifyError};
use standin_sync::Unpoisoned;

/// The responder of a driver that answers by itself, and its ledger.
#[derive(Debug, Default)]
pub(crate) struct Answering {
    now: RwLock<Now>,
}

#[derive(Debug, Default)]
struct Now {
    responder: Option<Arc<Responder>>,
    /// The ledger of the latest start; it stays after the responder has ended.
    ledger: Option<Ledger>,
    /// How long the check at the end may take, and how long the end itself.
    limit: Duration,
}

/// How long an abort waits for code of a user's that keeps the thread.
const ABORT_LIMIT: Duration = Duration::from_secs(1);

/// For how long code of a user's may run before it explains why others wait.
const LONG: Duration = Duration::from_millis(100);

impl Answering {
    /// Answers from now on. `limit` is how long a stop of the driver may take.
    pub(crate) fn begin(&self, responder: Responder, limit: Duration) {
        *self.now.write().unpoisoned() = Now {
            ledger: Some(responder.ledger().clone()),
            responder: Some(Arc::new(responder)),
            limit: limit / 2,
        };
    }

    /// The current responder.
    pub(crate) fn responder(&self) -> Option<Arc<Responder>> {
        self.now.read().unpoisoned().responder.clone()
    }

    /// No responder, and no ledger of an earlier start.
    pub(crate) fn forget(&self) {
        *self.now.write().unpoisoned() = Now::default();
    }

    /// The account since the latest start.
    pub(crate) fn ledger(&self) -> Option<Ledger> {
        self.now.read().unpoisoned().ledger.clone()
    }

    /// Whether everything that must happen has happened, and nothing unexpected.
    pub(crate) fn verify(&self) -> Result<(), VerifyError> {
        let limit = self.now.read().unpoisoned().limit;
        match self.responder() {
            Some(responder) => responder.verify(limit),
            None => Ok(()),
        }
    }

    /// Ends every wait on it.
    pub(crate) fn interrupt(&self) {
        if let Some(responder) = self.responder() {
            responder.abort("the test has failed elsewhere");
        }
    }

    /// Ends all conversations.
    pub(crate) fn stop(&self) -> Result<(), StuckError> {
        let limit = self.now.read().unpoisoned().limit;
        self.end(|responder| responder.stop(limit))
    }

    /// Ends all conversations at once, and every wait on them.
    pub(crate) fn abort(&self) -> Result<(), StuckError> {
        self.end(|responder| {
            responder.abort("the driver was aborted");
            responder.stop(ABORT_LIMIT)
        })
    }

    fn end(
        &self,
        end: impl FnOnce(&Responder) -> Result<(), StuckError>,
    ) -> Result<(), StuckError> {
        // In a `let`: nothing is locked while it ends.
        let responder = self.now.write().unpoisoned().responder.take();
        match responder {
            Some(responder) => end(&responder),
            None => Ok(()),
        }
    }

    /// Why it cannot answer, as the end of a sentence.
    pub(crate) fn trouble(&self) -> Option<String> {
        let busy = self.responder()?.busy()?;
        (busy.elapsed() >= LONG).then(|| format!("does not come to answer: {busy}"))
    }
}

/// Adds the methods by which a test observes a driver that answers by itself, and takes over its
/// conversations.
macro_rules! answers {
    ($driver:literal) => {
        /// Returns the conversation that a rule or dialogue has held under this name for the
        /// longest time, as soon as there is one.
        ///
        /// ```
        /// # use std::time::Duration;
        /// # use standin_driver::Lifecycle;
        /// # use standin_reply::{Replies, hold, prefix};
        /// # use standin_socket::framing::Lines;
        /// # use standin_tcp::{TcpClient, TcpServer};
        /// # fn main() -> standin_entity::Result<()> {
        /// let bank = TcpServer::builder("bank")
        ///     .replies(Replies::framed(Lines::new()).on(prefix("PAY"), hold("pay")))
        ///     .build()?;
        /// bank.start()?;
        /// let port = bank.port().expect("a started server has a port");
        /// let client = TcpClient::builder("client").host("localhost").port(port).build()?;
        /// client.start()?;
        ///
        /// client.send_text("PAY 42\n")?;
        /// let mut held = bank.held("pay", Duration::from_secs(10))?;
        /// assert_eq!(held.frame(), Some(&b"PAY 42"[..]));
        /// held.send_text("paid\n")?;
        /// held.hand_back();
        /// assert_eq!(client.receive_line_text()?, "paid");
        /// # Ok(())
        /// # }
        /// ```
        ///
        /// # Errors
        ///
        /// Returns an error if there is none in time, if something unexpected has happened or
        /// happens meanwhile, or if the driver does not answer by itself or is not running.
        pub fn held(
            &self,
            name: impl AsRef<str>,
            timeout: impl Into<Option<std::time::Duration>>,
        ) -> Result<crate::TcpHeld, crate::TcpError> {
            standin_socket::operation::now(self.held_with(
                standin_socket::operation::Thread,
                name.as_ref(),
                timeout,
            ))
        }

        /// Does the same as `held`, waiting with `wait`.
        #[doc(hidden)]
        pub async fn held_with(
            &self,
            wait: impl standin_socket::operation::Wait,
            name: &str,
            timeout: impl Into<Option<std::time::Duration>>,
        ) -> Result<crate::TcpHeld, crate::TcpError> {
            let responder = self.base.responder()?;
            let held = responder.held_with(wait, name, timeout).await;
            self.base.hand_over(held)
        }

        /// Takes over the conversation of the connection with that index at any point: between two
        /// frames, or in the middle of a delay. Waits for a connection that does not exist yet.
        ///
        /// # Errors
        ///
        /// Returns an error if it is not there in time, if something unexpected has happened or
        /// happens meanwhile, or if the driver does not answer by itself or is not running.
        pub fn take_over(
            &self,
            index: usize,
            timeout: impl Into<Option<std::time::Duration>>,
        ) -> Result<crate::TcpHeld, crate::TcpError> {
            standin_socket::operation::now(self.take_over_with(
                standin_socket::operation::Thread,
                index,
                timeout,
            ))
        }

        /// Does the same as `take_over`, waiting with `wait`.
        #[doc(hidden)]
        pub async fn take_over_with(
            &self,
            wait: impl standin_socket::operation::Wait,
            index: usize,
            timeout: impl Into<Option<std::time::Duration>>,
        ) -> Result<crate::TcpHeld, crate::TcpError> {
            let responder = self.base.responder()?;
            let held = responder.take_over_with(wait, index, timeout).await;
            self.base.hand_over(held)
        }

        /// Waits until something has happened: a rule has matched, a dialogue is finished,
        /// everything required has arrived. With `None` it waits without a limit.
        ///
        /// # Errors
        ///
        /// Returns an error if the time is up, if something unexpected has happened or happens
        /// meanwhile, or if the driver does not answer by itself or is not running.
        pub fn wait_until(
            &self,
            seen: standin_reply::Seen,
            timeout: impl Into<Option<std::time::Duration>>,
        ) -> Result<(), crate::TcpError> {
            standin_socket::operation::now(self.wait_until_with(
                standin_socket::operation::Thread,
                seen,
                timeout,
            ))
        }

        /// Does the same as `wait_until`, waiting with `wait`.
        #[doc(hidden)]
        pub async fn wait_until_with(
            &self,
            wait: impl standin_socket::operation::Wait,
            seen: standin_reply::Seen,
            timeout: impl Into<Option<std::time::Duration>>,
        ) -> Result<(), crate::TcpError> {
            let responder = self.base.responder()?;
            let waited = responder.wait_until_with(wait, seen, timeout).await;
            waited.map_err(|error| self.base.not_seen(error))
        }

        #[doc = concat!("The account of what this ", $driver, " has heard by itself since its latest")]
        /// start, also after its stop: how often each rule has matched, what was unexpected, what
        /// is missing.
        ///
        /// # Errors
        ///
        /// Returns an error if the driver does not answer by itself, or was not started yet.
        pub fn ledger(&self) -> Result<standin_reply::Ledger, crate::TcpError> {
            let ledger = self.base.answering.ledger();
            ledger.ok_or_else(|| match self.base.answers_itself() {
                true => self.base.not_running(),
                false => self.base.no_replies(),
            })
        }
    };
}

pub(crate) use answers;
