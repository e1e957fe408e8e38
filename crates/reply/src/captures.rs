//! The captures of patterns.

use std::sync::Arc;

/// The captures of named groups.
#[derive(Clone, Debug, Default)]
pub(crate) struct Captures(Vec<(Arc<str>, Box<[u8]>)>);

impl Captures {
    pub(crate) fn get(&self, name: &str) -> Option<&[u8]> {
        let mut all = self.iter();
        all.find(|(known, _)| ***known == *name)
            .map(|(_, text)| text)
    }

    /// Replaces what the group has matched before.
    pub(crate) fn set(&mut self, name: &Arc<str>, text: &[u8]) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = text.into(),
            None => self.0.push((name.clone(), text.into())),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &[u8])> {
        self.0.iter().map(|(name, text)| (name, &**text))
    }
}
