//! What is named by its magic: as many names as libblkid has, and each with an image that libblkid,
//! too, calls by that name.

mod identity;
mod made;
mod names;
mod samples;
mod tables;
