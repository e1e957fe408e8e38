//! Where in its dialogue a conversation is.

use std::sync::Arc;

use crate::captures::Captures;
use crate::script::{Deed, Go, Scene, Test};

/// A dialogue, and its progress.
#[derive(Debug)]
pub(crate) struct Play {
    scene: Arc<Scene>,
    /// The steps that are gone through, from the outside to the inside.
    levels: Vec<Level>,
    /// The captures of all steps so far.
    pub(crate) captures: Captures,
    /// The latest frame.
    pub(crate) frame: Vec<u8>,
}

#[derive(Debug)]
struct Level {
    moves: Arc<[Go]>,
    at: usize,
    /// How often they are gone through, this time included.
    left: usize,
}

/// The next step of a dialogue.
pub(crate) enum Next {
    /// This frame.
    Expect(usize),
    /// The peer does something.
    Do(usize, Arc<Deed>),
    /// It is over.
    Over,
}

impl Play {
    pub(crate) fn new(scene: Arc<Scene>) -> Play {
        let moves = Arc::clone(&scene.moves);
        Play {
            scene,
            levels: vec![Level {
                moves,
                at: 0,
                left: 1,
            }],
            captures: Captures::default(),
            frame: Vec::new(),
        }
    }

    /// Goes to the next step that expects or does something.
    pub(crate) fn next(&mut self) -> Next {
        while let Some(level) = self.levels.last_mut() {
            let inner = match level.moves.get(level.at) {
                Some(Go::Expect(step, _) | Go::Branch(step, _)) => return Next::Expect(*step),
                Some(Go::Send(step, deed)) => return Next::Do(*step, Arc::clone(deed)),
                Some(Go::Repeat(times, moves)) => Level {
                    moves: Arc::clone(moves),
                    at: 0,
                    left: *times,
                },
                None if level.left > 1 => {
                    level.left -= 1;
                    level.at = 0;
                    continue;
                }
                None => {
                    self.levels.pop();
                    continue;
                }
            };
            level.at += 1;
            self.levels.push(inner);
        }
        Next::Over
    }

    /// Goes beyond what the peer does now.
    pub(crate) fn done(&mut self) {
        if let Some(level) = self.levels.last_mut() {
            level.at += 1;
        }
    }

    /// Goes beyond what is expected if this frame is. The frame is compared by `test`.
    pub(crate) fn hear<E>(
        &mut self,
        frame: &[u8],
        mut test: impl FnMut(&Test) -> Result<bool, E>,
    ) -> Result<bool, E> {
        let Some(level) = self.levels.last_mut() else {
            return Ok(false);
        };
        match level.moves.get(level.at) {
            Some(Go::Expect(_, expected)) if test(expected)? => {
                expected.capture(frame, &mut self.captures);
                level.at += 1;
                Ok(true)
            }
            Some(Go::Branch(_, arms)) => {
                for (expected, moves) in arms {
                    if test(expected)? {
                        expected.capture(frame, &mut self.captures);
                        let inner = Level {
                            moves: Arc::clone(moves),
                            at: 0,
                            left: 1,
                        };
                        level.at += 1;
                        self.levels.push(inner);
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            _ => Ok(false),
        }
    }

    /// What is expected now.
    pub(crate) fn expected(&self) -> Vec<&Test> {
        let level = self.levels.last();
        match level.and_then(|level| level.moves.get(level.at)) {
            Some(Go::Expect(_, test)) => vec![test],
            Some(Go::Branch(_, arms)) => arms.iter().map(|(test, _)| test).collect(),
            _ => Vec::new(),
        }
    }

    /// The dialogue.
    pub(crate) fn scene(&self) -> &Scene {
        &self.scene
    }
}
