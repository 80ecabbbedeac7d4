//! What everything is compared to: servers that do nothing but answer.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Result;
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::post;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

use crate::keywright::VERIFY;

/// The media type of the answer.
const JSON: &str = "application/json";

/// The answer: so many bytes of JSON, which say what the load looks for.
pub(crate) fn answer(bytes: usize) -> Bytes {
    let (head, tail) = (r#"{"valid":true,"filler":""#, r#""}"#);
    let filler = "x".repeat(bytes.saturating_sub(head.len() + tail.len()));
    [head, &filler, tail].concat().into()
}

/// The bare axum handler: takes the body, answers a constant text. On tokio's multi-thread runtime.
pub(crate) fn axum(answer: Bytes) -> Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let handler = move |_body: Bytes| async move { ([(CONTENT_TYPE, JSON)], answer) };
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        announce(listener.local_addr()?);
        axum::serve(listener, Router::new().route(VERIFY, post(handler))).await?;
        Ok(())
    })
}

/// The ceiling: one hyper listener for each core, nothing shared between them.
pub(crate) fn thread_per_core(answer: &Bytes) -> Result<()> {
    let first = listener(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let address = first.local_addr()?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut listeners = vec![first];
    for _ in 1..cores {
        listeners.push(listener(address)?);
    }
    announce(address);
    let threads: Vec<_> = listeners
        .into_iter()
        .map(|listener| {
            let answer = answer.clone();
            std::thread::spawn(move || serve(listener, &answer))
        })
        .collect();
    for thread in threads {
        thread.join().map_err(|_| anyhow::anyhow!("a listener died"))??;
    }
    Ok(())
}

fn announce(address: SocketAddr) {
    println!("{address}");
}

fn listener(address: SocketAddr) -> Result<std::net::TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    Ok(socket.into())
}

fn serve(listener: std::net::TcpListener, answer: &Bytes) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let answer = answer.clone();
            tokio::task::spawn_local(async move {
                let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                    let answer = answer.clone();
                    async move {
                        let _body = request.into_body().collect().await;
                        let mut response = Response::new(Full::new(answer));
                        response
                            .headers_mut()
                            .insert(CONTENT_TYPE, axum::http::HeaderValue::from_static(JSON));
                        Ok::<_, Infallible>(response)
                    }
                });
                // A client that hangs up is none of our business.
                let _ = hyper::server::conn::http1::Builder::new()
                    .pipeline_flush(true)
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    })
}
