//! The services run in the same thread as the tests, which stand in for everybody around them.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use example_async::{http, lines};
use standin::asynchronous::{EnvironmentAsync, RunningAsync, ServerAsync, TalkAsync};
use standin::{Environment, Result, RunningEnvironment, TcpClient, TcpServer};
use tokio::net::TcpListener;

const SOON: Duration = Duration::from_secs(10);

/// A service between a client and the service of prices, both of them standin's.
struct Around {
    env: RunningEnvironment,
    client: Arc<TcpClient>,
    prices: Arc<TcpServer>,
}

async fn around<S>(serve: impl FnOnce(TcpListener, SocketAddr) -> S) -> Result<Around>
where
    S: Future<Output = io::Result<()>> + Send + 'static,
{
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let port = listener.local_addr()?.port();
    let mut env = Environment::new("prices");
    let prices = env.add(TcpServer::builder("prices").host("127.0.0.1").build()?)?;
    let client = TcpClient::builder("client").host("127.0.0.1").port(port);
    let client = env.add(client.build()?)?;
    let env = env.start_async().await?;
    let address = (Ipv4Addr::LOCALHOST, prices.port().unwrap_or(0)).into();
    tokio::spawn(serve(listener, address));
    Ok(Around {
        env,
        client,
        prices,
    })
}

#[tokio::test]
async fn a_line_is_answered_with_a_price() -> Result<()> {
    let Around {
        env,
        client,
        prices,
    } = around(lines::serve).await?;
    client.send_text_async("ABC\n").await?;

    let question = prices.accept_connection_async(SOON).await?;
    question.expect_text_async("PRICE ABC\n").await?;
    question.send_text_async("42.00\n").await?;
    assert_eq!(client.receive_line_text_async().await?, "ABC 42.00");
    env.stop_async().await?;
    Ok(())
}

#[tokio::test]
async fn a_service_of_prices_that_dies_is_no_price() -> Result<()> {
    let Around {
        env,
        client,
        prices,
    } = around(lines::serve).await?;
    client.send_text_async("ABC\n").await?;
    prices.accept_connection_async(SOON).await?.reset()?;
    let answer = client.receive_line_text_async().await?;
    assert_eq!(answer, "ABC has no price");
    env.stop_async().await?;
    Ok(())
}

#[tokio::test]
async fn a_request_is_answered_with_a_price() -> Result<()> {
    let Around {
        env,
        client,
        prices,
    } = around(http::serve).await?;
    client
        .send_text_async("GET /ABC HTTP/1.1\r\nHost: prices\r\nConnection: close\r\n\r\n")
        .await?;
    let question = prices.accept_connection_async(SOON).await?;
    question.expect_text_async("PRICE ABC\n").await?;
    question.send_text_async("42.00\n").await?;
    let response = client.receive_to_end_text_async().await?;
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    assert!(response.ends_with("\r\n\r\n42.00"), "{response}");
    env.stop_async().await?;
    Ok(())
}
