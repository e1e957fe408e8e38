//! What is left of a test that fails after its environment has ended.
#![cfg(feature = "tokio")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, process::Command};

use standin_async::{EnvironmentAsync, RunningAsync};
use standin_environment::{Environment, RunningEnvironment};
use standin_tcp::TcpServer;

fn environment(name: &str) -> Environment {
    let mut env = Environment::new(name);
    let server = TcpServer::builder("server").host("127.0.0.1");
    env.add(server.build().unwrap()).unwrap();
    env
}

async fn start(name: &str) -> RunningEnvironment {
    environment(name).start_async().await.unwrap()
}

#[test]
fn an_assertion_after_the_end_leaves_the_files_whoever_has_stopped_it() {
    for (test, environments) in [
        ("fails_after_a_stop", &["outer"][..]),
        ("fails_after_a_stop_for_artifacts", &["outer"]),
        ("fails_after_a_restart", &["outer"]),
        ("fails_after_a_run", &["outer"]),
        ("fails_after_the_stop_of_two", &["inner", "outer"]),
        ("passes", &[]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--ignored", "--nocapture"])
            .env("STANDIN_ARTIFACTS", folder.path())
            .output()
            .unwrap();
        let shown = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.success(), test == "passes", "{test}: {shown}");
        let folders = fs::read_dir(folder.path()).unwrap();
        let names = folders.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        assert_eq!(names, environments, "{test}: {shown}");
        let told = shown.matches("what was recorded: ").count();
        assert_eq!(told, environments.len(), "{test}: {shown}");
    }
}

#[tokio::test]
#[ignore = "it fails: another test looks how"]
async fn fails_after_a_stop() {
    start("outer").await.stop_async().await.unwrap();
    panic!("the price is wrong");
}

#[tokio::test]
#[ignore = "it fails: another test looks how"]
async fn fails_after_a_stop_for_artifacts() {
    let env = start("outer").await;
    env.stop_for_artifacts_async().await.unwrap();
    panic!("the price is wrong");
}

#[tokio::test]
#[ignore = "it fails: another test looks how"]
async fn fails_after_a_restart() {
    let env = start("outer").await;
    env.restart_async().await.unwrap();
    env.stop_async().await.unwrap();
    panic!("the price is wrong");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it fails: another test looks how"]
async fn fails_after_a_run() {
    let env = start("outer").await;
    let price = env.run_async(async |_| Ok(41)).await.unwrap();
    assert_eq!(price, 42);
}

#[tokio::test]
#[ignore = "it fails: another test looks how"]
async fn fails_after_the_stop_of_two() {
    let outer = start("outer").await;
    let mut inner = environment("inner");
    inner.set_parent(&outer).unwrap();
    let _inner = inner.start_async().await.unwrap();
    outer.stop_async().await.unwrap();
    panic!("the price is wrong");
}

#[tokio::test]
#[ignore = "another test looks at what it leaves"]
async fn passes() {
    start("outer").await.stop_async().await.unwrap();
}
