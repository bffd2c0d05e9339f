//! The file systems besides ext4: against what their own tools, the kernel and other readers say.

#[allow(dead_code)] // Until a reader besides ext4 is registered.
mod collected;
