//! The methods that are about drivers that answer by themselves.

use std::time::Duration;

use serde_json::{Value, json};
use standin::reply::{Ledger, Seen};
use standin::{Driver as _, Result, TcpConnection, TcpHeld};
use standin_sync::Unpoisoned;

use super::call::{Call, base64};
use super::error::ServeError;
use super::field::{Field, Kind, optional, required};
use super::method::Method;
use super::peer::{CONNECTION_RESULT, DRIVER, LIMIT, Peer, info, peer};

/// The default timeout for a conversation.
const LIMIT_OF_WAITS: Duration = Duration::from_secs(10);

const INDEX: Field = required("connection", Kind::Count, "The index of the connection.");
const HELD_RESULT: &[Field] = &[
    CONNECTION_RESULT,
    required(
        "name",
        Kind::MaybeText,
        "The name under which it was held; null if it was taken over.",
    ),
    required(
        "frame",
        Kind::MaybeData,
        "The frame for which it is held; null if there is none.",
    ),
    required("state", Kind::MaybeText, "The state that it is in, if any."),
];

pub(super) const METHODS: &[Method] = &[
    Method {
        name: "held",
        doc: "Waits for a conversation that a rule holds under this name, and gives it into the \
              hands of the client: from now on the methods that talk reach it by its `connection`.",
        parameters: &[
            DRIVER,
            required("name", Kind::Text, "The name under which it is held."),
            LIMIT,
        ],
        result: HELD_RESULT,
        run: held,
    },
    Method {
        name: "take_over",
        doc: "Takes a conversation into the hands of the client wherever it is; waits for its \
              connection if need be.",
        parameters: &[DRIVER, INDEX, LIMIT],
        result: HELD_RESULT,
        run: take_over,
    },
    Method {
        name: "capture",
        doc: "Returns what a group of the pattern has matched in the frame for which a \
              conversation is held.",
        parameters: &[
            DRIVER,
            INDEX,
            required("group", Kind::Text, "The name of the group."),
        ],
        result: &[required(
            "data",
            Kind::MaybeData,
            "What it matched, if it did.",
        )],
        run: capture,
    },
    Method {
        name: "hand_back",
        doc: "Hands a conversation back to its driver, which continues it.",
        parameters: &[DRIVER, INDEX],
        result: &[],
        run: hand_back,
    },
    Method {
        name: "take",
        doc: "Keeps the connection of a conversation for good: it is an ordinary one from now on.",
        parameters: &[DRIVER, INDEX],
        result: &[CONNECTION_RESULT],
        run: take,
    },
    Method {
        name: "wait_until",
        doc: "Waits until something has happened on a driver that answers by itself: until \
              everything has come that must, unless one of `rule`, `frames`, `connections` and \
              `dialogue` is given.",
        parameters: &[
            DRIVER,
            optional(
                "rule",
                Kind::Text,
                "Until the rule of this name has matched.",
            ),
            optional(
                "times",
                Kind::Count,
                "How many times it must have matched. Default: once.",
            ),
            optional(
                "frames",
                Kind::Count,
                "Until this many frames have arrived.",
            ),
            optional(
                "connections",
                Kind::Count,
                "Until this many connections have been accepted.",
            ),
            optional(
                "dialogue",
                Kind::Count,
                "Until the dialogue of this connection is over.",
            ),
            LIMIT,
        ],
        result: &[],
        run: wait_until,
    },
    Method {
        name: "ledger",
        doc: "Returns what a driver that answers by itself has received since its latest start.",
        parameters: &[
            DRIVER,
            optional("rules", Kind::Texts, "The names of the rules to report."),
        ],
        result: &[
            required(
                "connections",
                Kind::Count,
                "How many connections were accepted.",
            ),
            required("frames", Kind::Count, "How many frames were received."),
            required(
                "matched",
                Kind::Object,
                "How often each of these rules has matched; null for names that no rule has.",
            ),
            required(
                "unexpected",
                Kind::Texts,
                "What was unexpected: the first 64.",
            ),
            required(
                "unmet",
                Kind::Texts,
                "What should have happened but has not.",
            ),
        ],
        run: ledger,
    },
    Method {
        name: "verify",
        doc: "Fails unless everything has happened on the driver that must, and nothing \
              unexpected. A stop does the same.",
        parameters: &[DRIVER],
        result: &[],
        run: verify,
    },
];

