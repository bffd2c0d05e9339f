//! The families.

mod gpt;
mod vhd;

use super::family::Family;

/// All of them.
pub const ALL: &[&dyn Family] = &[&gpt::Gpt, &vhd::Vhd];
