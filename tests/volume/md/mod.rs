//! Linux MD: arrays of other projects, and made here superblock by superblock.

mod collected;
mod examined;
mod levels;
pub mod made;
mod members;
mod nested;
mod restriped;
mod shown;

pub use super::lvm::groups::{look, look_with};
pub use super::lvm::{bytes, node};
pub use made::Array;
pub use shown::{array, ext4, images};
