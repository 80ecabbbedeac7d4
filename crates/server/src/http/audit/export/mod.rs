//! Exports: a list of events as a stream, however long it is.
//!
//! Rows are read in pages, each by a query of its own: no transaction stays open, and no more than two
//! pages are in memory. A page is asked for when the one before is on its way, so a client that reads
//! slowly holds neither a connection of the store nor a thread. Before each page the caller is judged
//! anew: an export ends with the right to it. Whatever goes wrong on the way cuts the connection
//! before the last chunk, so that no client takes a part for the whole.

mod accept;
mod authentication;
pub mod cells;
mod security;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::response::Response;
use bytes::Bytes;
use futures::stream::unfold;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, VARY};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use keywright_authority::Fault;
use tokio::sync::{mpsc, watch};
use tracing::warn;

pub(crate) use accept::form;
pub(crate) use authentication::AuthenticationPages;
pub(crate) use security::SecurityPages;

use crate::http::App;
use crate::http::answer::Refused;

/// Rows read at once.
const PAGE: u32 = 500;
/// How long a client may take nothing of what waits for it.
const IDLE: Duration = Duration::from_mins(1);

/// The form of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One JSON object on each line.
    Ndjson,
    /// RFC 4180, with a header row, safe to open in a spreadsheet.
    Csv,
}

impl Form {
    /// Its media type.
    fn media_type(self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8; header=present",
        }
    }

    fn extension(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
        }
    }
}

/// A list that is read page by page.
pub(crate) trait Pages: Send + 'static {
    /// What it is a list of, as the name of a file.
    const NAME: &'static str;
    /// The names of the columns.
    const COLUMNS: &'static [&'static str];
    /// A row.
    type Row: Send;

    /// The next rows; fewer than `limit` only at the end.
    fn next(&mut self, limit: u32) -> impl Future<Output = Result<Vec<Self::Row>, Fault>> + Send;

    /// Writes a row.
    fn write(row: Self::Row, form: Form, out: &mut Vec<u8>);
}

/// Tells that the server leaves: an export does not hold it up.
#[derive(Clone, Debug)]
pub struct Leaving(pub watch::Receiver<bool>);

/// What the request says about its export: the form, if it asks for one, and when the server leaves.
pub struct Wanted {
    pub(crate) form: Option<Form>,
    leaving: Option<Leaving>,
}

impl FromRequestParts<App> for Wanted {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Infallible> {
        let leaving = parts.extensions.get::<Leaving>().cloned();
        Ok(Self { form: form(&parts.headers), leaving })
    }
}

enum Piece {
    Chunk(Bytes),
    /// Without it what came is not the whole.
    End,
}

/// Streams a list. The first page is read before the answer begins, so that what cannot be answered is
/// refused as any request.
///
/// # Errors
/// As the first page.
pub(crate) async fn stream<P: Pages>(
    mut pages: P,
    form: Form,
    most: Option<u32>,
    wanted: Wanted,
) -> Result<Response, Refused> {
    let mut left = most.map(u64::from);
    let limit = next_limit(left);
    let rows = pages.next(limit).await?;
    let mut first = Vec::new();
    if form == Form::Csv {
        cells::row(P::COLUMNS.iter().copied(), &mut first);
    }
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let sending = send_all(pages, form, &mut left, (rows, limit, first), &sender);
        match wanted.leaving {
            None => sending.await,
            Some(Leaving(mut leaving)) => tokio::select! {
                () = sending => {}
                _ = leaving.wait_for(|leaving| *leaving) => warn!("an export is cut off: the server leaves"),
            },
        }
    });
    let mut response = Response::new(body(receiver));
    *response.headers_mut() = headers::<P>(form);
    Ok(response)
}

fn next_limit(left: Option<u64>) -> u32 {
    left.map_or(PAGE, |left| u32::try_from(left.min(PAGE.into())).unwrap_or(PAGE))
}

async fn send_all<P: Pages>(
    mut pages: P,
    form: Form,
    left: &mut Option<u64>,
    first: (Vec<P::Row>, u32, Vec<u8>),
    sender: &mpsc::Sender<Piece>,
) {
    let (mut rows, mut limit, mut chunk) = first;
    loop {
        let count = rows.len();
        for row in rows {
            P::write(row, form, &mut chunk);
        }
        if let Some(left) = left {
            *left = left.saturating_sub(count as u64);
        }
        let last = count < limit as usize || *left == Some(0);
        // Nobody there any more, or nobody who reads: there is nobody to tell.
        if !chunk.is_empty() && !sent(sender, Piece::Chunk(std::mem::take(&mut chunk).into())).await {
            return;
        }
        if last {
            sent(sender, Piece::End).await;
            return;
        }
        limit = next_limit(*left);
        rows = match pages.next(limit).await {
            Ok(rows) => rows,
            Err(fault) => return warn!(%fault, "an export is cut off"),
        };
    }
}

async fn sent(sender: &mpsc::Sender<Piece>, piece: Piece) -> bool {
    matches!(tokio::time::timeout(IDLE, sender.send(piece)).await, Ok(Ok(())))
}

fn body(receiver: mpsc::Receiver<Piece>) -> Body {
    Body::from_stream(unfold(Some(receiver), async |receiver| {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Some(Piece::Chunk(bytes)) => Some((Ok(bytes), Some(receiver))),
            Some(Piece::End) => None,
            None => Some((Err(io::Error::other("the export broke off")), None)),
        }
    }))
}

fn headers<P: Pages>(form: Form) -> HeaderMap {
    let name = format!("attachment; filename=\"{}.{}\"", P::NAME, form.extension());
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(form.media_type()));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(VARY, HeaderValue::from_static("accept"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    if let Ok(name) = HeaderValue::from_str(&name) {
        headers.insert(CONTENT_DISPOSITION, name);
    }
    headers
}
