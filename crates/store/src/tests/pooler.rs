//! A pooler in transaction mode, before the real PostgreSQL, is found out.

use std::sync::Arc;

use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

use crate::testing::{postgres_store, test_stores};
use crate::{Store, StoreError, StoreOptions};

const SSL_REQUEST: [u8; 4] = 80_877_103_u32.to_be_bytes();
const AUTHENTICATED: [u8; 4] = [0; 4];

/// A message of PostgreSQL's protocol 3: its type and its body. The first one has no type.
async fn message(from: &mut TcpStream, typed: bool) -> Option<(u8, Vec<u8>)> {
    let kind = if typed { from.read_u8().await.ok()? } else { 0 };
    let length = from.read_u32().await.ok()?;
    let mut body = vec![0; length as usize - 4];
    from.read_exact(&mut body).await.ok()?;
    Some((kind, body))
}

async fn send(to: &mut TcpStream, kind: u8, body: &[u8]) {
    let mut bytes = if kind == 0 { vec![] } else { vec![kind] };
    bytes.extend_from_slice(&u32::try_from(body.len() + 4).unwrap().to_be_bytes());
    bytes.extend_from_slice(body);
    // Whoever went away is found out by the next read.
    let _ = to.write_all(&bytes).await;
}

/// Carries answers until the server is ready; whether it is so outside of a transaction.
async fn until_ready(server: &mut TcpStream, client: &mut TcpStream) -> Option<bool> {
    loop {
        let (kind, body) = message(server, true).await?;
        send(client, kind, &body).await;
        match kind {
            b'Z' => return Some(body == b"I"),
            // A question about a password, and its answer.
            b'R' if body[..4] != AUTHENTICATED && body[..4] != 12_u32.to_be_bytes() => {
                let (kind, body) = message(client, true).await?;
                send(server, kind, &body).await;
            }
            _ => {}
        }
    }
}

/// Each transaction gets the server connection that was given back last, as `PgBouncer` does it.
async fn serve(mut client: TcpStream, target: String, idle: Arc<Mutex<Vec<TcpStream>>>) -> Option<()> {
    let mut startup = message(&mut client, false).await?;
    if startup.1 == SSL_REQUEST {
        client.write_all(b"N").await.ok()?;
        startup = message(&mut client, false).await?;
    }
    let mut server = TcpStream::connect(target).await.ok()?;
    send(&mut server, 0, &startup.1).await;
    until_ready(&mut server, &mut client).await?;
    idle.lock().await.push(server);
    let mut held: Option<TcpStream> = None;
    loop {
        let mut batch = Vec::new();
        loop {
            let (kind, body) = message(&mut client, true).await?;
            batch.push((kind, body));
            match kind {
                b'X' => return None,
                b'Q' | b'S' => break,
                _ => {}
            }
        }
        let mut server = match held.take() {
            Some(server) => server,
            None => idle.lock().await.pop()?,
        };
        for (kind, body) in batch {
            send(&mut server, kind, &body).await;
        }
        if until_ready(&mut server, &mut client).await? {
            idle.lock().await.push(server);
        } else {
            held = Some(server);
        }
    }
}

#[tokio::test]
async fn a_pooler_in_transaction_mode_is_refused_with_its_reason() {
    let Some(store) = postgres_store().await else { return };
    let server: PgConnectOptions = store.options().url.parse().unwrap();
    let target = format!("{}:{}", server.get_host(), server.get_port());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let idle = Arc::new(Mutex::new(Vec::new()));
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(serve(client, target.clone(), Arc::clone(&idle)));
        }
    });
    let url = server.host("127.0.0.1").port(port).to_url_lossy().to_string();
    let through = Store::connect(&StoreOptions::new(url)).await.unwrap();
    match through.preflight().await {
        Err(StoreError::Unsuitable { reason }) => assert!(reason.contains("transaction mode"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_store_of_its_own_passes() {
    for store in test_stores().await {
        assert_eq!(store.preflight().await, Ok(()), "{:?}", store.engine());
    }
}
