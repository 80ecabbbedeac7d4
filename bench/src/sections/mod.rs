//! What is measured, a file for each.

use anyhow::Result;

use crate::context::Context;
use crate::report::Section;

mod burst;
mod cached;
mod cold;
mod emergency;
mod in_process;
mod jwt;
mod layer;
mod limits;
mod memory;
mod mint;
mod moving;
pub(crate) mod open_loop;
mod propagation;
mod sink;
mod start;

/// A section by its name on the command line.
pub(crate) type Measure = fn(&Context) -> Result<Section>;

/// All sections, in the order of the page.
pub(crate) const ALL: [(&str, Measure); 14] = [
    ("cached", cached::run),
    ("jwt", jwt::run),
    ("limits", limits::run),
    ("moving", moving::run),
    ("sink", sink::run),
    ("open-loop", open_loop::run),
    ("cold", cold::run),
    ("in-process", in_process::run),
    ("mint", mint::run),
    ("memory", memory::run),
    ("start", start::run),
    ("burst", burst::run),
    ("emergency", emergency::run),
    ("propagation", propagation::run),
];
