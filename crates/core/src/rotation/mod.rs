//! Automated rotation (lifecycle.md, Rotation): what policies say, when a token is due, when a maintenance window
//! is open, and what follows from the state of a rotation. All of it is a function of its arguments.

pub mod delivery;
pub mod due;
pub mod policy;
pub mod state;
pub mod window;

pub use delivery::{Delivery, DeliveryKind};
pub use due::{Due, Life, Rule, due};
pub use policy::{Bound, Effective, Level, Policy, Sourced, effective};
pub use state::{Facts, RotationState, Step, Use, step};
pub use window::{Schedule, ScheduleError};
