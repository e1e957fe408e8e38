//! What a test holds can be given to other threads, and be shown.

use std::fmt::Debug;

fn check<T: Send + Sync + Debug>() {}

#[test]
fn every_handle_is_send_sync_and_debug() {
    check::<standin::Environment>();
    check::<standin::RunningEnvironment>();
    check::<standin::AbortHandle>();
    check::<standin::DriverTypes>();
    check::<standin::TcpServer>();
    check::<standin::TcpClient>();
    check::<standin::TcpConnection>();
    check::<standin::Process>();
    check::<standin::DriverBase>();
    check::<standin::Hook>();
    check::<standin::Attributes>();
    check::<standin::Report>();
    check::<standin::ConnectionGraph>();
    check::<standin::socket::Server>();
    check::<standin::socket::Client>();
    check::<standin::socket::Connection>();
    check::<standin::socket::LeakCheck>();
    check::<standin::entity::Entity>();
    check::<standin::entity::Resource>();
    check::<standin::config::Node>();
    check::<standin::environment::file::TypeRegistry>();
}

#[test]
fn every_error_can_be_sent_and_shown() {
    check::<standin::Error>();
    check::<standin::TcpError>();
    check::<standin::BuildError>();
    check::<standin::environment::EnvironmentError>();
    check::<standin::process::ProcessError>();
    check::<standin::socket::ReceiveError>();
    check::<standin::socket::SendError>();
    check::<standin::socket::AcceptError>();
    check::<standin::socket::ConnectError>();
    check::<standin::config::ConfigErrors>();
    check::<standin::environment::file::FileErrors>();
    check::<standin::entity::StartError>();
    check::<standin::entity::StopError>();
    check::<standin::entity::WaitError>();
}

#[test]
fn what_a_builder_is_has_a_name() {
    let _: standin::EnvironmentBuilder = standin::Environment::builder("environment");
    let _: standin::ProcessBuilder = standin::Process::builder("process");
    let _: standin::TcpClientBuilder = standin::TcpClient::builder("client");
    let _: standin::TcpServerBuilder = standin::TcpServer::builder("server");
}
