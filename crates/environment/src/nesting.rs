use crate::{Environment, RunningEnvironment};

/// An environment that another one can belong to, before or after it has
/// started: see [`Environment::set_parent`].
pub trait EnvironmentParent: sealed::HasMembers {}

impl EnvironmentParent for Environment {}
impl EnvironmentParent for RunningEnvironment {}

#[expect(
    private_interfaces,
    reason = "the trait is sealed: nobody else can name it"
)]
pub(crate) mod sealed {
    use std::sync::Arc;

    use crate::members::Members;

    /// For this crate alone.
    pub trait HasMembers {
        fn members(&self) -> &Arc<Members>;
    }

    impl HasMembers for super::Environment {
        fn members(&self) -> &Arc<Members> {
            &self.members
        }
    }

    impl HasMembers for super::RunningEnvironment {
        fn members(&self) -> &Arc<Members> {
            &self.members
        }
    }
}
