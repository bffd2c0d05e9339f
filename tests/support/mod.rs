//! What the groups share: images and scratch space, commands, kernel mounts, other users, and the
//! record of what a file looks like. Everything cleans up when it is dropped.
#![allow(
    dead_code,
    reason = "each group uses a part, and groups come and go with features"
)]

#[macro_use]
pub mod skip;

pub mod command;
pub mod counted;
pub mod cut;
pub mod debugfs;
pub mod expected;
pub mod images;
pub mod kernel;
pub mod library;
pub mod mtree;
pub mod musl;
pub mod record;
pub mod through;
pub mod trace;
pub mod udf;
pub mod user;
pub mod walk;
