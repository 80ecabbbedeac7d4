//! What people ask about their own accounts, under `/auth`.

pub mod accept;
pub mod email;
pub mod password;
pub mod profile;
