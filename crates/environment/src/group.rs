use std::sync::Arc;

use standin_driver::Driver;

use crate::members::Members;

/// One driver of an environment or several: what
/// [`Environment::add_dependency`](crate::Environment::add_dependency) takes. A handle,
/// a name, or a tuple, an array or a vector of them.
pub trait DriverGroup {
    /// Adds the drivers of the group to `into`.
    #[doc(hidden)]
    fn members(&self, into: &mut Vec<Wanted>);
}

/// A driver that a group names.
#[doc(hidden)]
#[derive(Clone)]
#[expect(
    missing_debug_implementations,
    reason = "drivers need not have it, and users never hold one of these"
)]
pub enum Wanted {
    Name(String),
    Driver(Arc<dyn Driver>),
}

impl Wanted {
    pub(crate) fn name(&self) -> &str {
        match self {
            Wanted::Name(name) => name,
            Wanted::Driver(driver) => driver.base().name(),
        }
    }

    /// The driver in an environment, with the name under which it is known there.
    pub(crate) fn find(&self, members: &Members) -> Option<(String, Arc<dyn Driver>)> {
        // Asked before the lock is taken: it is the driver's code.
        let name = self.name();
        let members = members.read();
        let is_wanted = |driver: &Arc<dyn Driver>| match self {
            Wanted::Name(_) => true,
            Wanted::Driver(wanted) => Arc::ptr_eq(driver, wanted),
        };
        // Nearly always it is where its own name says.
        let known = members.get_key_value(name);
        let (name, member) = match (known.filter(|(_, member)| is_wanted(member)), self) {
            (None, Wanted::Driver(_)) => members.iter().find(|(_, member)| is_wanted(member))?,
            (known, _) => known?,
        };
        Some((name.clone(), member.clone()))
    }
}

impl DriverGroup for str {
    fn members(&self, into: &mut Vec<Wanted>) {
        into.push(Wanted::Name(self.to_owned()));
    }
}

impl DriverGroup for String {
    fn members(&self, into: &mut Vec<Wanted>) {
        self.as_str().members(into);
    }
}

impl<D: Driver> DriverGroup for Arc<D> {
    fn members(&self, into: &mut Vec<Wanted>) {
        into.push(Wanted::Driver(self.clone()));
    }
}

impl DriverGroup for Arc<dyn Driver> {
    fn members(&self, into: &mut Vec<Wanted>) {
        into.push(Wanted::Driver(self.clone()));
    }
}

impl<G: DriverGroup + ?Sized> DriverGroup for &G {
    fn members(&self, into: &mut Vec<Wanted>) {
        (**self).members(into);
    }
}

impl<G: DriverGroup> DriverGroup for [G] {
    fn members(&self, into: &mut Vec<Wanted>) {
        self.iter().for_each(|member| member.members(into));
    }
}

impl<G: DriverGroup, const N: usize> DriverGroup for [G; N] {
    fn members(&self, into: &mut Vec<Wanted>) {
        self.as_slice().members(into);
    }
}

impl<G: DriverGroup> DriverGroup for Vec<G> {
    fn members(&self, into: &mut Vec<Wanted>) {
        self.as_slice().members(into);
    }
}

macro_rules! tuples {
    ($(($($member:ident),+))*) => {$(
        impl<$($member: DriverGroup),+> DriverGroup for ($($member,)+) {
            #[expect(non_snake_case, reason = "the names of the types serve as names of the members")]
            fn members(&self, into: &mut Vec<Wanted>) {
                let ($($member,)+) = self;
                $($member.members(into);)+
            }
        }
    )*};
}

tuples! { (A) (A, B) (A, B, C) (A, B, C, D) (A, B, C, D, E) (A, B, C, D, E, F) (A, B, C, D, E, F, G) (A, B, C, D, E, F, G, H) }
