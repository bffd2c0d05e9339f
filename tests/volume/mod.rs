//! Volume managers: what their members hold together, against other readers of the same bytes.

pub mod bitlocker;
mod everyday;
pub mod ldm;
pub mod luks;
pub mod lvm;
pub mod md;
mod rows;
