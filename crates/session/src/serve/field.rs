//! [`Field`]: a parameter, or a key of a result, as data; [`Kind`]: what it can be.

use serde_json::Value;

/// A parameter, or a key of a result.
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) is_required: bool,
    pub(crate) doc: &'static str,
}

/// What a parameter or a key of a result can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A text.
    Text,
    /// A text, or `null`.
    MaybeText,
    /// Texts by name.
    TextMap,
    /// A list of texts.
    Texts,
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// A whole number from 0 on.
    Count,
    /// A whole number or a text: what identifies a request.
    Id,
    /// A number of seconds.
    Seconds,
    /// A number of milliseconds.
    Milliseconds,
    /// A number of seconds, or `null` for as long as it takes.
    Limit,
    /// `true` or `false`.
    Flag,
    /// Bytes: `{"text": ..}` or `{"base64": ..}`.
    Data,
    /// Bytes, or `null`.
    MaybeData,
    /// How a stream is cut into frames.
    Framing,
    /// A fault of a proxy, as files have it.
    Fault,
    /// How a direction of a proxy is: a link, or a list of them, as files have it.
    Links,
    /// A connection: `driver`, `index`, `local`, `peer`.
    Connection,
    /// The drivers, each with `name`, `type` and `status`.
    Drivers,
    /// Any JSON object.
    Object,
}

/// A parameter that has to be given, or a key that is always there.
pub(crate) const fn required(name: &'static str, kind: Kind, doc: &'static str) -> Field {
    Field {
        name,
        kind,
        is_required: true,
        doc,
    }
}

/// A parameter that may be left out, or a key that is not always there.
pub(crate) const fn optional(name: &'static str, kind: Kind, doc: &'static str) -> Field {
    Field {
        name,
        kind,
        is_required: false,
        doc,
    }
}

impl Kind {
    /// What it is, for messages and for the reference page.
    pub(crate) fn describe(self) -> String {
        let plain = match self {
            Kind::Text => "a text",
            Kind::MaybeText => "a text, or null",
            Kind::TextMap => "an object of texts",
            Kind::Texts => "a list of texts",
            Kind::Choice(texts) => {
                let quoted: Vec<_> = texts.iter().map(|text| format!("\"{text}\"")).collect();
                return quoted.join(" or ");
            }
            Kind::Count => "a whole number of at least 0",
            Kind::Id => "a whole number or a text",
            Kind::Seconds => "a number of seconds",
            Kind::Milliseconds => "a number of milliseconds",
            Kind::Limit => "a number of seconds, or null",
            Kind::Flag => "true or false",
            Kind::Data => "data",
            Kind::MaybeData => "data, or null",
            Kind::Framing => "a framing",
            Kind::Fault => "a fault",
            Kind::Links => "a link, or a list of links",
            Kind::Connection => "a connection",
            Kind::Drivers => "a list of drivers",
            Kind::Object => "an object",
        };
        plain.to_owned()
    }

    /// Whether the value is one, as far as that shows from outside.
    pub(crate) fn allows(self, value: &Value) -> bool {
        let is_seconds = |value: &Value| {
            let seconds = value.as_f64();
            seconds.is_some_and(|seconds| seconds.is_finite() && seconds >= 0.0)
        };
        match self {
            Kind::Text => value.is_string(),
            Kind::MaybeText => value.is_string() || value.is_null(),
            Kind::TextMap => {
                let map = value.as_object();
                map.is_some_and(|map| map.values().all(Value::is_string))
            }
            Kind::Texts => {
                let list = value.as_array();
                list.is_some_and(|list| list.iter().all(Value::is_string))
            }
            Kind::Choice(texts) => value.as_str().is_some_and(|text| texts.contains(&text)),
            Kind::Count => value.is_u64(),
            Kind::Id => value.is_i64() || value.is_u64() || value.is_string(),
            Kind::Seconds | Kind::Milliseconds => is_seconds(value),
            Kind::Limit => value.is_null() || is_seconds(value),
            Kind::Flag => value.is_boolean(),
            Kind::MaybeData => value.is_null() || value.is_object(),
            Kind::Data | Kind::Connection | Kind::Fault | Kind::Object => value.is_object(),
            Kind::Links => value.is_object() || value.is_array(),
            Kind::Framing => value.is_object() || value.is_string(),
            Kind::Drivers => value.is_array(),
        }
    }
}
