//! [`Sql`]: a statement put together from optional parts, before it is known for which engine.
//!
//! Optional filters are put together and not written as `$1 IS NULL OR column = $1`: under a generic
//! plan that reads the whole table on both engines.

use std::net::IpAddr;

use keywright_core::Timestamp;
use sqlx::{Database, Encode, Postgres, QueryBuilder, Sqlite, Type};
use uuid::Uuid;

use crate::conn::{Conn, on};
use crate::error::StoreError;

/// A part of a statement.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Part {
    Text(&'static str),
    Time(Timestamp),
    Number(i64),
    Flag(bool),
    String(Option<String>),
    Id(Uuid),
    Address(IpAddr),
    Any(Values),
}

/// Values of which a column is to have one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Values {
    Ids(Vec<Uuid>),
    Texts(Vec<String>),
    Bytes(Vec<Vec<u8>>),
}

/// How an engine is told of many values.
pub(crate) trait AnyOf: Database + Sized {
    /// ` = ANY($1)` or ` IN (?, ?, …)`
    fn push_any(query: &mut QueryBuilder<Self>, values: Values);
}

/// One array, which costs PostgreSQL a third of what a list of so many parameters does.
impl AnyOf for Postgres {
    fn push_any(query: &mut QueryBuilder<Self>, values: Values) {
        query.push(" = ANY(");
        match values {
            Values::Ids(ids) => query.push_bind(ids),
            Values::Texts(texts) => query.push_bind(texts),
            Values::Bytes(bytes) => query.push_bind(bytes),
        };
        query.push(")");
    }
}

impl AnyOf for Sqlite {
    fn push_any(query: &mut QueryBuilder<Self>, values: Values) {
        query.push(" IN (");
        match values {
            Values::Ids(ids) => push_list(query, ids),
            Values::Texts(texts) => push_list(query, texts),
            Values::Bytes(bytes) => push_list(query, bytes),
        }
        query.push(")");
    }
}

fn push_list<'q, T: Encode<'q, Sqlite> + Type<Sqlite> + 'q>(
    query: &mut QueryBuilder<Sqlite>,
    values: Vec<T>,
) {
    let mut list = query.separated(", ");
    for value in values {
        list.push_bind(value);
    }
}

/// A statement in parts: its own text is static, every value is bound.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sql(pub(crate) Vec<Part>);

impl Sql {
    pub(crate) fn new(text: &'static str) -> Self {
        Self(vec![Part::Text(text)])
    }

    pub(crate) fn text(&mut self, text: &'static str) -> &mut Self {
        self.0.push(Part::Text(text));
        self
    }

    pub(crate) fn bind(&mut self, value: impl Into<Part>) -> &mut Self {
        self.0.push(value.into());
        self
    }

    /// A condition with one value, where there is one.
    pub(crate) fn filter(&mut self, text: &'static str, value: Option<impl Into<Part>>) -> &mut Self {
        if let Some(value) = value {
            self.text(text).bind(value);
        }
        self
    }

    /// The end of a list, newest first by two columns: `after` the last row that was given, at most `limit` rows.
    pub(crate) fn newest_first(
        &mut self,
        moment: &'static str,
        id: &'static str,
        after: Option<(Timestamp, Uuid)>,
        limit: u32,
    ) -> &mut Self {
        if let Some((last_moment, last_id)) = after {
            self.text(" AND (").text(moment).text(", ").text(id).text(") < (");
            self.bind(last_moment).text(", ").bind(last_id).text(")");
        }
        self.text(" ORDER BY ").text(moment).text(" DESC, ").text(id).text(" DESC LIMIT ").bind(limit)
    }

    /// The end of a condition on a column: that it has one of these values.
    pub(crate) fn any(&mut self, values: Values) -> &mut Self {
        self.0.push(Part::Any(values));
        self
    }

    /// `(a, b, c)`
    pub(crate) fn bind_list(&mut self, values: impl IntoIterator<Item = impl Into<Part>>) -> &mut Self {
        self.text("(");
        for (index, value) in values.into_iter().enumerate() {
            self.text(if index == 0 { "" } else { ", " }).bind(value);
        }
        self.text(")")
    }
}

macro_rules! part_from {
    ($($part:ident($type:ty);)+) => {$(
        impl From<$type> for Part {
            fn from(value: $type) -> Self {
                Self::$part(value.into())
            }
        }
    )+};
}

part_from! {
    Time(Timestamp);
    Number(i64);
    Number(u32);
    Flag(bool);
    Id(Uuid);
    Address(IpAddr);
}

impl From<&str> for Part {
    fn from(text: &str) -> Self {
        Self::String(Some(text.to_owned()))
    }
}

impl From<Option<&str>> for Part {
    fn from(text: Option<&str>) -> Self {
        Self::String(text.map(str::to_owned))
    }
}

/// The parts as a `QueryBuilder` for the engine in scope.
macro_rules! builder {
    ($sql:expr) => {{
        let mut query = ::sqlx::QueryBuilder::<DB>::new("");
        for part in $sql.0.iter().cloned() {
            match part {
                $crate::sql::Part::Text(text) => query.push(text),
                $crate::sql::Part::Time(time) => query.push_bind($crate::types::Time(time)),
                $crate::sql::Part::Number(number) => query.push_bind(number),
                $crate::sql::Part::Flag(flag) => query.push_bind(flag),
                $crate::sql::Part::String(text) => query.push_bind(text),
                $crate::sql::Part::Id(id) => query.push_bind(id),
                $crate::sql::Part::Address(address) => query.push_bind($crate::types::Ip(address)),
                $crate::sql::Part::Any(values) => {
                    <DB as $crate::sql::AnyOf>::push_any(&mut query, values);
                    &mut query
                }
            };
        }
        query
    }};
}

pub(crate) use builder;

/// Most ids that one statement names.
const MAX_IDS: usize = 1_000;

/// Runs a statement about rows, in slices: `statement` ends where the list of their ids begins. Gives the number
/// of rows that it changed.
pub(crate) async fn change_each(
    mut conn: Conn<'_>,
    statement: &Sql,
    ids: &[Uuid],
) -> Result<u64, StoreError> {
    let mut changed = 0;
    for slice in ids.chunks(MAX_IDS) {
        let mut sql = statement.clone();
        sql.bind_list(slice.iter().copied());
        changed += on!(conn.reborrow(), |c| async {
            builder!(sql).build().persistent(false).execute(c).await.map(|done| done.rows_affected())
        })?;
    }
    Ok(changed)
}
