//! Why a step gave no value.

/// Why a step gave no value.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// The operation answered with an error.
    Error {
        category: String,
        errno: Option<String>,
        message: String,
    },
    /// The vector asks for something that makes no sense.
    Broken(String),
}

impl Failure {
    pub(crate) fn error(category: &str, message: impl Into<String>) -> Self {
        Failure::Error {
            category: category.to_owned(),
            errno: None,
            message: message.into(),
        }
    }

    pub(crate) fn broken(message: impl Into<String>) -> Self {
        Failure::Broken(message.into())
    }
}
