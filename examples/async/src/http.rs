//! The same for HTTP: `GET /PRICE`.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// Serves every client that connects, forever.
///
/// # Errors
///
/// Returns an error if no more clients can be accepted.
pub async fn serve(listener: TcpListener, prices: SocketAddr) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        let answer = service_fn(move |request| answer(request, prices));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
    }
}

async fn answer(
    request: Request<Incoming>,
    prices: SocketAddr,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let symbol = request.uri().path().trim_start_matches('/');
    let (status, body) = match crate::price(prices, symbol).await {
        Ok(price) => (StatusCode::OK, price),
        Err(_) => (StatusCode::BAD_GATEWAY, "nobody knows".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    Ok(response)
}
