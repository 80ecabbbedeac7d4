//! Reading an export of security events back, to check the chain over it.

use std::io::{self, BufRead};

use keywright_api::event::ExportedSecurityEvent;
use keywright_authority::audit::Linked;
use keywright_core::principal::ActorKind;
use keywright_core::{ActorRef, EventId, NodeId};
use keywright_store::security_events::{NewSecurityEvent, SecurityEventRow};
use serde_json::value::RawValue;

/// Longest line that an export can have, by far.
const LONGEST_LINE: u64 = 4 << 20;

/// The next line without its end; `None` at the end.
pub(super) fn next_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let mut limited = io::Read::take(&mut *reader, LONGEST_LINE);
    if limited.read_until(b'\n', line)? == 0 {
        return Ok(false);
    }
    if line.pop_if(|byte| *byte == b'\n').is_none() {
        return Err(io::Error::other("it ends in the middle of a line, or a line is too long"));
    }
    Ok(true)
}

/// The event of a line, with the bytes that were sealed.
pub(super) fn event(line: &[u8]) -> Result<Linked, String> {
    let event: ExportedSecurityEvent =
        serde_json::from_slice(line).map_err(|_| "is no exported security event".to_owned())?;
    read(event).ok_or_else(|| "is no exported security event".to_owned())
}

fn read(event: ExportedSecurityEvent) -> Option<Linked> {
    let mac = |text: Option<String>| text.map(hex::decode).transpose().ok();
    let sealed = |raw: Option<Box<RawValue>>| raw.map(|raw| exact(&raw)).transpose().ok();
    let row = SecurityEventRow {
        seq: event.seq,
        key_id: event.key_id,
        mac: mac(event.mac)?,
        event: NewSecurityEvent {
            id: EventId(event.id),
            occurred_at: event.occurred_at.parse().ok()?,
            type_: event.kind,
            actor: ActorRef {
                kind: ActorKind::parse(keywright_api::WireEnum::as_str(event.actor.kind))?,
                id: event.actor.id,
                name: event.actor.name?,
            },
            subject_type: event.subject.kind,
            subject_id: event.subject.id,
            subject_name: event.subject.name,
            publisher_id: event.publisher_id,
            ip_address: event.ip_address.map(|ip| ip.parse()).transpose().ok()?,
            user_agent: event.user_agent,
            request_id: event.request_id,
            reason: event.reason,
            before: sealed(event.before)?,
            after: sealed(event.after)?,
            details: sealed(event.details)?,
            node_id: event.node_id.map(NodeId),
        },
    };
    Some(Linked { row, previous_mac: mac(event.previous_mac)? })
}

/// An object as it stands; a string holds what could not stand in a line.
fn exact(raw: &RawValue) -> Result<String, serde_json::Error> {
    if raw.get().starts_with('"') { serde_json::from_str(raw.get()) } else { Ok(raw.get().to_owned()) }
}
