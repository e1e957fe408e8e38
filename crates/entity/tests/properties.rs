//! Any sequence of operations, with any step failing, keeps to the table.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test program: what goes wrong in it fails the test"
)]

mod operations;

use proptest::prelude::*;
use standin_entity::Status;

use operations::{Operation, STEPS, Trouble, apply_all};

fn operation() -> impl Strategy<Value = Operation> {
    let trouble = prop_oneof![
        Just(Trouble::Fails),
        Just(Trouble::Panics),
        Just(Trouble::Waits)
    ];
    let trouble = (proptest::sample::select(STEPS.to_vec()), trouble);
    prop_oneof![
        6 => Just(Operation::Start),
        6 => Just(Operation::Stop),
        2 => Just(Operation::Restart),
        3 => Just(Operation::Pause),
        3 => Just(Operation::Resume),
        5 => proptest::sample::select(Status::ALL.to_vec()).prop_map(Operation::Wait),
        1 => Just(Operation::Abort),
        1 => Just(Operation::ForceStop),
        1 => Just(Operation::ForceStarted),
        2 => proptest::option::of(any::<bool>()).prop_map(Operation::Asynchronous),
        4 => proptest::option::of(trouble).prop_map(Operation::Trouble),
    ]
}

proptest! {
    // A failure is shown; it is not to leave a file behind.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_operations_leaves_the_table(operations in prop::collection::vec(operation(), 0..40)) {
        apply_all(operations);
    }
}
