//! Partition tables, signatures and the order in which they are weighed, against the tools that
//! make them and the collected images.

mod collected;
mod damage;
pub mod disk;
mod labels;
mod oracle;
pub mod slices;
