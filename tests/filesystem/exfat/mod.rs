//! exFAT: what exfat-fuse writes, against its own view and that of other readers; and what no
//! program writes, against the specification.

mod cost;
pub mod generate;
mod made;
pub mod written;
