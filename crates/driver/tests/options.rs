//! How often options are resolved.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::sync::atomic::{AtomicUsize, Ordering};

use standin_config::{Config, Constraint};
use standin_driver::{Check, Driver, DriverBase, DriverConfig, Lifecycle, Result};
use standin_entity::{Entity, ResourceConfig};

static RESOLVED: AtomicUsize = AtomicUsize::new(0);

/// Counts how often an inherited value is looked up, for that is when its rules are checked.
pub fn counted() -> Constraint {
    Constraint::check(|_: &i64| {
        RESOLVED.fetch_add(1, Ordering::SeqCst);
        Ok::<_, &str>(())
    })
}

/// Options that several configs have.
#[derive(Clone, Debug, Config)]
pub struct LimitConfig {
    /// An option.
    #[config(inherited, constraint = crate::counted())]
    pub limit: i64,
}

/// A driver's options.
#[derive(Clone, Debug, Config)]
pub struct PeerConfig {
    /// Those of every driver.
    #[config(include)]
    pub driver: DriverConfig,
    /// Others.
    #[config(include)]
    pub limit: LimitConfig,
}

struct Peer(DriverBase);

impl Peer {
    fn look(&self) -> Result<()> {
        let limits = [
            self.0.config::<PeerConfig>()?.limit.limit,
            self.0.config::<LimitConfig>()?.limit,
        ];
        self.0.config::<ResourceConfig>()?;
        assert_eq!(limits, [5, 5]);
        Ok(())
    }
}

impl Driver for Peer {
    fn base(&self) -> &DriverBase {
        &self.0
    }

    fn prepare(&self) -> Result<()> {
        self.look()
    }

    fn starting(&self) -> Result<()> {
        self.look()
    }

    fn started_check(&self) -> Result<Check> {
        self.look()?;
        Ok(Check::Ready)
    }

    fn stopping(&self) -> Result<()> {
        self.look()
    }
}

#[test]
fn an_option_is_resolved_once_however_many_ask_for_it() {
    let parent = Entity::new("parent").unwrap();
    parent.options().set_local("limit", 5).unwrap();
    let peer = Peer(DriverBase::new("Peer", PeerBuilder::new().name("peer")).unwrap());
    peer.base().entity().join(&parent).unwrap();
    peer.start().unwrap();
    peer.stop().unwrap();
    assert_eq!(RESOLVED.load(Ordering::SeqCst), 1);
    // What changes is looked up again, once.
    parent.options().set_local("limit", 5).unwrap();
    peer.start().unwrap();
    peer.stop().unwrap();
    assert_eq!(RESOLVED.load(Ordering::SeqCst), 2);
}
