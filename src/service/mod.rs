//! Life cycle: supervisor, worker, mount, unmount, signals. The only module that opens images.

pub mod open;
