//! squashfs, against the kernel's own mount, unsquashfs, and images by two writers.

mod counts;
mod kernel;
mod pieces;
mod tree;
mod writers;
