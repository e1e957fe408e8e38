//! A peer that is fed by hand.

use std::time::{Duration, Instant};

use standin_reply::{Action, Conversation, Ledger, Replies};
use standin_socket::End;

/// A conversation whose output is always taken, on a clock of its own.
pub(crate) struct Talk {
    pub(crate) ledger: Ledger,
    pub(crate) conversation: Conversation,
    pub(crate) now: Instant,
    pub(crate) sent: Vec<u8>,
    pub(crate) action: Action,
}

impl Talk {
    #[track_caller]
    pub(crate) fn new(replies: &Replies) -> Talk {
        let script = replies.prepare(&[]).expect("the replies are right");
        Talk::on(&Ledger::new(script), 0)
    }

    pub(crate) fn on(ledger: &Ledger, index: usize) -> Talk {
        let mut talk = Talk {
            ledger: ledger.clone(),
            conversation: Conversation::new(ledger, index),
            now: Instant::now(),
            sent: Vec::new(),
            action: Action::Again,
        };
        talk.act();
        talk
    }

    /// Acts and sends until something else is to be done.
    pub(crate) fn act(&mut self) {
        loop {
            self.action = self.conversation.act(self.now);
            while !self.conversation.output().is_empty() {
                let output = self.conversation.output();
                self.sent.extend_from_slice(output);
                self.conversation.sent(output.len());
            }
            if !matches!(self.action, Action::Again | Action::Send) {
                return;
            }
        }
    }

    /// Lets something come; gives what is sent about it.
    pub(crate) fn say(&mut self, bytes: impl AsRef<[u8]>) -> String {
        self.conversation.receive(bytes.as_ref());
        self.act();
        self.take()
    }

    /// Lets time pass.
    pub(crate) fn pass(&mut self, time: Duration) -> String {
        self.now += time;
        self.act();
        self.take()
    }

    pub(crate) fn end(&mut self) -> String {
        self.conversation.end(&End::PeerClosed);
        self.act();
        self.take()
    }

    pub(crate) fn take(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.sent)).into_owned()
    }

    /// What was unexpected.
    pub(crate) fn surprises(&self) -> String {
        let all = self.ledger.unexpected();
        let all: Vec<_> = all.iter().map(ToString::to_string).collect();
        all.join("\n")
    }

    /// What is missing.
    pub(crate) fn unmet(&self) -> String {
        let all = self.ledger.unmet();
        let all: Vec<_> = all.iter().map(ToString::to_string).collect();
        all.join("\n")
    }
}
