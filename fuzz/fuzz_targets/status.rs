//! Any sequence of operations, with any step failing or panicking, keeps to the
//! status table; and a resource comes down from wherever it is.

#![no_main]

#[path = "../../crates/entity/tests/operations/mod.rs"]
mod operations;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use standin_entity::Status;

use operations::{Operation, STEPS, Trouble, apply_all};

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Input {
    Start,
    Stop,
    Restart,
    Pause,
    Resume,
    Wait(u8),
    Abort,
    ForceStop,
    ForceStarted,
    Asynchronous(Option<bool>),
    /// From now on, the step of this number is in trouble.
    Trouble(Option<(u8, TroubleInput)>),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum TroubleInput {
    Fails,
    Panics,
    Waits,
}

impl From<Input> for Operation {
    fn from(input: Input) -> Self {
        match input {
            Input::Start => Operation::Start,
            Input::Stop => Operation::Stop,
            Input::Restart => Operation::Restart,
            Input::Pause => Operation::Pause,
            Input::Resume => Operation::Resume,
            Input::Wait(number) => Operation::Wait(of_number(&Status::ALL, number)),
            Input::Abort => Operation::Abort,
            Input::ForceStop => Operation::ForceStop,
            Input::ForceStarted => Operation::ForceStarted,
            Input::Asynchronous(value) => Operation::Asynchronous(value),
            Input::Trouble(trouble) => Operation::Trouble(trouble.map(|(number, trouble)| {
                let trouble = match trouble {
                    TroubleInput::Fails => Trouble::Fails,
                    TroubleInput::Panics => Trouble::Panics,
                    TroubleInput::Waits => Trouble::Waits,
                };
                (of_number(&STEPS, number), trouble)
            })),
        }
    }
}

fn of_number<T: Copy>(all: &[T], number: u8) -> T {
    all[usize::from(number) % all.len()]
}

fuzz_target!(|operations: Vec<Input>| apply_all(operations.into_iter().map(Operation::from)));
