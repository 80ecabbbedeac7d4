//! How our types are kept by each engine: one newtype for each that the two keep differently.

use std::borrow::Cow;
use std::net::IpAddr;

use keywright_core::{ActorKind, ActorRef, Timestamp};
use serde_json::Value;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueFormat, PgValueRef};
use sqlx::sqlite::{SqliteArgumentsBuffer, SqliteTypeInfo, SqliteValueRef};
use sqlx::{Decode, Encode, Postgres, Sqlite, Type};
use uuid::Uuid;

use crate::error::StoreError;

/// Microseconds from the Unix epoch to PostgreSQL's, the first of January 2000.
pub(crate) const POSTGRES_EPOCH_MICROS: i64 = 946_684_800_000_000;

// By number: a type given by name costs each new connection a look-up in the catalogue.
pub(crate) const TIMESTAMPTZ: Oid = Oid(1184);
const TIMESTAMPTZ_ARRAY: Oid = Oid(1185);
const INET: Oid = Oid(869);

/// A moment: TIMESTAMPTZ, or INTEGER microseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Time(pub(crate) Timestamp);

impl Time {
    pub(crate) fn optional(time: Option<Timestamp>) -> Option<Self> {
        time.map(Self)
    }
}

impl From<Time> for Timestamp {
    fn from(time: Time) -> Self {
        time.0
    }
}

impl Type<Sqlite> for Time {
    fn type_info() -> SqliteTypeInfo {
        <i64 as Type<Sqlite>>::type_info()
    }

    fn compatible(info: &SqliteTypeInfo) -> bool {
        <i64 as Type<Sqlite>>::compatible(info)
    }
}

impl<'q> Encode<'q, Sqlite> for Time {
    fn encode_by_ref(&self, buffer: &mut SqliteArgumentsBuffer) -> Result<IsNull, BoxDynError> {
        <i64 as Encode<'q, Sqlite>>::encode(self.0.as_micros(), buffer)
    }
}

impl<'r> Decode<'r, Sqlite> for Time {
    fn decode(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(Self(Timestamp::from_micros(<i64 as Decode<'r, Sqlite>>::decode(value)?)))
    }
}

impl Type<Postgres> for Time {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(TIMESTAMPTZ)
    }

    fn compatible(info: &PgTypeInfo) -> bool {
        info.oid() == Some(TIMESTAMPTZ)
    }
}

impl PgHasArrayType for Time {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(TIMESTAMPTZ_ARRAY)
    }
}

impl<'q> Encode<'q, Postgres> for Time {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        <i64 as Encode<'q, Postgres>>::encode(self.0.as_micros() - POSTGRES_EPOCH_MICROS, buffer)
    }
}

impl<'r> Decode<'r, Postgres> for Time {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        if value.format() == PgValueFormat::Text {
            return Err("a time is read in binary form only".into());
        }
        let micros = <i64 as Decode<'r, Postgres>>::decode(value)?;
        Ok(Self(Timestamp::from_micros(micros.saturating_add(POSTGRES_EPOCH_MICROS))))
    }
}

/// An address without a mask: INET, or its canonical text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ip(pub(crate) IpAddr);

const FAMILY_V4: u8 = 2;
const FAMILY_V6: u8 = 3;

impl Ip {
    pub(crate) fn optional(address: Option<IpAddr>) -> Option<Self> {
        address.map(Self)
    }

    /// PostgreSQL's binary form: family, bits of the mask, "is a network", length, address.
    pub(crate) fn write_inet(self, buffer: &mut Vec<u8>) {
        match self.0 {
            IpAddr::V4(v4) => {
                buffer.extend_from_slice(&[FAMILY_V4, 32, 0, 4]);
                buffer.extend_from_slice(&v4.octets());
            }
            IpAddr::V6(v6) => {
                buffer.extend_from_slice(&[FAMILY_V6, 128, 0, 16]);
                buffer.extend_from_slice(&v6.octets());
            }
        }
    }

    fn read_inet(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [FAMILY_V4, 32, _, 4, octets @ ..] => Some(Self(IpAddr::from(<[u8; 4]>::try_from(octets).ok()?))),
            [FAMILY_V6, 128, _, 16, octets @ ..] => {
                Some(Self(IpAddr::from(<[u8; 16]>::try_from(octets).ok()?)))
            }
            _ => None,
        }
    }
}

impl From<Ip> for IpAddr {
    fn from(ip: Ip) -> Self {
        ip.0
    }
}

impl Type<Sqlite> for Ip {
    fn type_info() -> SqliteTypeInfo {
        <str as Type<Sqlite>>::type_info()
    }

    fn compatible(info: &SqliteTypeInfo) -> bool {
        <str as Type<Sqlite>>::compatible(info)
    }
}

impl<'q> Encode<'q, Sqlite> for Ip {
    fn encode_by_ref(&self, buffer: &mut SqliteArgumentsBuffer) -> Result<IsNull, BoxDynError> {
        <String as Encode<'q, Sqlite>>::encode(self.0.to_string(), buffer)
    }
}

impl<'r> Decode<'r, Sqlite> for Ip {
    fn decode(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(Self(<&str as Decode<'r, Sqlite>>::decode(value)?.parse()?))
    }
}

impl Type<Postgres> for Ip {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(INET)
    }

    fn compatible(info: &PgTypeInfo) -> bool {
        info.oid() == Some(INET)
    }
}

impl Encode<'_, Postgres> for Ip {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        self.write_inet(buffer);
        Ok(IsNull::No)
    }
}

impl<'r> Decode<'r, Postgres> for Ip {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        Self::read_inet(value.as_bytes()?).ok_or_else(|| "no address without a mask".into())
    }
}

/// PostgreSQL keeps no U+0000 in a text, and one row must not hold up all others.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{FFFD}")) } else { Cow::Borrowed(text) }
}

/// The same of all texts in a value.
pub(crate) fn clean_json(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(clean(&text).into_owned()),
        Value::Array(items) => items.into_iter().map(clean_json).collect(),
        Value::Object(map) => {
            map.into_iter().map(|(key, value)| (clean(&key).into_owned(), clean_json(value))).collect()
        }
        other => other,
    }
}

/// A count or number that is never negative, kept as a signed 64-bit integer.
pub(crate) fn to_i64(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Reads [`to_i64`] back.
pub(crate) fn to_u64(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// Who made a row: the columns `created_by_type`, `created_by_id` and `created_by_name`.
#[derive(sqlx::FromRow)]
pub(crate) struct CreatedBy {
    #[sqlx(rename = "created_by_type")]
    kind: String,
    #[sqlx(rename = "created_by_id")]
    id: Option<Uuid>,
    #[sqlx(rename = "created_by_name")]
    name: String,
}

impl TryFrom<CreatedBy> for ActorRef {
    type Error = StoreError;

    fn try_from(raw: CreatedBy) -> Result<Self, StoreError> {
        let kind = ActorKind::parse(&raw.kind)
            .ok_or_else(|| StoreError::corrupt(format_args!("unknown kind of actor {:?}", raw.kind)))?;
        Ok(Self { kind, id: raw.id, name: raw.name })
    }
}
