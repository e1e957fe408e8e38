//! Threads that wait for long, perhaps for code that would have to run in the same thread.
//!
//! A test that blocks the only thread of its runtime hangs until its limit if its peer is a task of
//! that runtime, and nothing shows why. So no thread waits for longer than [`LONG`] at once. After
//! that time it looks at its stack, once, and if it runs a task, prints to standard error what to
//! use instead. This needs no knowledge of the runtime, and no call before each wait.

use std::{
    backtrace::Backtrace,
    cell::Cell,
    fmt,
    io::{self, Write},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

/// How long a thread waits at once. What is left of its limit it waits afterwards.
pub const LONG: Duration = Duration::from_secs(2);

/// Returns how long to wait at once, of what is left; `None` is "no limit".
#[inline]
pub fn at_once(left: Option<Duration>) -> Duration {
    match left {
        Some(left) if left < LONG => left,
        _ => LONG,
    }
}

/// How many threads of a process look at their stacks: that takes a moment in a large program.
const MOST: usize = 8;

static LOOKED: AtomicUsize = AtomicUsize::new(0);
static HAS_SAID: AtomicBool = AtomicBool::new(false);

thread_local! {
    static HAS_LOOKED: Cell<bool> = const { Cell::new(false) };
}

/// The calling thread continues a wait that began then and consists of shorter ones, such as a
/// look every now and then.
#[inline]
pub fn goes_on_since(since: Instant) {
    if since.elapsed() >= LONG {
        goes_on();
    }
}

/// The calling thread has waited for [`LONG`], and continues.
#[cold]
pub fn goes_on() {
    let has_looked = HAS_LOOKED.try_with(|looked| looked.replace(true));
    if has_looked.unwrap_or(true) || HAS_SAID.load(Ordering::Relaxed) || is_ours() {
        return;
    }
    if LOOKED.fetch_add(1, Ordering::Relaxed) >= MOST {
        return;
    }
    // Only the names of functions take time, which another thread finds.
    let stack = Backtrace::force_capture();
    let looks = move || {
        let stack = stack.to_string();
        if let Some(note) = Note::of(&stack)
            && !HAS_SAID.swap(true, Ordering::Relaxed)
        {
            // Not by a macro: the harness of tests keeps what these print until the test is over.
            let _ = writeln!(io::stderr(), "{note}");
        }
    };
    // Without a thread there is no note.
    let _ = thread::Builder::new()
        .name("standin-note".to_owned())
        .spawn(looks);
}

/// Whether the thread is one of standin's own, in which no test runs.
fn is_ours() -> bool {
    let name = thread::current()
        .name()
        .map(|name| name.starts_with("standin"));
    name.unwrap_or_default()
}

/// Executors that run all of their tasks in one thread, by the functions that do so.
const EXECUTORS: [(&str, &str); 3] = [
    (
        "tokio::runtime::scheduler::current_thread::",
        "a tokio runtime of one thread",
    ),
    ("async_executor::", "an executor"),
    ("futures_executor::local_pool::LocalPool", "an executor"),
];

/// Who is between the test and its wait.
const BENEATH: [&str; 8] = [
    "standin", "std::", "core::", "alloc::", "mio::", "rustix::", "rust_", "__",
];

/// What is said about a wait.
#[derive(Debug, PartialEq, Eq)]
struct Note<'s> {
    /// The method that waits.
    method: Option<String>,
    place: Option<&'s str>,
    executor: &'static str,
}

/// A function on the stack, and where in it.
struct Frame<'s> {
    function: &'s str,
    place: Option<&'s str>,
}

impl<'s> Note<'s> {
    /// Reads a stack, from the wait outwards. Nothing if it is not that of a task.
    fn of(stack: &'s str) -> Option<Note<'s>> {
        let mut frames: Vec<Frame<'s>> = Vec::new();
        for line in stack.lines().map(str::trim_start) {
            if let Some(place) = line.strip_prefix("at ") {
                if let Some(frame) = frames.last_mut() {
                    frame.place = Some(place);
                }
                continue;
            }
            let numbered = line.split_once(": ");
            let numbered = numbered.filter(|(number, _)| number.parse::<u32>().is_ok());
            let function = numbered.map_or(line, |(_, function)| function);
            let function = function.trim_start_matches(['<', '&']);
            let executor = EXECUTORS
                .iter()
                .find(|(name, _)| function.starts_with(name));
            if let Some((_, executor)) = executor {
                return Some(Note::within(&frames, executor));
            }
            frames.push(Frame {
                function,
                place: None,
            });
        }
        None
    }

    /// Finds the line of the test among the functions that an executor has called.
    fn within(frames: &[Frame<'s>], executor: &'static str) -> Note<'s> {
        let names = |frame: &Frame<'_>, all: &[&str]| {
            let mut all = all.iter();
            all.any(|name| frame.function.starts_with(name))
        };
        // Files of the package that is tested, which is where tests run, have short names. Of
        // functions within others not all have names that say whose they are.
        let is_near = |frame: &Frame<'_>| {
            let is_of_package = frame.place.is_some_and(|place| place.starts_with("./"));
            is_of_package && !names(frame, &BENEATH)
        };
        let is_named = |frame: &Frame<'_>| frame.function.contains("::");
        let caller = frames.iter().position(is_near).or_else(|| {
            let mut frames = frames.iter();
            frames.position(|frame| is_named(frame) && !names(frame, &BENEATH))
        });
        let inner = &frames[..caller.unwrap_or(frames.len())];
        let method = inner.iter().rfind(|frame| names(frame, &["standin"]));
        Note {
            method: method.and_then(|frame| last_word(frame.function)),
            place: caller.and_then(|caller| frames[caller].place),
            executor,
        }
    }
}

