//! The options of the tests of `standin-config`, as an environment and driver types of files.

use standin_config::Config;
use standin_environment::file::TypeRegistry;

#[path = "../../../config/tests/common/mod.rs"]
mod common;

pub(crate) use common::*;

pub(crate) fn registry() -> TypeRegistry {
    let mut registry = TypeRegistry::new(EnvironmentConfig::description());
    registry
        .register_config::<ServerConfig>()
        .expect("it has a type name");
    registry
        .register_config::<ClientConfig>()
        .expect("it has a type name");
    registry
}
