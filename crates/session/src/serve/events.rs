//! The events that a client hears, as data.

use super::field::{Field, Kind, required};

/// Something that a client hears without having asked.
pub(crate) struct EventKind {
    pub(crate) name: &'static str,
    /// What it says, in a sentence.
    pub(crate) doc: &'static str,
    pub(crate) fields: &'static [Field],
}

const AT: Field = required("at", Kind::Text, "When it happened: RFC 3339, in UTC.");
const AFTER: Field = required("after_ms", Kind::Milliseconds, "How long that took.");
const DRIVER: Field = required("driver", Kind::Text, "The name of the driver.");
const ENVIRONMENT: Field = required("environment", Kind::Text, "The name of the environment.");

/// All of them, in the order in which they come.
pub(crate) const EVENTS: &[EventKind] = &[
    EventKind {
        name: "hello",
        doc: "The service is ready: always the first line.",
        fields: &[
            required("protocol", Kind::Count, "The version of the protocol."),
            required("version", Kind::Text, "The version of the command."),
            required("pid", Kind::Count, "The id of its process."),
        ],
    },
    EventKind {
        name: "environment_starting",
        doc: "The environment starts.",
        fields: &[
            AT,
            ENVIRONMENT,
            required(
                "drivers",
                Kind::Texts,
                "The names of its drivers, in order.",
            ),
        ],
    },
    EventKind {
        name: "driver_starting",
        doc: "A driver starts.",
        fields: &[AT, DRIVER],
    },
    EventKind {
        name: "driver_started",
        doc: "A driver is up.",
        fields: &[AT, DRIVER, AFTER],
    },
    EventKind {
        name: "driver_failed",
        doc: "A driver did not start, or did not stop cleanly.",
        fields: &[
            AT,
            DRIVER,
            required(
                "during",
                Kind::Text,
                "What was being done: `start`, `stop`.",
            ),
            required("message", Kind::Text, "The reason, in several lines."),
        ],
    },
    EventKind {
        name: "environment_started",
        doc: "All drivers are up.",
        fields: &[
            AT,
            ENVIRONMENT,
            AFTER,
            required(
                "variables",
                Kind::TextMap,
                "The variables, as `variables` returns them.",
            ),
        ],
    },
    EventKind {
        name: "environment_stopping",
        doc: "The environment stops.",
        fields: &[AT, ENVIRONMENT],
    },
    EventKind {
        name: "driver_stopping",
        doc: "A driver stops.",
        fields: &[AT, DRIVER],
    },
    EventKind {
        name: "driver_stopped",
        doc: "A driver is down.",
        fields: &[AT, DRIVER, AFTER],
    },
    EventKind {
        name: "environment_stopped",
        doc: "All drivers are down.",
        fields: &[AT, ENVIRONMENT, AFTER],
    },
];
