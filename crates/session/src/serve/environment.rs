//! The methods that are about the environment and its drivers.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use standin::config;
use standin::environment::{Artifacts, EnvironmentView};
use standin::{Driver, Lifecycle, Result, Status};

use super::call::{Call, base64};
use super::error::ServeError;
use super::field::{Field, Kind, optional, required};
use super::method::Method;
use crate::{Event, Session, Setting};

const DRIVER: Field = required("driver", Kind::Text, "The name of the driver.");
const LEFT: &[Field] = &[
    optional(
        "files",
        Kind::Text,
        "The directory with the files of the drivers, if they are kept.",
    ),
    optional(
        "recorded",
        Kind::Texts,
        "Where the recordings are (a page, a capture, a text), if the test has failed.",
    ),
    optional(
        "problems",
        Kind::Texts,
        "The files that could not be written, each with the reason, as sentences.",
    ),
];

pub(super) const METHODS: &[Method] = &[
    Method {
        name: "load",
        doc: "Reads an environment from a file, or from a text. Nothing starts yet. What was \
              loaded before is forgotten; it must not be up.",
        parameters: &[
            optional("file", Kind::Text, "The path of the file."),
            optional(
                "text",
                Kind::Text,
                "The text of a file instead. Paths in it start from the current directory.",
            ),
            optional(
                "name",
                Kind::Text,
                "What messages call the text. Default: `environment`.",
            ),
            optional(
                "settings",
                Kind::Texts,
                "Options that replace those of the file, each as `driver.option=value`.",
            ),
        ],
        result: &[
            required("environment", Kind::Text, "Its name."),
            required("drivers", Kind::Drivers, "Its drivers, in order."),
        ],
        run: load,
    },
    Method {
        name: "start",
        doc: "Starts the environment, or one driver of an environment that is up. Events say what \
              happens meanwhile.",
        parameters: &[optional(
            "driver",
            Kind::Text,
            "The name of the driver. Default: all of them.",
        )],
        result: &[required(
            "variables",
            Kind::TextMap,
            "What programs that use the environment get as variables, as `variables` returns it.",
        )],
        run: start,
    },
    Method {
        name: "stop",
        doc: "Stops the environment, or one driver. An error says what went wrong, and what was \
              expected and has not happened; all is down then, too.",
        parameters: &[
            optional(
                "driver",
                Kind::Text,
                "The name of the driver. Default: all of them.",
            ),
            optional(
                "failed",
                Kind::Flag,
                "Whether the test has failed: the files of the environment stay then. Default: \
                 false.",
            ),
        ],
        result: LEFT,
        run: stop,
    },
    Method {
        name: "note_failure",
        doc: "Says that the test has failed, as `stop` with `failed` does, and writes at once what \
              was recorded so far, for whoever reports the failure before the environment stops. \
              The stop writes the same files once more, with what has come since.",
        parameters: &[],
        result: LEFT,
        run: note_failure,
    },
    Method {
        name: "restart",
        doc: "Stops a driver and starts it again.",
        parameters: &[DRIVER],
        result: &[],
        run: restart,
    },
    Method {
        name: "abort",
        doc: "Ends at once what the environment does, such as a start that is under way, and takes \
              it down. Requests that wait for something of it fail.",
        parameters: &[],
        result: &[],
        run: abort,
    },
    Method {
        name: "cancel",
        doc: "Ends the wait of another request, which is answered with the error \
              `standin::serve::cancelled` at once. What has come stays for the next receive; of \
              a send a part may have gone. Starts and stops go on.",
        parameters: &[required("request", Kind::Id, "The id of that request.")],
        result: &[required(
            "found",
            Kind::Flag,
            "Whether that request existed and was still unanswered.",
        )],
        run: cancel,
    },
    Method {
        name: "status",
        doc: "Returns the phase of the environment.",
        parameters: &[],
        result: &[
            required(
                "phase",
                Kind::Choice(&[
                    "empty", "loaded", "starting", "running", "stopping", "stopped",
                ]),
                "The phase that it is in.",
            ),
            required(
                "environment",
                Kind::MaybeText,
                "Its name; null if nothing was loaded.",
            ),
            required("drivers", Kind::Drivers, "Its drivers, in order."),
            required(
                "runpath",
                Kind::MaybeText,
                "The directory with the files of the drivers; null before the first start.",
            ),
        ],
        run: status,
    },
    Method {
        name: "variables",
        doc: "Returns the variables for programs that use the environment: \
              `DRIVER_<NAME>_ATTR_<ATTRIBUTE>` for what the drivers publish, and those of \
              `[export]` in the file.",
        parameters: &[],
        result: &[required("variables", Kind::TextMap, "The variables.")],
        run: variables,
    },
    Method {
        name: "context",
        doc: "Returns what a driver publishes, such as its `host` and `port`.",
        parameters: &[DRIVER],
        result: &[required(
            "attributes",
            Kind::Object,
            "The values by name: texts, numbers, flags, lists, objects.",
        )],
        run: context,
    },
    Method {
        name: "files",
        doc: "Returns where the files of a driver are; null for those that it does not have.",
        parameters: &[DRIVER],
        result: &[
            required("runpath", Kind::MaybeText, "Its directory."),
            required("out", Kind::MaybeText, "Its standard output."),
            required("err", Kind::MaybeText, "Its standard error."),
            required("log", Kind::MaybeText, "Its log."),
        ],
        run: files,
    },
    Method {
        name: "logs",
        doc: "Returns the last lines of everything that a driver writes, under headings; how many \
              its option `error_logs_max_lines` says.",
        parameters: &[DRIVER],
        result: &[required("lines", Kind::Texts, "The lines.")],
        run: logs,
    },
    Method {
        name: "transcript",
        doc: "Returns what was recorded of the environment, also after its stop.",
        parameters: &[
            optional(
                "driver",
                Kind::Text,
                "Only what is about this driver. Default: all.",
            ),
            optional(
                "connection",
                Kind::Count,
                "Only what is about this connection of the driver.",
            ),
            optional(
                "format",
                Kind::Choice(&[
                    "text", "start", "json", "html", "mermaid", "trace", "pcapng",
                ]),
                "`text` (the default) is what went over connections, `start` the time line of the \
                 start, `json` all of it, `html` a page, `mermaid` a diagram, `trace` what trace \
                 viewers open, `pcapng` what Wireshark opens.",
            ),
            optional(
                "last",
                Kind::Count,
                "With `text`: only so many records, the last ones.",
            ),
        ],
        result: &[required(
            "data",
            Kind::Data,
            "The transcript: as base64 with `pcapng`, else as text.",
        )],
        run: transcript,
    },
    Method {
        name: "connections",
        doc: "Returns who is connected to whom at present, as the drivers report it.",
        parameters: &[],
        result: &[required(
            "graph",
            Kind::Object,
            "The drivers as nodes, and what joins them as edges.",
        )],
        run: connections,
    },
];

