//! Windows' dynamic disks: those that Windows made, and groups made here record by record.

mod collected;
pub mod gpt;
pub mod groups;
pub mod made;
mod shown;
mod witness;

pub use super::lvm::{bytes, node};

pub use shown::first_disk;
