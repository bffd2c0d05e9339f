//! What a service manager is told, as sd_notify(3) says it: one datagram of `NAME=VALUE` lines to the
//! socket that `NOTIFY_SOCKET` names.

use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use super::mount::Mounted;
use super::shown;

/// The variable that names the socket. It is for this program, not for those that it starts.
pub(super) const SOCKET: &str = "NOTIFY_SOCKET";

/// A manager that does not listen stops nobody.
const PATIENCE: Duration = Duration::from_secs(5);

/// The mount can be used. The process that this comes from may end: the one that serves on is named.
pub(super) fn ready(mounted: &Mounted) {
    let place = shown(&mounted.mountpoint);
    let process = mounted.process;
    tell(&format!(
        "READY=1\nMAINPID={process}\nSTATUS=mounted at {place}"
    ));
}

/// The mount is going away.
pub(super) fn stopping() {
    tell("STOPPING=1\nSTATUS=unmounting");
}

fn tell(text: &str) {
    let Some(name) = std::env::var_os(SOCKET) else {
        return;
    };
    match address(&name).map(|address| send(&address, text)) {
        Some(Ok(())) => {}
        Some(Err(error)) => log::warn!("{SOCKET}: {error}"),
        None => log::warn!("{SOCKET} is no socket of this machine"),
    }
}

/// A path from the root on, or a name in the abstract namespace, which begins with `@`.
fn address(name: &OsStr) -> Option<SocketAddr> {
    match name.as_bytes().split_first() {
        Some((b'@', name)) => SocketAddr::from_abstract_name(name).ok(),
        Some((b'/', _)) => SocketAddr::from_pathname(name).ok(),
        _ => None,
    }
}

fn send(address: &SocketAddr, text: &str) -> std::io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.send_to_addr(text.as_bytes(), address).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_and_an_abstract_name_are_heard_and_others_are_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let name = format!("@imgmount-test-{}", std::process::id());
        for name in [path.as_os_str(), OsStr::new(&name)] {
            let address = address(name).unwrap();
            let listener = UnixDatagram::bind_addr(&address).unwrap();
            listener.set_read_timeout(Some(PATIENCE)).unwrap();
            send(&address, "READY=1\n").unwrap();
            let mut heard = [0; 64];
            let length = listener.recv(&mut heard).unwrap();
            assert_eq!(&heard[..length], b"READY=1\n");
        }
        for name in ["", "vsock:2:1234", "relative/path"] {
            assert!(address(OsStr::new(name)).is_none(), "{name}");
        }
        let nobody = address(folder.path().join("nobody").as_os_str()).unwrap();
        assert!(send(&nobody, "READY=1\n").is_err());
    }
}
