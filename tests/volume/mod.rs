//! Volume managers: what their members hold together, against other readers of the same bytes.

pub mod ldm;
pub mod lvm;