fn load(call: &Call<'_>) -> Result<Value> {
    let settings: Result<Vec<Setting>, _> =
        call.texts("settings").into_iter().map(str::parse).collect();
    let settings = settings?;
    let view = match (call.text("file"), call.text("text")) {
        (Some(file), None) => call
            .client
            .stage
            .load(|| Ok(Session::load(file, &settings)?))?,
        (None, Some(text)) => {
            let name = call.text("name").unwrap_or("environment");
            let load = || Ok(Session::parse(name, text, &settings)?);
            call.client.stage.load(load)?
        }
        _ => {
            return Err(call
                .bad("file", "the path of a file, or there is a \"text\"")
                .into());
        }
    };
    call.client.held.forget();
    call.client.faults.forget();
    Ok(json!({ "environment": view.name(), "drivers": drivers(&view) }))
}

fn start(call: &Call<'_>) -> Result<Value> {
    let stage = &call.client.stage;
    let variables = match call.text("driver") {
        Some(name) => {
            running_driver(call, name)?.start()?;
            stage.variables()?
        }
        None => stage.start(&|event: &Event| call.client.happened(event))?,
    };
    Ok(json!({ "variables": variables }))
}

fn stop(call: &Call<'_>) -> Result<Value> {
    if let Some(name) = call.text("driver") {
        running_driver(call, name)?.stop()?;
        return Ok(json!({}));
    }
    call.client.held.forget();
    let stage = &call.client.stage;
    if call.flag("failed") {
        stage.note_failure();
    }
    let artifacts = stage.stop(&|event: &Event| call.client.happened(event))?;
    left(call, artifacts)
}

fn note_failure(call: &Call<'_>) -> Result<Value> {
    left(call, call.client.stage.write_failure())
}

/// What there is to look at after a failure.
fn left(call: &Call<'_>, artifacts: Artifacts) -> Result<Value> {
    let mut left = Map::new();
    let files = call.client.stage.view()?.runpath();
    if let Some(files) = path(files.filter(|files| files.exists())) {
        left.insert("files".to_owned(), json!(files));
    }
    let Artifacts {
        files, problems, ..
    } = artifacts;
    let recorded: Vec<_> = files.into_iter().map(|file| path(Some(file))).collect();
    for (key, texts) in [("recorded", json!(recorded)), ("problems", json!(problems))] {
        if texts != json!([]) {
            left.insert(key.to_owned(), texts);
        }
    }
    Ok(Value::Object(left))
}

