//! The program as it is with another C library, musl, which makes other system calls.

use std::path::PathBuf;
use std::sync::OnceLock;

use super::command::{self, Run};

/// What Rust calls it.
fn target() -> String {
    format!("{}-unknown-linux-musl", std::env::consts::ARCH)
}

/// Whether it can be built: with a standard library of that kind and a C compiler.
pub fn can_be_built() -> bool {
    let Some(rustc) = command::find("rustc").filter(|_| command::find("musl-gcc").is_some()) else {
        return false;
    };
    let run = Run::new(rustc.to_str().unwrap()).args(["--print", "target-libdir", "--target"]);
    let output = run.arg(target()).output();
    let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    output.status.success() && folder.is_dir()
}

/// The program, built from what is tested.
pub fn program() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let folder = root.join("target/musl");
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let build = Run::new(&cargo).words("build -q --locked --bin imgmount --target");
        let build = build.arg(target()).arg("--target-dir").arg(&folder);
        build.within(&root).run();
        folder.join(target()).join("debug/imgmount")
    };
    BUILT.get_or_init(build).clone()
}
