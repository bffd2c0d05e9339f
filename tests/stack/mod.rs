//! What is found in an image, and the tree that is made of it, with formats and file systems made
//! for the purpose.

mod bad_sectors;
mod bridges;
mod counts;
mod hybrids;
mod locked;
mod polyglots;
mod scale;
pub mod sets;
pub mod synthetic;
mod tree;
mod tree_names;
