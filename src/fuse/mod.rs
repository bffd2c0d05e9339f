//! A [`crate::filesystem::FileSystem`] → the kernel: a thin shell, the only module that says `fuser`.

/// How a tree is shown to the users of the mount.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Other users may use the mount; the kernel then checks permissions.
    pub allow_other: bool,
    /// Every file belongs to this user.
    pub uid: Option<u32>,
    /// Every file belongs to this group.
    pub gid: Option<u32>,
    /// Permission bits that no file has.
    pub umask: Option<u16>,
}
