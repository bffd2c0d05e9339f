//! Volumes that other programs wrote files into.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use imgmount::filesystem::FileSystem;
use imgmount::service::open::Options;

use super::mkudffs;
use super::tree::pattern;
use crate::support::command::{Run, interpreter};
use crate::support::images::{Scratch, sha256_of};
use crate::support::library::{self, read_path};

/// The UDF side of `image`.
fn opened(image: &Path) -> Arc<dyn FileSystem> {
    let mut options = Options::default();
    options.format.format = Some("udf".to_owned());
    library::file_system(&library::open_with(image, &options))
}

/// A folder with files of many sizes and names.
fn source(scratch: &Scratch) -> PathBuf {
    let folder = scratch.join("source");
    for path in ["a/b/c/d/e", "leer", "Ω", "many"] {
        fs::create_dir_all(folder.join(path)).unwrap();
    }
    for size in [0, 1, 2047, 2048, 2049, 100_000, 3_000_000] {
        fs::write(folder.join(format!("{size}.bin")), pattern(size, 9)).unwrap();
    }
    for path in [
        "a/b/c/d/e/deep",
        "Ω/Größe",
        "Ω/日本語.txt",
        "a/.hidden",
        "a/two  spaces",
    ] {
        fs::write(folder.join(path), path).unwrap();
    }
    for index in 0..300 {
        fs::write(
            folder.join(format!("many/file number {index}")),
            index.to_string(),
        )
        .unwrap();
    }
    fs::hard_link(folder.join("1.bin"), folder.join("a/same")).unwrap();
    folder
}

/// Compares all files below `folder` with those of `filesystem`: names, contents, times.
fn compare(folder: &Path, filesystem: &dyn FileSystem) {
    let tree = library::walk(filesystem);
    let mut left: BTreeMap<_, _> = tree.iter().collect();
    left.remove(&Vec::new());
    let mut folders = vec![PathBuf::new()];
    while let Some(below) = folders.pop() {
        for entry in fs::read_dir(folder.join(&below)).unwrap() {
            let entry = entry.unwrap();
            let path = below.join(entry.file_name());
            let name = path.to_str().unwrap();
            let record = left.remove(&name.as_bytes().to_vec());
            let record = record.unwrap_or_else(|| panic!("{name} is missing"));
            let metadata = entry.metadata().unwrap();
            if metadata.is_dir() {
                assert_eq!(record.kind, 'd', "{name}");
                folders.push(path);
                continue;
            }
            assert_eq!(record.size, metadata.len(), "{name}");
            assert_eq!(record.mtime.0, metadata.mtime(), "{name}");
            let expected = sha256_of(&fs::read(entry.path()).unwrap());
            assert_eq!(sha256_of(&read_path(filesystem, name)), expected, "{name}");
        }
    }
    assert!(left.is_empty(), "{:?}", left.keys());
}

#[test]
fn by_genisoimage() {
    need!(tool "genisoimage");
    let scratch = Scratch::new();
    let folder = source(&scratch);
    let image = scratch.join("disc.iso");
    let genisoimage = Run::new("genisoimage").words("-quiet -udf -R -input-charset utf-8 -o");
    genisoimage.arg(&image).arg(&folder).run();
    compare(&folder, &*opened(&image));
}

/// What pycdlib writes, which is 2.60, and what it reads of it again.
#[test]
fn by_pycdlib() {
    need!(tool "pycdlib-explorer");
    let scratch = Scratch::new();
    let image = scratch.join("disc.iso");
    let script = r#"
import hashlib, io, sys, pycdlib
iso = pycdlib.PyCdlib()
iso.new(interchange_level=3, udf='2.60')
iso.add_directory('/DIR1', udf_path='/folder')
iso.add_directory('/DIR1/DIR2', udf_path='/folder/ein Ordner')
iso.add_fp(io.BytesIO(b'wide'), 4, '/WIDE.;1', udf_path='/Ω Ж 日本')
for index, size in enumerate([0, 1, 2048, 5000, 400000]):
    data = bytes((index * 31 + at // 7) & 255 for at in range(size))
    iso.add_fp(io.BytesIO(data), size, f'/F{index}.;1', udf_path=f'/{size}.bin')
iso.add_fp(io.BytesIO(b'deep'), 4, '/DIR1/DIR2/DEEP.;1', udf_path='/folder/ein Ordner/tief')
for index in range(200):
    iso.add_fp(io.BytesIO(b'x'), 1, f'/DIR1/N{index}.;1', udf_path=f'/folder/name number {index}')
iso.add_symlink(udf_symlink_path='/link', udf_target='folder/0.bin')
iso.write(sys.argv[1])
iso.close()
iso = pycdlib.PyCdlib()
iso.open(sys.argv[1])
for folder, folders, files in iso.walk(udf_path='/'):
    for name in folders:
        print(f'{folder}/{name}', '-', sep='\t')
    for name in files:
        path = f'{folder}/{name}'.replace('//', '/')
        if path == '/link':
            print(path, '-', sep='\t')
            continue
        out = io.BytesIO()
        iso.get_file_from_iso_fp(out, udf_path=path)
        print(path, hashlib.sha256(out.getvalue()).hexdigest(), sep='\t')
"#;
    let python = interpreter("pycdlib-explorer").arg("-c");
    let python = python.arg(script).arg(&image);
    let mut python = python.command();
    let said = python.env("PYTHONIOENCODING", "utf-8").output().unwrap();
    assert!(
        said.status.success(),
        "{}",
        String::from_utf8_lossy(&said.stderr)
    );
    let filesystem = opened(&image);
    let tree = library::walk(&*filesystem);
    let listed = String::from_utf8(said.stdout).unwrap();
    assert_eq!(listed.lines().count(), tree.len() - 1, "without the root");
    for line in listed.lines() {
        let (path, hash) = line.split_once('\t').unwrap();
        let path = path.trim_start_matches('/');
        assert!(tree.contains_key(path.as_bytes()), "{path} is missing");
        if hash != "-" {
            assert_eq!(sha256_of(&read_path(&*filesystem, path)), hash, "{path}");
        }
    }
    assert_eq!(
        tree[&b"link"[..]].target.as_deref(),
        Some(&b"folder/0.bin"[..])
    );
}

/// wrudf asks for a terminal; its commands come through script(1).
fn wrudf(image: &Path, commands: &str) {
    let run = Run::new("script").args(["-qec", &format!("wrudf {}", image.display()), "/dev/null"]);
    let mut command = run.command();
    command
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null());
    let mut child = command.spawn().unwrap();
    let text = format!("y\n{commands}quit\n");
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn by_wrudf_on_a_rewritable_disc() {
    need!(tool "mkudffs", tool "wrudf", tool "script");
    let scratch = Scratch::new();
    // wrudf knows no other medium, and ends with an error on 2.01.
    let image = mkudffs("--media-type=cdrw --udfrev=1.50", 20000, &scratch);
    let (small, large) = (scratch.join("small"), scratch.join("large"));
    fs::write(&small, "of one line\n").unwrap();
    fs::write(&large, pattern(1_234_567, 5)).unwrap();
    let (from, more) = (small.display(), large.display());
    wrudf(
        &image,
        &format!("cp {from} /small\nmkdir folder\ncp {more} /folder/large\n"),
    );
    let filesystem = opened(&image);
    assert_eq!(read_path(&*filesystem, "small"), b"of one line\n");
    assert!(read_path(&*filesystem, "folder/large") == pattern(1_234_567, 5));
    let tree = library::walk(&*filesystem);
    assert_eq!(tree.len(), 4, "{:?}", tree.keys());
}
