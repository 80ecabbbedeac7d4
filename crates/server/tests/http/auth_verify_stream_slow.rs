//! `GET /auth/verify/stream` of whoever takes nothing of what waits for it: it is cut off, and keeps nobody back.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use uuid::Uuid;

use crate::harness::events::Events;
use crate::harness::{PATIENCE, Scrape, TestApp, eventually, on_both_engines};

on_both_engines![a_stream_that_nobody_takes_anything_of_is_cut_off];

/// Opens the stream with little room for what was not read, and reads its begin alone.
async fn opened(app: &TestApp) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut stream = socket.connect(app.address()).await.unwrap();
    let request = format!(
        "GET /api/v1/auth/verify/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n",
        app.admin_token()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut begin = [0; 12];
    stream.read_exact(&mut begin).await.unwrap();
    assert_eq!(&begin, b"HTTP/1.1 200");
    stream
}

async fn ended(app: &TestApp, reason: &str) -> f64 {
    let told = Scrape::read(app.admin().get("/metrics").await.text());
    told.sum("keywright_verify_stream_ends_total", &[("reason", reason)])
}

/// Many changes, of which each is told in some ten kilobytes.
async fn change_much(app: &TestApp) {
    for round in 0..8_u128 {
        app.authority().verifier().invalidate((0..2_000).map(|n| Uuid::from_u128(round * 2_000 + n)));
        // The stream takes them one after the other: what it misses is told as one flush.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn a_stream_that_nobody_takes_anything_of_is_cut_off(app: &TestApp) {
    let mut idle = opened(app).await;
    let mut read = Events::open(app, app.admin_token(), None).await.unwrap();
    assert!(ended(app, "slow").await.abs() < 0.5);
    eventually("the one that takes nothing is cut off", async || {
        change_much(app).await;
        // Whoever reads hears all the while.
        read.next_of(&["beat"]).await;
        ended(app, "slow").await > 0.5
    })
    .await;
    assert!((ended(app, "slow").await - 1.0).abs() < 0.5);
    // Its connection ends behind what was sent.
    let mut rest = Vec::new();
    let end = tokio::time::timeout(PATIENCE, idle.read_to_end(&mut rest)).await.expect("it ends");
    assert!(end.is_err() || !rest.is_empty());
    read.next_of(&["beat"]).await;
    app.verify(app.admin_token()).await.decided("valid");
}
