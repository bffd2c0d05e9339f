//! imgmount: what is inside a disk image, as files.
//!
//! The modules, in the order in which bytes flow through them. A module uses only those above it;
//! `tests/arrows.rs` holds that.
//!
//! ```text
//! bytes ──► disk ──► partitions ──► volumes ──► inodes ──► one tree of names ──► kernel / verbs
//! source    image    partition     volume     filesystem   tree                  fuse / cli
//! ```

pub mod lock;
pub mod number;
pub mod sys;

pub mod error;

pub mod cache;

pub mod source;

pub mod format;

pub mod crypt;

pub mod filesystem;
pub mod image;
pub mod partition;
pub mod signature;
pub mod volume;

pub mod stack;

pub mod check;
pub mod tree;

pub mod fuse;

pub mod service;

pub mod cli;
