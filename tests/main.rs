//! The integration tests: one binary, so that it links once. Each module is a group, and
//! `contrib/test` sums up what ran, failed and was skipped for each.
#![allow(missing_docs, unreachable_pub)]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation
)]

#[macro_use]
mod support;

mod arrows;
mod cli;
mod compare;
mod container;
mod dependencies;
mod ext4_journal;
mod filesystem;
mod fixtures;
mod hostile;
mod mount;
mod partition;
mod signature;
mod stack;
mod volume;
