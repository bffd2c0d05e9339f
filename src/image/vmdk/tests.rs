//! Disks in memory.
