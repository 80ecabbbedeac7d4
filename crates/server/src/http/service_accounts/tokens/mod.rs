//! `/service-accounts/{id}/tokens`: the tokens of a service account.

pub mod all;
pub mod change;
pub mod create;
pub mod read;
