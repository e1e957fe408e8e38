//! The methods that are about proxies: faults that are put in, changed and healed while a test
//! runs.

use std::time::Duration;

use serde_json::{Value, json};
use standin::proxy::{Direction, FaultKind, Injected, Links};
use standin::{Fault, Result};

use super::call::Call;
use super::error::ServeError;
use super::field::{Field, Kind, optional, required};
use super::method::Method;
use super::peer::{DRIVER, LIMIT, proxy};

/// The default timeout for a fault or an end.
const LIMIT_OF_WAITS: Duration = Duration::from_secs(10);

const DIRECTIONS: Kind = Kind::Choice(&["up", "down"]);
const FAULT: Field = required("fault", Kind::Count, "The number that `inject` returned.");
const TIME: Field = optional(
    "time",
    Kind::Limit,
    "For how long. Default: until it is healed.",
);
const COUNT: &[Field] = &[required(
    "count",
    Kind::Count,
    "The number of connections on which it has happened.",
)];

pub(super) const METHODS: &[Method] = &[
    Method {
        name: "set_link",
        doc: "Sets how a direction of a proxy behaves from now on, instead of its options.",
        parameters: &[
            DRIVER,
            required(
                "direction",
                DIRECTIONS,
                "The direction: `up` is to the target.",
            ),
            optional(
                "link",
                Kind::Links,
                "How it behaves, as in the option `up`. Default: as if there were no proxy.",
            ),
        ],
        result: &[],
        run: set_link,
    },
    Method {
        name: "inject",
        doc: "Adds a fault to a proxy, for all connections that it is meant for, also those that \
              are open. One that has happened nowhere by the end fails the stop, unless it is \
              `optional`.",
        parameters: &[
            DRIVER,
            required("fault", Kind::Fault, "The fault, as in the option `fault`."),
        ],
        result: &[
            required("fault", Kind::Count, "Its number, for other requests."),
            required("description", Kind::Text, "What it is, in words."),
        ],
        run: inject,
    },
    Method {
        name: "withdraw",
        doc: "Removes a fault. If it has not happened, that no longer fails the stop.",
        parameters: &[DRIVER, FAULT],
        result: &[],
        run: withdraw,
    },
    Method {
        name: "wait_for_fault",
        doc: "Waits until a fault has happened.",
        parameters: &[DRIVER, FAULT, LIMIT],
        result: COUNT,
        run: wait_for_fault,
    },
    Method {
        name: "fault_count",
        doc: "Returns how often a fault has happened.",
        parameters: &[DRIVER, FAULT],
        result: COUNT,
        run: fault_count,
    },
    Method {
        name: "clear",
        doc: "Removes all faults, links and pauses, including those of the options.",
        parameters: &[DRIVER],
        result: &[],
        run: clear,
    },
    Method {
        name: "cut",
        doc: "Does something to all connections through a proxy that are open, at once, and to none \
              that comes later.",
        parameters: &[
            DRIVER,
            optional(
                "kind",
                Kind::Choice(&["reset", "close", "silence"]),
                "What happens to them. Default: `reset`.",
            ),
        ],
        result: &[],
        run: cut,
    },
    Method {
        name: "pause",
        doc: "Holds everything back, also on connections that are made meanwhile. Nothing is lost.",
        parameters: &[
            DRIVER,
            optional(
                "direction",
                DIRECTIONS,
                "In which direction. Default: in both.",
            ),
            TIME,
        ],
        result: &[],
        run: pause,
    },
    Method {
        name: "heal",
        doc: "Ends every pause and every silence of a proxy: what was held back is passed on.",
        parameters: &[DRIVER],
        result: &[],
        run: heal,
    },
    Method {
        name: "wait_until_open",
        doc: "Waits until at most this many connections through a proxy are open.",
        parameters: &[
            DRIVER,
            required("most", Kind::Count, "How many may be open."),
            LIMIT,
        ],
        result: &[],
        run: wait_until_open,
    },
    Method {
        name: "traffic",
        doc: "Returns what has gone through a proxy since its latest start.",
        parameters: &[DRIVER],
        result: &[
            required(
                "target",
                Kind::MaybeText,
                "The address that it passes on to; null before the first start.",
            ),
            required(
                "connections",
                Kind::Count,
                "How many connections were accepted.",
            ),
            required("open", Kind::Count, "How many of them are open."),
            required(
                "up",
                Kind::Count,
                "How many bytes were received for the target.",
            ),
            required(
                "down",
                Kind::Count,
                "How many bytes were received from the target.",
            ),
        ],
        run: traffic,
    },
];

fn set_link(call: &Call<'_>) -> Result<Value> {
    let links: Links = call.option("link")?.unwrap_or_default();
    proxy(call)?.set_link(direction(call)?.unwrap_or(Direction::Up), links);
    Ok(json!({}))
}

fn inject(call: &Call<'_>) -> Result<Value> {
    let proxy = proxy(call)?;
    let fault: Option<Fault> = call.option("fault")?;
    let fault = fault.ok_or_else(|| call.bad("fault", "a fault"))?;
    let description = fault.to_string();
    let injected = proxy.inject(fault)?;
    let number = call
        .client
        .faults
        .add(call.required_text("driver"), injected);
    Ok(json!({ "fault": number, "description": description }))
}

fn withdraw(call: &Call<'_>) -> Result<Value> {
    proxy(call)?.withdraw(&injected(call)?);
    Ok(json!({}))
}

fn wait_for_fault(call: &Call<'_>) -> Result<Value> {
    let fault = injected(call)?;
    let limit = call.limit("timeout", LIMIT_OF_WAITS);
    call.wait(fault.wait_with(call.waiter, limit))?;
    Ok(json!({ "count": fault.count() }))
}

fn fault_count(call: &Call<'_>) -> Result<Value> {
    Ok(json!({ "count": injected(call)?.count() }))
}

fn clear(call: &Call<'_>) -> Result<Value> {
    proxy(call)?.clear();
    Ok(json!({}))
}

fn cut(call: &Call<'_>) -> Result<Value> {
    let kind: Option<FaultKind> = call.option("kind")?;
    proxy(call)?.cut(kind.unwrap_or(FaultKind::Reset));
    Ok(json!({}))
}

fn pause(call: &Call<'_>) -> Result<Value> {
    let (proxy, time) = (proxy(call)?, call.seconds("time"));
    match direction(call)? {
        Some(direction) => proxy.pause(direction, time),
        None => proxy.partition(time),
    }
    Ok(json!({}))
}

fn heal(call: &Call<'_>) -> Result<Value> {
    proxy(call)?.heal();
    Ok(json!({}))
}

fn wait_until_open(call: &Call<'_>) -> Result<Value> {
    let (proxy, most) = (proxy(call)?, call.required_count("most"));
    let limit = call.limit("timeout", LIMIT_OF_WAITS);
    call.wait(proxy.wait_until_open_with(call.waiter, most, limit))?;
    Ok(json!({}))
}

fn traffic(call: &Call<'_>) -> Result<Value> {
    let proxy = proxy(call)?;
    Ok(json!({
        "target": proxy.target(),
        "connections": proxy.accepted(),
        "open": proxy.open(),
        "up": proxy.bytes(Direction::Up),
        "down": proxy.bytes(Direction::Down),
    }))
}

fn direction(call: &Call<'_>) -> Result<Option<Direction>, ServeError> {
    call.option("direction")
}

fn injected(call: &Call<'_>) -> Result<Injected, ServeError> {
    let (driver, number) = (call.required_text("driver"), call.required_count("fault"));
    call.client.faults.get(driver, number)
}
