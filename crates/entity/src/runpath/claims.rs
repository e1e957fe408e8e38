//! Which live entity of this process has which runpath.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::RunpathError;
use super::place::Location;
use crate::entity::{Entity, Use, WeakEntity};
use crate::slug::slugify;

/// The claims, by the canonical name of the directory.
#[derive(Default)]
pub(crate) struct Claims {
    owners: Mutex<BTreeMap<Key, Vec<WeakEntity>>>,
}

/// What is being used since [`Claims::begin`]. Dropped, it is not used any more.
#[must_use]
pub(crate) struct Begun<'a> {
    entity: &'a Entity,
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
        self.entity.set_use(self.end);
    }
}

impl Claims {
    pub(crate) fn global() -> &'static Self {
        static CLAIMS: OnceLock<Claims> = OnceLock::new();
        CLAIMS.get_or_init(Self::default)
    }

    /// Notes that `entity` has `real`, be it alone or not.
    pub(crate) fn claim(&self, real: &Path, entity: &Entity) {
        let mut owners = self.owners();
        let here = owners.entry(key(real)).or_default();
        if !here.iter().any(|owner| owner.is(entity)) {
            here.push(entity.downgrade());
        }
    }

    /// A place below `root` that is named after `entity` and that no other live
    /// entity has.
    ///
    /// With `is_ours` the root belongs to this process alone, so that what is
    /// there already is the evidence of an entity that has gone: it stays.
    pub(crate) fn claim_below(&self, root: &Location, is_ours: bool, entity: &Entity) -> Location {
        let slug = match slugify(entity.uid()) {
            empty if empty.is_empty() => "unnamed".to_owned(),
            slug => slug,
        };
        let mut owners = self.owners();
        let mut place = root.below(&slug);
        let mut attempt = 2u64;
        loop {
            let here = owners.entry(key(&place.real)).or_default();
            here.retain(WeakEntity::is_alive);
            // The first claim has the path; an explicit one may come to it later.
            match here.first() {
                None if !(is_ours && place.real.symlink_metadata().is_ok()) => {
                    here.push(entity.downgrade());
                    return place;
                }
                Some(owner) if owner.is(entity) => return place,
                _ => place = root.below(&format!("{slug}-{attempt}")),
            }
            attempt += 1;
        }
    }

    /// Lets `entity` use its runpath from now on, if nobody else's use forbids
    /// it: to clear a directory, nobody may use it, what is in it, or the
    /// directory that it is in. To look and to claim is one step.
    ///
    /// Whoever has `around` lets `entity` use what is in it, and so does
    /// everything that `entity` belongs to.
    pub(crate) fn begin<'a>(
        &self,
        entity: &'a Entity,
        real: &Path,
        clears: bool,
        around: Option<&Path>,
    ) -> Result<Begun<'a>, RunpathError> {
        let around_it: Vec<Entity> = entity.ancestors().collect();
        // A handle must not be dropped under the lock: the last one forgets its claim.
        let mut others: Vec<Entity> = Vec::new();
        let begun = {
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
                .filter(|owner| !around_it.iter().any(|ancestor| owner.is(ancestor)));
            others.extend(
                below
                    .chain(above)
                    .filter_map(|owner| owner.other_than(entity)),
            );
            let forbids = |other: &&Entity| match other.usage() {
                Use::Free => false,
                Use::Used => clears,
                Use::Clearing => true,
            };
            match others.iter().find(forbids) {
                Some(other) => Err(other.to_string()),
                None => {
                    entity.set_use(if clears { Use::Clearing } else { Use::Used });
                    Ok(Begun {
                        entity,
                        end: Use::Free,
                    })
                }
            }
        };
        begun.map_err(|other| RunpathError::Shared {
            entity: entity.to_string(),
            other,
            path: real.to_owned(),
        })
    }

    /// `entity` has gone elsewhere.
    pub(crate) fn release(&self, real: &Path, entity: &Entity) {
        self.retain(real, |owner| owner.is_alive() && !owner.is(entity));
    }

    /// An entity that had `real` is gone.
    pub(crate) fn forget(&self, real: &Path) {
        self.retain(real, WeakEntity::is_alive);
    }

    fn retain(&self, real: &Path, keep: impl FnMut(&WeakEntity) -> bool) {
        let mut owners = self.owners();
        let key = &key(real);
        if let Some(here) = owners.get_mut(key) {
            here.retain(keep);
            if here.is_empty() {
                owners.remove(key);
            }
        }
    }

    fn owners(&self) -> MutexGuard<'_, BTreeMap<Key, Vec<WeakEntity>>> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
