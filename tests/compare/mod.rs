//! The comparison with the Linux kernel: file systems that mke2fs makes in many feature sets and
//! the kernel then writes into, read by the library and by the kernel's own mount of a copy.

mod collected;
mod collisions;
mod contents;
mod dirty;
mod encrypted;
mod hurd;
mod mounted;
mod random;
mod sets;
mod without_kernel;
pub mod workload;
