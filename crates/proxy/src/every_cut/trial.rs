use std::fmt;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use standin_driver::Driver;
use standin_sync::Unpoisoned;

use super::conversation::{Conversation, Line};
use super::cut::Cut;
use crate::rule::Injected;
use crate::{NewFraming, ProxyError, TcpProxy};

/// One run of a test that [`EveryCut`](crate::EveryCut) repeats: without a cut, or with one.
///
/// The test makes its environment again in each run, and has the trial
/// [watch](Trial::watch) the proxies in it before they start.
pub struct Trial {
    pub(super) cut: Option<Cut>,
    pub(super) framing: Option<NewFraming>,
    pub(super) limit: Duration,
    pub(super) seed: u64,
    pub(super) conversation: Arc<Mutex<Conversation>>,
    pub(super) watched: Mutex<Watched>,
}

#[derive(Default)]
pub(super) struct Watched {
    proxies: Vec<Weak<TcpProxy>>,
    injected: Option<Injected>,
    /// It has taken too long already.
    is_over: bool,
    /// The test has said that it has hung.
    has_hung: bool,
}

impl Trial {
    /// Returns the cut of this run; `None` in one that goes well.
    pub fn cut(&self) -> Option<&Cut> {
        self.cut.as_ref()
    }

    /// Returns how long the run may take before it counts as hung.
    pub fn limit(&self) -> Duration {
        self.limit
    }

    /// Learns what goes through a proxy in a run without a cut, and cuts it in the others. To be
    /// called before the proxy starts, in each run, for each proxy that counts.
    ///
    /// # Errors
    ///
    /// Returns an error if the cut is about frames, and no framing is set.
    pub fn watch(&self, proxy: &Arc<TcpProxy>) -> Result<(), ProxyError> {
        let name = proxy.base().name().to_owned();
        if let Some(framing) = &self.framing
            && !proxy.has_framing()
        {
            proxy.set_framing(framing.clone());
        }
        proxy.set_seed(self.seed);
        let injected = match &self.cut {
            Some(cut) if cut.proxy == name => Some(proxy.inject(cut.fault())?),
            _ => None,
        };
        let (conversation, is_framed) = (Arc::clone(&self.conversation), proxy.has_framing());
        proxy.watch(Arc::new(move |came| {
            let line = Line {
                proxy: name.clone(),
                connection: came.connection,
                direction: came.direction,
            };
            let mut conversation = conversation.lock().unpoisoned();
            conversation.add(line, came.size, came.head, is_framed);
        }));
        let is_over = {
            let mut watched = self.watched.lock().unpoisoned();
            watched.proxies.push(Arc::downgrade(proxy));
            watched.injected = injected.or(watched.injected.take());
            watched.is_over
        };
        if is_over {
            self.end();
        }
        Ok(())
    }

    /// Marks the run as hung, for a test that itself ends a program that hangs. The run counts as
    /// hung, whatever it returns.
    pub fn note_hung(&self) {
        self.watched.lock().unpoisoned().has_hung = true;
    }

    pub(super) fn has_hung(&self) -> bool {
        self.watched.lock().unpoisoned().has_hung
    }

    /// Whether the cut has happened.
    pub(super) fn has_cut(&self) -> bool {
        let watched = self.watched.lock().unpoisoned();
        watched
            .injected
            .as_ref()
            .is_some_and(|injected| injected.count() > 0)
    }

    /// Ends all waits in the environments of the proxies: the run takes too long.
    pub(super) fn end(&self) {
        let proxies: Vec<Arc<TcpProxy>> = {
            let mut watched = self.watched.lock().unpoisoned();
            watched.is_over = true;
            watched.proxies.iter().filter_map(Weak::upgrade).collect()
        };
        for proxy in proxies {
            let limit = self.limit;
            let reason = format!("the run has taken longer than {limit:?}");
            proxy.base().fail(&reason);
            // Also where no environment is around it.
            proxy.interrupting();
        }
    }

    pub(super) fn has_watched(&self) -> bool {
        !self.watched.lock().unpoisoned().proxies.is_empty()
    }
}

impl fmt::Debug for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trial")
            .field("cut", &self.cut)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
