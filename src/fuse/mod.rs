//! A [`crate::filesystem::FileSystem`] → the kernel: a thin shell, the only module that says `fuser`.
