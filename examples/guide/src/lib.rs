//! The examples of the guide, `docs/`: tests of documentation compile and run them.

#![cfg(doctest)]

macro_rules! pages {
    ($($name:ident: $path:literal,)*) => {$(
        #[doc = include_str!(concat!("../../../docs/", $path))]
        mod $name {}
    )*};
}

pages! {
    first_test: "first-test.md",
    async_tests: "async-tests.md",
    program_under_test: "program-under-test.md",
    environment_files: "environment-files.md",
    peers_that_answer: "peers-that-answer.md",
    faults: "faults.md",
    every_cut: "every-cut.md",
    tls: "tls.md",
    own_drivers: "own-drivers.md",
    when_a_test_fails: "when-a-test-fails.md",
    coming_from_testplan: "coming-from-testplan.md",
}
