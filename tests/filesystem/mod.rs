//! The file systems besides ext4: against what their own tools, the kernel and other readers say.

mod budget;
mod collected;
pub mod erofs;
mod everyday;
pub mod exfat;
pub mod fat;
mod iso9660;
mod squashfs;
pub mod udf;
