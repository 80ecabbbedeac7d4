//! Answers that come in pieces, however long they are.

use bytes::{Buf, Bytes, BytesMut};
use futures::StreamExt;
use futures::stream::BoxStream;

use super::TransportError;

/// One JSON object on each line.
pub(crate) const NDJSON: &str = "application/x-ndjson";
/// A table.
pub(crate) const CSV: &str = "text/csv";

/// An answer that comes in pieces. One that breaks off is an error, never an end.
pub(crate) struct Streamed {
    chunks: BoxStream<'static, Result<Bytes, TransportError>>,
    rest: BytesMut,
    address: String,
}

impl Streamed {
    /// Takes the pieces of an answer.
    pub(super) fn new(
        address: &str,
        chunks: impl futures::Stream<Item = Result<Bytes, TransportError>> + Send + 'static,
    ) -> Self {
        Self { chunks: chunks.boxed(), rest: BytesMut::new(), address: address.to_owned() }
    }

    /// The next piece; `None` at the end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, TransportError> {
        self.chunks.next().await.transpose()
    }

    /// The next line, without its end; `None` at the end.
    pub(crate) async fn line(&mut self) -> Result<Option<Bytes>, TransportError> {
        let mut looked = 0;
        loop {
            if let Some(end) = self.rest[looked..].iter().position(|byte| *byte == b'\n') {
                let line = self.rest.split_to(looked + end).freeze();
                self.rest.advance(1);
                return Ok(Some(line));
            }
            looked = self.rest.len();
            match self.chunk().await? {
                Some(chunk) => self.rest.extend_from_slice(&chunk),
                None if self.rest.is_empty() => return Ok(None),
                None => {
                    let cause = "it ends in the middle of a line".to_owned();
                    return Err(TransportError::Broken { address: self.address.clone(), cause });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(chunks: &[&'static str], broken: bool) -> Streamed {
        let mut all: Vec<_> = chunks.iter().map(|chunk| Ok(Bytes::from_static(chunk.as_bytes()))).collect();
        if broken {
            all.push(Err(TransportError::Aborted));
        }
        Streamed::new("here", futures::stream::iter(all))
    }

    async fn lines(mut stream: Streamed) -> (Vec<String>, bool) {
        let mut all = Vec::new();
        loop {
            match stream.line().await {
                Ok(Some(line)) => all.push(String::from_utf8(line.to_vec()).unwrap()),
                Ok(None) => return (all, true),
                Err(_) => return (all, false),
            }
        }
    }

    #[tokio::test]
    async fn lines_are_whole_however_they_come() {
        assert_eq!(
            lines(of(&["a\nb", "c\n", "\nd\n"], false)).await,
            (vec!["a", "bc", "", "d"].into_iter().map(str::to_owned).collect(), true)
        );
        assert_eq!(lines(of(&[], false)).await, (vec![], true));
        assert_eq!(lines(of(&["a\nb"], false)).await, (vec!["a".to_owned()], false), "half a line is no end");
        assert_eq!(lines(of(&["a\n"], true)).await, (vec!["a".to_owned()], false));
    }
}
