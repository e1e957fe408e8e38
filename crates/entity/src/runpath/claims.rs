//! Which live entity of this process has which runpath.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};

use standin_sync::Unpoisoned;

use super::RunpathError;
use super::holder::{Holder, Use};
use super::place::Location;
use crate::slug::slugify;

/// The claims, by the canonical name of the directory.
#[derive(Default)]
pub(crate) struct Claims {
    owners: Mutex<BTreeMap<Key, Vec<Weak<Holder>>>>,
}

/// What is being used since [`Claims::begin`]. Dropped, it is no longer used.
#[must_use]
pub(crate) struct Begun<'a> {
    holder: &'a Holder,
    end: Use,
}

impl Begun<'_> {
    /// The directory is there, and stays in use.
    pub(crate) fn keep(mut self) {
        self.end = Use::Used;
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        self.holder.set_use(self.end);
    }
}

impl Claims {
    pub(crate) fn global() -> &'static Self {
        static CLAIMS: OnceLock<Claims> = OnceLock::new();
        CLAIMS.get_or_init(Self::default)
    }

    /// Notes that `holder` has `real`, alone or not.
    pub(crate) fn claim(&self, real: &Path, holder: &Arc<Holder>) {
        let mut owners = self.owners();
        let here = owners.entry(key(real)).or_default();
        if !here.iter().any(|owner| is(owner, holder)) {
            here.push(Arc::downgrade(holder));
        }
    }

    /// A place below `root` that is named after `holder` and that no other live
    /// entity has.
    ///
    /// With `is_ours` the root belongs to this process alone, so that what is
    /// there already is the evidence of an entity that has gone: it stays.
    pub(crate) fn claim_below(
        &self,
        root: &Location,
        is_ours: bool,
        holder: &Arc<Holder>,
    ) -> Location {
        let slug = match slugify(&holder.name) {
            empty if empty.is_empty() => "unnamed".to_owned(),
            slug => slug,
        };
        let mut owners = self.owners();
        let mut place = root.below(&slug);
        let mut attempt = 2u64;
        loop {
            let here = owners.entry(key(&place.real)).or_default();
            here.retain(is_alive);
            // The first claim has the path; an explicit one may come to it later.
            match here.first() {
                None if !(is_ours && place.real.symlink_metadata().is_ok()) => {
                    here.push(Arc::downgrade(holder));
                    return place;
                }
                Some(owner) if is(owner, holder) => return place,
                _ => place = root.below(&format!("{slug}-{attempt}")),
            }
            attempt += 1;
        }
    }

    /// Lets `holder` use its runpath from now on, if nobody else's use forbids
    /// it: to clear a directory, nobody may use it, what is in it, or the
    /// directory that it is in. To look and to claim is one step.
    ///
    /// The holder of `around` lets `holder` use what is in it, and so do those
    /// that it belongs to.
    pub(crate) fn begin<'a>(
        &self,
        holder: &'a Arc<Holder>,
        belongs_to: &[Arc<Holder>],
        real: &Path,
        clears: bool,
        around: Option<&Path>,
    ) -> Result<Begun<'a>, RunpathError> {
        let owners = self.owners();
        let here = key(real);
        let below = owners
            .range(here.clone()..)
            .take_while(|(claimed, _)| claimed.starts_with(&here))
            .flat_map(|(_, owners)| owners);
        let above = real
            .ancestors()
            .skip(1)
            .take_while(|above| Some(*above) != around)
            .filter_map(|above| owners.get(&key(above)))
            .flatten()
            .filter(|owner| !belongs_to.iter().any(|ancestor| is(owner, ancestor)));
        let forbids = |other: &Arc<Holder>| match other.usage() {
            Use::Free => false,
            Use::Used => clears,
            Use::Clearing => true,
        };
        let forbidden_by = below
            .chain(above)
            .filter(|owner| !is(owner, holder))
            .filter_map(Weak::upgrade)
            .find(forbids);
        if let Some(other) = forbidden_by {
            return Err(RunpathError::Shared {
                entity: holder.to_string(),
                other: other.to_string(),
                path: real.to_owned(),
            });
        }
        holder.set_use(if clears { Use::Clearing } else { Use::Used });
        Ok(Begun {
            holder,
            end: Use::Free,
        })
    }

    /// `holder` has gone elsewhere, or is gone.
    pub(crate) fn release(&self, real: &Path, holder: &Arc<Holder>) {
        let mut owners = self.owners();
        let key = &key(real);
        if let Some(here) = owners.get_mut(key) {
            here.retain(|owner| is_alive(owner) && !is(owner, holder));
            if here.is_empty() {
                owners.remove(key);
            }
        }
    }

    fn owners(&self) -> MutexGuard<'_, BTreeMap<Key, Vec<Weak<Holder>>>> {
        self.owners.lock().unpoisoned()
    }
}

fn is_alive(owner: &Weak<Holder>) -> bool {
    owner.strong_count() > 0
}

fn is(owner: &Weak<Holder>, holder: &Arc<Holder>) -> bool {
    std::ptr::eq(owner.as_ptr(), Arc::as_ptr(holder))
}

/// A path with a zero byte after each component: its key begins the keys of all
/// that is below a directory. Bytes are compared faster than components.
type Key = Vec<u8>;

fn key(real: &Path) -> Key {
    let mut key = Vec::with_capacity(real.as_os_str().len() + 1);
    for component in real.components() {
        key.extend_from_slice(component.as_os_str().as_encoded_bytes());
        key.push(0);
    }
    key
}
