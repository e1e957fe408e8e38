//! The tests with the faults. Each is written as one would write it who does not know of them.

use std::time::Duration;

use standin::reply::{Replies, equals, prefix, reply};
use standin::socket::framing::Lines;
use standin::{
    Driver, Environment, Process, Readiness, Result, RunningEnvironment, TcpClient, TcpServer,
};
use std::sync::Arc;

const SOON: Duration = Duration::from_secs(30);
const BRIEF: Duration = Duration::from_millis(200);

fn pair(name: &str) -> Result<(Arc<TcpServer>, Arc<TcpClient>, RunningEnvironment)> {
    let mut env = Environment::new(name);
    let server = env.add(TcpServer::builder("server").build()?)?;
    let client = env.add(TcpClient::builder("client").connect_to("server").build()?)?;
    Ok((server, client, env.start()?))
}

#[test]
#[ignore = "it has a fault: another test looks what it says"]
fn wrong_reply() -> Result<()> {
    let (server, client, _env) = pair("greeting")?;
    let connection = server.accept_connection(SOON)?;
    client.send_text("HELO me\r\n")?;
    connection.expect_text("HELO me\r\n")?;
    connection.send_text("250 hello yourself\r\n")?;
    client.expect_text("220 hello yourself\r\n")?;
    Ok(())
}

#[test]
#[ignore = "it has a fault: another test looks what it says"]
fn silent_peer() -> Result<()> {
    let (server, client, _env) = pair("ping")?;
    let connection = server.accept_connection(SOON)?;
    client.send_text("PING\r\n")?;
    connection.expect_text("PING\r\n")?;
    // It does not answer.
    client.connection()?.with_timeout(BRIEF).receive_line()?;
    Ok(())
}

#[test]
#[ignore = "it has a fault: another test looks what it says"]
fn early_close() -> Result<()> {
    let (server, client, _env) = pair("download")?;
    let connection = server.accept_connection(SOON)?;
    client.send_text("GET 100\r\n")?;
    connection.expect_text("GET 100\r\n")?;
    connection.send([b'.'; 60])?;
    connection.close();
    client.receive_exactly(100)?;
    Ok(())
}

#[test]
#[ignore = "it has a fault: another test looks what it says"]
fn reset() -> Result<()> {
    let (server, client, _env) = pair("session")?;
    let connection = server.accept_connection(SOON)?;
    client.send_text("LOGIN\r\n")?;
    connection.expect_text("LOGIN\r\n")?;
    connection.reset()?;
    client.receive_exactly(4)?;
    Ok(())
}

#[test]
#[ignore = "it has a fault: another test looks what it says"]
fn slow_probe() -> Result<()> {
    let mut env = Environment::builder("shop").build()?;
    env.add(TcpServer::builder("bank").build()?)?;
    let database = Process::builder("database")
        .binary("sh")
        .args(["-c", "echo step 1 of 900; exec sleep 1000"])
        // Long enough for a shell to start on a busy machine.
        .timeout(Duration::from_millis(9_500))
        .ready([
            Readiness::log("step 1"),
            Readiness::predicate("is migrated", |_| standin::Check::not_yet("step 1 of 900")),
        ]);
    env.add(database.build()?)?;
    env.add(TcpClient::builder("client").connect_to("bank").build()?)?;
    let _env = env.start()?;
    Ok(())
}

#[test]
#[ignore = "it has a fault: another test looks what it says"]
fn wrong_port() -> Result<()> {
    let mut env = Environment::new("proxy");
    env.add(TcpServer::builder("server").build()?)?;
    let port = test_port::TestPort::claim();
    let client = TcpClient::builder("client")
        .host("127.0.0.1")
        .port(port.number());
    env.add(client.timeout(SOON).build()?)?;
    let _env = env.start()?;
    Ok(())
}

#[test]
#[ignore = "it has a fault: another test looks what it says"]
fn dependency() -> Result<()> {
    let mut env = Environment::new("shop");
    let program = |name: &str| {
        let options = Process::builder(name).binary("sleep").args(["1000"]);
        options.timeout(SOON)
    };
    let accepts = |driver: &dyn Driver| match driver.base().name() {
        "redis" => standin::Check::Ready,
        _ => standin::Check::not_yet("loading the data set, 3 %"),
    };
    let ready = || [Readiness::predicate("accepts connections", accepts)];
    let redis = env.add(program("redis").ready(ready()).build()?)?;
    let database = env.add(program("database").ready(ready()).timeout(BRIEF).build()?)?;
    let app = env.add(program("app").build()?)?;
    let web = env.add(program("web").build()?)?;
    let worker = env.add(program("worker").build()?)?;
    env.add_dependency(&redis, &database)?;
    env.add_dependency(&database, &app)?;
    env.add_dependency(&app, (&web, &worker))?;
    let _env = env.start()?;
    Ok(())
}

#[test]
#[ignore = "it has a fault: another test looks what it says"]
fn crash() -> Result<()> {
    let mut env = Environment::new("accounts");
    let server = env.add(TcpServer::builder("upstream").build()?)?;
    let app = Process::builder("app")
        .binary("sh")
        .args([
            "-c",
            "echo ready; read line; echo no such table: accounts >&2; exit 3",
        ])
        .stdout_regexps(["ready"]);
    let app = env.add(app.build()?)?;
    let _env = env.start()?;
    app.write_stdin("balance of 4711\n")?;
    app.wait_for_exit(SOON)?;
    server.accept_connection(BRIEF)?;
    Ok(())
}

#[test]
#[ignore = "it has a fault: another test looks what it says"]
fn unexpected_frame() -> Result<()> {
    let replies = Replies::framed(Lines::new())
        .on(prefix("BALANCE ").named("balance"), reply("100\n"))
        .on(equals("QUIT"), reply("bye\n"));
    let mut env = Environment::new("bank");
    env.add(TcpServer::builder("bank").replies(replies).build()?)?;
    let program = TcpClient::builder("program").connect_to("bank");
    let program = env.add(program.timeout(SOON).build()?)?;
    env.start()?.run(|_| {
        program.send_text("BALANCE 16\n")?;
        program.expect_text("100\n")?;
        program.send_text("BALNCE 17\n")?;
        program.expect_text("100\n")?;
        Ok(())
    })
}

#[test]
#[ignore = "it has a fault: another test looks what it says"]
fn truncated() -> Result<()> {
    let (server, client, _env) = pair("orders")?;
    let connection = server.accept_connection(SOON)?;
    client.send_text("8=FIX.4.2|55=I")?;
    client.close();
    connection.expect_text("8=FIX.4.2|55=IBM|")?;
    Ok(())
}