fn restart(call: &Call<'_>) -> Result<Value> {
    running_driver(call, call.required_text("driver"))?.restart()?;
    Ok(json!({}))
}

fn abort(call: &Call<'_>) -> Result<Value> {
    call.client.held.forget();
    let observer = |event: &Event| call.client.happened(event);
    call.client.stage.abort(&observer)?;
    Ok(json!({}))
}

fn cancel(call: &Call<'_>) -> Result<Value> {
    Ok(json!({ "found": call.client.cancel(call.id("request")) }))
}

fn status(call: &Call<'_>) -> Result<Value> {
    let view = call.client.stage.view().ok();
    let runpath = view.as_ref().and_then(EnvironmentView::runpath);
    Ok(json!({
        "phase": call.client.stage.phase(),
        "environment": view.as_ref().map(EnvironmentView::name),
        "drivers": view.as_ref().map(drivers).unwrap_or_default(),
        "runpath": path(runpath),
    }))
}

fn variables(call: &Call<'_>) -> Result<Value> {
    Ok(json!({ "variables": call.client.stage.variables()? }))
}

fn context(call: &Call<'_>) -> Result<Value> {
    let context = driver(call)?.context();
    let entries = context
        .iter()
        .map(|(name, value)| (name.to_owned(), json_of(value)));
    Ok(json!({ "attributes": Value::Object(entries.collect()) }))
}

fn files(call: &Call<'_>) -> Result<Value> {
    let driver = driver(call)?;
    Ok(json!({
        "runpath": path(driver.base().entity().runpath()),
        "out": path(driver.out_path()),
        "err": path(driver.err_path()),
        "log": path(driver.log_path()),
    }))
}

fn logs(call: &Call<'_>) -> Result<Value> {
    Ok(json!({ "lines": driver(call)?.last_log_lines()? }))
}

fn transcript(call: &Call<'_>) -> Result<Value> {
    let view = call.client.stage.view()?;
    let mut transcript = view.transcript();
    match (call.text("driver"), call.count("connection")) {
        (Some(_), connection) => {
            let name = driver(call)?.name().to_owned();
            transcript = match connection {
                Some(index) => transcript.of_connection(&name, index),
                None => transcript.of(&name),
            };
        }
        (None, Some(_)) => {
            return Err(call.bad("connection", "given with a \"driver\"").into());
        }
        (None, None) => {}
    }
    let text = match call.text("format").unwrap_or("text") {
        "start" => transcript.start_text().to_string(),
        "json" => transcript.to_json(),
        "html" => transcript.to_html(),
        "mermaid" => transcript.to_mermaid(),
        "trace" => transcript.to_chrome_trace(),
        "pcapng" => return Ok(json!({ "data": base64(&transcript.to_pcapng()) })),
        _ => {
            let last = call.count("last").unwrap_or(usize::MAX);
            transcript.text().last(last).to_string()
        }
    };
    Ok(json!({ "data": { "text": text } }))
}

fn connections(call: &Call<'_>) -> Result<Value> {
    let graph = call.client.stage.view()?.connections();
    let graph = serde_json::to_value(&graph).map_err(standin::Error::other)?;
    Ok(json!({ "graph": graph }))
}

/// The driver that the parameter `driver` names.
pub(super) fn driver(call: &Call<'_>) -> Result<Arc<dyn Driver>> {
    let view = call.client.stage.view()?;
    Ok(view.driver(call.required_text("driver"))?)
}

/// A driver of an environment that is up.
fn running_driver(call: &Call<'_>, name: &str) -> Result<Arc<dyn Driver>> {
    let view = call.client.stage.view()?;
    let phase = call.client.stage.phase();
    if phase != "running" {
        return Err(ServeError::WrongPhase {
            action: format!("{} a driver", call.method),
            environment: view.name().to_owned(),
            phase,
        }
        .into());
    }
    Ok(view.driver(name)?)
}

fn drivers(view: &EnvironmentView) -> Vec<Value> {
    let driver = |(name, status): (String, Status)| {
        let driver = view.driver(&name).ok();
        json!({
            "name": name,
            "type": driver.map(|driver| driver.base().kind().to_owned()),
            "status": status,
        })
    };
    view.statuses().into_iter().map(driver).collect()
}

fn path(path: Option<PathBuf>) -> Option<String> {
    path.map(|path| path.display().to_string())
}

fn json_of(value: &config::Value) -> Value {
    serde_json::to_value(value).unwrap_or_else(|_| Value::String(value.to_string()))
}
