//! What a conversation makes of what it hears.

use std::borrow::Cow;
use std::sync::Arc;

use standin_record::Event;

use super::{Conversation, Phase};
use crate::captures::Captures;
use crate::excerpt::{EVIDENCE, Excerpt};
use crate::explain;
use crate::incoming::Broken;
use crate::ledger::Progress;
use crate::play;
use crate::script::{Deed, Fallback, Test};
use crate::unexpected::{Ended, Said, Surprise};
use crate::user_code::guarded;
use crate::{Action, Frame, Unexpected};

impl Conversation {
    /// Goes to the next frame, or the next thing that a dialogue does.
    pub(super) fn next_frame(&mut self) -> Option<Action> {
        if let Some(play) = &mut self.play
            && let play::Next::Do(_, deed) = play.next()
        {
            let (frame, captures) = (play.frame.clone(), play.captures.clone());
            self.begin(deed, frame, captures);
            if let Some(doing) = &mut self.doing {
                doing.is_move = true;
            }
            return None;
        }
        let limit = self.ledger.script().receive_limit;
        match guarded(|| self.incoming.next(limit)) {
            Ok(Ok(Some(frame))) => self.hear(frame),
            Ok(Ok(None)) => match self.ended.take() {
                None => return Some(Action::Receive),
                Some(ended) => self.finish(*ended),
            },
            Ok(Err(Broken::NotAFrame(source))) => {
                let bytes = Excerpt::new(&self.shown_rest(), EVIDENCE);
                self.fail(Surprise::NotAFrame { bytes, source });
            }
            Ok(Err(Broken::TooLong(head))) => {
                let head = Excerpt::new(&self.shown(&head), EVIDENCE);
                self.fail(Surprise::TooLong { head, limit });
            }
            Err(message) => self.fail(Surprise::Panicked {
                what: "the framing".to_owned(),
                message,
            }),
        }
        None
    }

    /// Acts on a frame.
    fn hear(&mut self, frame: Vec<u8>) {
        self.ledger.heard();
        // The frame moves on, and is what was said last only after that.
        let (mut head, len) = ([0; Said::KEPT], frame.len());
        let kept = len.min(Said::KEPT);
        head[..kept].copy_from_slice(&frame[..kept]);
        let outcome = match &mut self.play {
            Some(play) => play.hear(&frame, |test| matches(test, &frame)),
            None => Ok(false),
        };
        match outcome {
            Ok(true) => {
                if let Some(play) = &mut self.play {
                    play.frame = frame;
                }
                self.note_progress();
            }
            Ok(false) if self.play.is_some() => self.otherwise(frame),
            Ok(false) => {
                if let Err(surprise) = self.answer(frame) {
                    self.fail(surprise);
                }
            }
            Err(surprise) => self.fail(surprise),
        }
        self.said.hear(&head[..kept], len);
    }

    /// Answers a frame by the rules.
    fn answer(&mut self, frame: Vec<u8>) -> Result<(), Surprise> {
        let parts = Arc::clone(&self.ledger.script().parts);
        for (index, rule) in parts.rules.iter().enumerate() {
            if !rule.state.fits(self.state.as_ref())
                || !matches(&rule.test, &frame)?
                || !self.ledger.matches(index)
            {
                continue;
            }
            let mut captures = Captures::default();
            if rule.deed.wants_captures() {
                rule.test.capture(&frame, &mut captures);
            }
            self.begin(Arc::clone(&rule.deed), frame, captures);
            return Ok(());
        }
        self.closures.resize_with(parts.closures.len(), || None);
        for (index, closure) in parts.closures.iter().enumerate() {
            let seen = Frame {
                payload: &frame,
                connection: self.index,
                state: self.state.as_deref(),
            };
            let answer = guarded(|| closure.ask(&seen, &mut self.closures[index]));
            let answer = answer.map_err(|message| Surprise::Panicked {
                what: format!(
                    "closure {} for the frame {}",
                    index + 1,
                    Excerpt::new(&self.shown(&frame), Said::KEPT)
                ),
                message,
            })?;
            if let Some(answer) = answer {
                let deed = Deed::verbatim(answer);
                let deed = deed.map_err(|reason| Surprise::NoAnswer { reason })?;
                self.begin(Arc::new(deed), frame, Captures::default());
                return Ok(());
            }
        }
        self.otherwise(frame);
        Ok(())
    }

