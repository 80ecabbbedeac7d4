//! Reads answers as the load needs it: where they end, and whether they say what they must.

use memchr::memmem;

/// What an answer must be to count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    /// Its status.
    pub(crate) status: u16,
    /// What its body must hold.
    pub(crate) holds: &'static str,
}

/// A complete answer at the start of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer<'a> {
    /// Its status.
    pub(crate) status: u16,
    /// Its body.
    pub(crate) body: &'a [u8],
    /// Bytes of the whole.
    pub(crate) bytes: usize,
}

/// These bytes are no answer that this reader understands (it wants a `Content-Length`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Garbled;

/// The answer at the start of `bytes`; `None` when it is not complete yet.
pub(crate) fn read(bytes: &[u8]) -> Result<Option<Answer<'_>>, Garbled> {
    let Some(head) = memmem::find(bytes, b"\r\n\r\n") else { return Ok(None) };
    let status = bytes.strip_prefix(b"HTTP/1.1 ").and_then(|rest| number(rest.get(..3)?)).ok_or(Garbled)?;
    let length = match content_length(&bytes[..head + 2]) {
        Some(length) => length,
        None if status == 204 => 0,
        None => return Err(Garbled),
    };
    let start = head + 4;
    let Some(body) = bytes.get(start..start + length) else { return Ok(None) };
    Ok(Some(Answer { status: u16::try_from(status).map_err(|_| Garbled)?, body, bytes: start + length }))
}

fn content_length(head: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"\r\ncontent-length:";
    // As hyper spells it; else, as anybody may.
    if let Some(at) = memmem::find(head, NAME) {
        return value(&head[at + NAME.len()..]);
    }
    head.windows(NAME.len())
        .position(|w| w.eq_ignore_ascii_case(NAME))
        .and_then(|at| value(&head[at + NAME.len()..]))
}

fn value(rest: &[u8]) -> Option<usize> {
    number(rest[..memchr::memchr(b'\r', rest)?].trim_ascii())
}

fn number(digits: &[u8]) -> Option<usize> {
    let digit = |n: usize, b: &u8| b.is_ascii_digit().then(|| n * 10 + usize::from(b - b'0'));
    (!digits.is_empty() && digits.len() < 10).then(|| digits.iter().try_fold(0, digit))?
}

impl Expected {
    /// Whether the answer is what it must be.
    pub(crate) fn is_met_by(&self, answer: &Answer<'_>) -> bool {
        answer.status == self.status && memmem::find(answer.body, self.holds.as_bytes()).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_complete_with_the_last_byte_of_its_body() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Type: x\r\nContent-Length: 5\r\n\r\nvalidHTTP";
        for end in 0..whole.len() - 4 {
            assert_eq!(read(&whole[..end]), Ok(None), "{end}");
        }
        let answer = read(whole).unwrap().unwrap();
        assert_eq!((answer.status, answer.body, answer.bytes), (200, &b"valid"[..], whole.len() - 4));
        assert!(Expected { status: 200, holds: "valid" }.is_met_by(&answer));
        assert!(!Expected { status: 200, holds: "true" }.is_met_by(&answer));
        assert!(!Expected { status: 201, holds: "valid" }.is_met_by(&answer));
    }

    #[test]
    fn what_has_no_length_is_not_counted() {
        assert_eq!(read(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"), Err(Garbled));
        assert_eq!(read(b"220 mail\r\n\r\n"), Err(Garbled));
        assert_eq!(read(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap().unwrap().bytes, 27);
    }
}