/// `accept` of `<standin_socket::server::Server>::accept::<core::time::Duration>`.
fn last_word(function: &str) -> Option<String> {
    let mut depth = 0_usize;
    let is_outside = |char: &char| {
        match char {
            '<' => depth += 1,
            '>' => depth = depth.saturating_sub(1),
            _ => return depth == 0,
        }
        false
    };
    let outside: String = function.chars().filter(is_outside).collect();
    let mut words = outside.rsplit("::").filter(|word| !word.is_empty());
    let word = words.find(|word| !word.starts_with('{'))?;
    Some(word.to_owned())
}

impl fmt::Display for Note<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = match self.method.as_deref() {
            // A guard stops its environment.
            Some("drop") => "stop",
            method => method.unwrap_or("wait"),
        };
        write!(
            f,
            "standin: a task of {} has waited in `{method}` for {LONG:?}",
            self.executor
        )?;
        if let Some(place) = self.place {
            write!(f, "\n  at {place}")?;
        }
        write!(
            f,
            "\n  no other task of it runs meanwhile: if the peer is one of them, both wait forever\n  \
             help: await `{method}_async` of `standin::asynchronous` instead (feature \
             `tokio` or\n  `smol`); see the guide, \"Async tests\""
        )
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const STACK: &str = "   0: std::backtrace::Backtrace::force_capture
             at /rustc/library/std/src/backtrace.rs:312:9
   1: standin_sync::long_wait::goes_on
             at /work/crates/sync/src/long_wait.rs:54:17
   2: <standin_socket::server::accepting::Accept as standin_sync::operation::Operation>::block
             at /work/crates/socket/src/server/accepting.rs:50:9
   3: standin_tcp::server::TcpServer::accept_connection<core::time::Duration>
             at /work/crates/tcp/src/server.rs:170:9
   4: core::ops::function::FnOnce::call_once
   5: shop::pays::{{closure}}
             at tests/shop.rs:24:16
      shop::outer::{{closure}}
             at tests/shop.rs:30:1
";

    #[test]
    fn the_test_that_waits_is_found_on_the_stack_of_a_task() {
        let executor = "   6: <tokio::runtime::scheduler::current_thread::CoreGuard>::block_on";
        let task = format!("{STACK}{executor}");
        let note = Note::of(&task).unwrap();
        assert_eq!(note.method.as_deref(), Some("accept_connection"));
        assert_eq!(note.place, Some("tests/shop.rs:24:16"));
        let note = note.to_string();
        assert!(note.contains("`accept_connection_async`"), "{note}");
        // Some names say less, and the test's own files say more.
        let task = task.replace("core::ops::function::FnOnce::call_once", "{async_fn#0}<u8>");
        let task = task.replace("tests/shop.rs:30", "./tests/shop.rs:30");
        let task = task.replace("shop::pays::{{closure}}", "pays");
        let note = Note::of(&task).unwrap();
        assert_eq!(note.method.as_deref(), Some("accept_connection"));
        assert_eq!(note.place, Some("./tests/shop.rs:30:1"));
        assert_eq!(Note::of(STACK), None);
        let pool = "   6: tokio::runtime::blocking::pool::Inner::run";
        assert_eq!(Note::of(&format!("{STACK}{pool}")), None);
    }

    #[test]
    fn a_function_has_a_name_whatever_is_generic_in_it() {
        for function in [
            "standin_tcp::server::TcpServer::accept",
            "<standin_tcp::server::TcpServer>::accept::<core::option::Option<u8>>",
            "<dyn standin_tcp::Accepts as core::ops::Fn<(u8,)>>::accept::{{closure}}",
        ] {
            assert_eq!(last_word(function).as_deref(), Some("accept"));
        }
    }

    #[test]
    fn no_wait_is_longer_than_that_at_once() {
        assert_eq!(at_once(None), LONG);
        assert_eq!(at_once(Some(LONG * 9)), LONG);
        assert_eq!(at_once(Some(LONG / 9)), LONG / 9);
    }
}