fn held(call: &Call<'_>) -> Result<Value> {
    let name = call.required_text("name");
    let (waiter, limit) = (call.waiter, call.limit("timeout", LIMIT_OF_WAITS));
    let held = match peer(call)? {
        Peer::Server(server) => call.wait(server.held_with(waiter, name, limit)),
        Peer::Client(client) => call.wait(client.held_with(waiter, name, limit)),
    };
    hand_over(call, held?)
}

fn take_over(call: &Call<'_>) -> Result<Value> {
    let index = call.required_count("connection");
    let (waiter, limit) = (call.waiter, call.limit("timeout", LIMIT_OF_WAITS));
    let held = match peer(call)? {
        Peer::Server(server) => call.wait(server.take_over_with(waiter, index, limit)),
        Peer::Client(client) => call.wait(client.take_over_with(waiter, index, limit)),
    };
    hand_over(call, held?)
}

fn hand_over(call: &Call<'_>, held: TcpHeld) -> Result<Value> {
    let driver = call.required_text("driver");
    let result = json!({
        "connection": info(driver, held.connection()),
        "name": held.name(),
        "frame": held.frame().map(base64),
        "state": held.state(),
    });
    call.client.held.add(driver, held);
    Ok(result)
}

fn capture(call: &Call<'_>) -> Result<Value> {
    let driver = call.required_text("driver");
    let held = call
        .client
        .held
        .get(driver, call.required_count("connection"))?;
    let held = held.lock().unpoisoned();
    let capture = held.capture(call.required_text("group"));
    Ok(json!({ "data": capture.map(base64) }))
}

fn hand_back(call: &Call<'_>) -> Result<Value> {
    remove(call)?.hand_back();
    Ok(json!({}))
}

fn take(call: &Call<'_>) -> Result<Value> {
    let connection: TcpConnection = remove(call)?.take();
    Ok(json!({ "connection": info(call.required_text("driver"), &connection) }))
}

fn remove(call: &Call<'_>) -> Result<TcpHeld, ServeError> {
    let index = call.required_count("connection");
    call.client.held.remove(call.required_text("driver"), index)
}

fn wait_until(call: &Call<'_>) -> Result<Value> {
    let mut wanted = Vec::new();
    if let Some(rule) = call.text("rule") {
        wanted.push(Seen::rule(rule).times(call.count("times").unwrap_or(1)));
    }
    wanted.extend(call.count("frames").map(Seen::frames));
    wanted.extend(call.count("connections").map(Seen::connections));
    wanted.extend(call.count("dialogue").map(Seen::dialogue));
    if wanted.len() > 1 {
        let expected = "given without \"rule\", \"connections\" and \"dialogue\"";
        return Err(call.bad("frames", expected).into());
    }
    let seen = wanted.pop().unwrap_or_else(Seen::everything);
    let (waiter, limit) = (call.waiter, call.limit("timeout", LIMIT_OF_WAITS));
    match peer(call)? {
        Peer::Server(server) => call.wait(server.wait_until_with(waiter, seen, limit)),
        Peer::Client(client) => call.wait(client.wait_until_with(waiter, seen, limit)),
    }?;
    Ok(json!({}))
}

fn ledger(call: &Call<'_>) -> Result<Value> {
    let ledger: Ledger = match peer(call)? {
        Peer::Server(server) => server.ledger()?,
        Peer::Client(client) => client.ledger()?,
    };
    let rules = call.texts("rules").into_iter();
    let matched = rules.map(|rule| (rule.to_owned(), json!(ledger.matched(rule))));
    let unexpected = ledger.unexpected();
    let unexpected: Vec<_> = unexpected.iter().map(ToString::to_string).collect();
    let unmet: Vec<_> = ledger.unmet().iter().map(ToString::to_string).collect();
    Ok(json!({
        "connections": ledger.connections(),
        "frames": ledger.frames(),
        "matched": Value::Object(matched.collect()),
        "unexpected": unexpected,
        "unmet": unmet,
    }))
}

fn verify(call: &Call<'_>) -> Result<Value> {
    match peer(call)? {
        Peer::Server(server) => server.verify()?,
        Peer::Client(client) => client.verify()?,
    }
    Ok(json!({}))
}