    /// Acts on a frame that nothing matches.
    fn otherwise(&mut self, frame: Vec<u8>) {
        match &self.ledger.script().parts.otherwise {
            Fallback::Ignore => {}
            Fallback::Do(deed) => self.begin(Arc::clone(deed), frame, Captures::default()),
            // Nobody reads why, and a flood of them has to cost little.
            Fallback::Fail if self.ledger.keeps_no_more() => self.ledger.is_surprised_again(),
            Fallback::Fail => {
                let surprise = match self.shown(&frame) {
                    Cow::Borrowed(frame) => self.nothing_matches(frame),
                    Cow::Owned(frame) => self.nothing_matches(&frame),
                };
                self.surprise(surprise);
            }
        }
    }

    /// Why nothing matches a frame.
    fn nothing_matches(&mut self, frame: &[u8]) -> Surprise {
        let Some(play) = &mut self.play else {
            return explain::by_rules(&self.ledger, self.state.as_ref(), frame);
        };
        let step = match play.next() {
            play::Next::Expect(step) | play::Next::Do(step, _) => play.scene().step(step),
            play::Next::Over => play.scene().step(usize::MAX),
        };
        explain::by_dialogue(&play.expected(), step, frame)
    }

    /// The peer has ended its direction, and everything that came before is answered.
    fn finish(&mut self, ended: Ended) {
        let step = self.play.as_mut().and_then(|play| match play.next() {
            play::Next::Expect(number) | play::Next::Do(number, _) => {
                Some(play.scene().step(number))
            }
            play::Next::Over => None,
        });
        if step.is_some() {
            self.ledger.progress(self.index, Progress::Broken);
        }
        let ignores = matches!(self.ledger.script().parts.otherwise, Fallback::Ignore);
        if !self.incoming.rest().is_empty() && !ignores {
            let rest = Excerpt::new(&self.shown_rest(), EVIDENCE);
            self.surprise(Surprise::EndInFrame { rest, ended });
        } else if let Some(step) = step {
            self.surprise(Surprise::EndInDialogue { step, ended });
        }
        self.phase = Phase::Over(Action::Close);
    }

    /// Notes how far the dialogue has come.
    pub(super) fn note_progress(&mut self) {
        let Some(play) = &mut self.play else { return };
        let progress = match play.next() {
            play::Next::Expect(step) | play::Next::Do(step, _) => Progress::At(step),
            play::Next::Over => {
                self.play = None;
                Progress::Over
            }
        };
        self.ledger.progress(self.index, progress);
    }

    /// Notes something unexpected.
    pub(super) fn surprise(&mut self, surprise: Surprise) {
        let records = self.tape.as_ref().map(|tape| {
            tape.record(&Event::Unmet(surprise.headline()), None);
            tape.last_records()
        });
        self.ledger.surprised(Unexpected {
            who: self.ledger.who().cloned(),
            connection: Some(self.index),
            ends: self.ends.clone(),
            surprise,
            said: self.said.clone(),
            records,
        });
    }

    /// Bytes of a frame, as a message may show them.
    pub(super) fn shown<'b>(&self, bytes: &'b [u8]) -> Cow<'b, [u8]> {
        match &self.tape {
            Some(tape) => tape.redact().bytes(bytes),
            None => Cow::Borrowed(bytes),
        }
    }

    /// What has come and is not a frame, as a message may show it.
    fn shown_rest(&self) -> Cow<'_, [u8]> {
        match &self.tape {
            Some(tape) => tape.received_as_shown(self.incoming.rest()),
            None => Cow::Borrowed(self.incoming.rest()),
        }
    }

    /// Notes something unexpected after which nothing can be understood.
    pub(super) fn fail(&mut self, surprise: Surprise) {
        self.surprise(surprise);
        if self.play.take().is_some() {
            self.ledger.progress(self.index, Progress::Broken);
        }
        self.ended = None;
        self.incoming.take_rest();
        self.begin(Arc::new(Deed::close()), Vec::new(), Captures::default());
    }
}

/// Whether a frame is meant; predicates are code of a user's.
fn matches(test: &Test, frame: &[u8]) -> Result<bool, Surprise> {
    match test {
        Test::Predicate(..) => guarded(|| test.matches(frame)).map_err(|message| {
            let what = test.to_string();
            Surprise::Panicked { what, message }
        }),
        test => Ok(test.matches(frame)),
    }
}
