//! Other readers of the same bytes: what cryptsetup and libbde say of metadata, and what dissect.fve
//! makes of the volumes that are written here.

use std::collections::BTreeMap;
use std::path::Path;

use super::bitmaps;
use super::made::{Made, clear, external, file};
use super::variants::{parts, variants};
use crate::support::command::{self, Run, imgmount};
use crate::support::images::{self, Scratch, sha256_of};

/// What stands in the metadata, in our words.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    id: String,
    description: String,
    encryption: String,
    /// What opens each protector, and its identifier.
    protectors: Vec<String>,
}

/// What `imgmount info` says.
fn ours(image: &Path) -> Said {
    let info = imgmount().args(["info", "--json"]).arg(image).stdout();
    let info: serde_json::Value = serde_json::from_slice(&info).unwrap();
    let content = &info["disks"][0]["content"];
    assert_eq!(content["format"], "BitLocker");
    let facts: BTreeMap<String, String> = serde_json::from_value(content["facts"].clone()).unwrap();
    let protectors = (0..).map_while(|number| facts.get(&format!("protector {number}")));
    Said {
        id: content["uuid"].as_str().unwrap().to_owned(),
        description: facts["description"].clone(),
        encryption: facts["encryption"].clone(),
        protectors: protectors.cloned().collect(),
    }
}

/// The lines `NAME: VALUE` of `text`, in their order.
fn fields(text: &str) -> Vec<(&str, &str)> {
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs
        .map(|(name, value)| (name.trim(), value.trim()))
        .collect()
}

/// The values called `name`.
fn all<'a>(fields: &[(&str, &'a str)], name: &str) -> Vec<&'a str> {
    let found = fields.iter().filter(|(found, _)| *found == name);
    found.map(|(_, value)| *value).collect()
}

fn cryptsetups(image: &Path) -> Said {
    let text = Run::new("cryptsetup").arg("bitlkDump").arg(image).text();
    let fields = fields(&text);
    let ids = all(&fields, "GUID");
    let bits = all(&fields, "Cipher key")[0].trim_end_matches(" bits");
    let bits: u32 = bits.parse().unwrap();
    // It counts the second key, too.
    let encryption = match all(&fields, "Cipher mode")[0] {
        "cbc-eboiv" => format!("AES-CBC {bits}"),
        "cbc-elephant" => format!("AES-CBC {} with Elephant diffuser", bits / 2),
        "xts-plain64" => format!("AES-XTS {}", bits / 2),
        other => panic!("{other}"),
    };
    let protectors = all(&fields, "Protection").into_iter().zip(&ids[1..]);
    let protectors = protectors.map(|(kind, id)| {
        let kind = kind.trim_start_matches("VMK protected with ");
        format!("{} {id}", kind.replace("passphrase", "password"))
    });
    Said {
        id: ids[0].to_owned(),
        description: all(&fields, "Description")[0].to_owned(),
        encryption,
        protectors: protectors.collect(),
    }
}

/// What libbde says; nothing of a volume that it does not read.
fn libbdes(image: &Path) -> Option<Said> {
    let output = Run::new("bdeinfo").arg(image).output();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let fields = fields(&text);
    let encryption = all(&fields, "Encryption method")
        .first()?
        .replace("-bit", "");
    let kinds = all(&fields, "Type").into_iter();
    let protectors = kinds.zip(all(&fields, "Identifier")).map(|(kind, id)| {
        let (first, rest) = kind.split_at(1);
        format!("{}{rest} {id}", first.to_lowercase())
    });
    Some(Said {
        id: all(&fields, "Volume identifier")[0].to_owned(),
        description: all(&fields, "Description")[0].to_owned(),
        encryption: encryption.replace("with Diffuser", "with Elephant diffuser"),
        protectors: protectors.collect(),
    })
}

#[test]
fn metadata_are_what_cryptsetup_and_libbde_say() {
    need!(images, tool "xz", tool "cryptsetup");
    let has_libbde = command::find("bdeinfo").is_some();
    let folder = images::folder().unwrap().join("volume/bitlocker");
    let mut compared = (0, 0);
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !name.ends_with(".img.xz") {
            continue;
        }
        let scratch = Scratch::new();
        let image = images::unpack(&format!("volume/bitlocker/{name}"), &scratch);
        let ours = ours(&image);
        assert_eq!(ours, cryptsetups(&image), "{name}");
        compared.0 += 1;
        let others = has_libbde.then(|| libbdes(&image)).flatten();
        if let Some(others) = others {
            assert_eq!(ours, others, "{name}");
            compared.1 += 1;
        }
    }
    assert_eq!(compared.0, 8);
    need!(tool "bdeinfo");
    // Of encrypt-on-write and of the clear key's flags it knows nothing.
    assert_eq!(compared.1, 6);
}

#[test]
fn protectors_that_no_file_opens_are_what_cryptsetup_says() {
    need!(tool "cryptsetup");
    let scratch = Scratch::new();
    let image = scratch.join("made.img");
    for method in [0x8000, 0x8003, 0x8005] {
        let made = Made {
            method,
            protectors: [0x0100, 0x0500, 0x0200].map(external).to_vec(),
            ..Made::default()
        };
        std::fs::write(&image, made.disk()).unwrap();
        let ours = ours(&image);
        assert_eq!(ours, cryptsetups(&image), "{method:x}");
        let names = ours
            .protectors
            .iter()
            .map(|it| it.split(" eeee").next().unwrap());
        assert_eq!(
            names.collect::<Vec<_>>(),
            ["TPM", "TPM and PIN", "startup key"]
        );
    }
}

/// Opens each image with a startup key file and prints the SHA-256 of what is in it.
const DISSECT: &str = r"
import hashlib, sys
from dissect.fve.bde import BDE
key, *images = sys.argv[1:]
for image in images:
    volume = BDE(open(image, 'rb'))
    volume.unlock_with_bek(open(key, 'rb'))
    assert all(it.is_valid() for it in volume._available_information)
    print(hashlib.sha256(volume.open().read()).hexdigest())
";

#[test]
fn what_is_written_here_is_read_alike_by_dissect() {
    need!(tool "fve-dd");
    let scratch = Scratch::new();
    let key = scratch.join("key.BEK");
    std::fs::write(&key, file(0x0200)).unwrap();
    let all = variants().into_iter().chain(parts());
    let all: Vec<(String, Made)> = all.chain(bitmaps::parts()).collect();
    let python = command::find("fve-dd").unwrap().with_file_name("python");
    let mut dissect = Run::new(python.to_str().unwrap())
        .args(["-c", DISSECT])
        .arg(&key);
    for (name, made) in &all {
        let image = scratch.join(name);
        let protectors = vec![clear(), external(0x0200)];
        let made = Made {
            protectors,
            ..made.clone()
        };
        std::fs::write(&image, made.disk()).unwrap();
        dissect = dissect.arg(image);
    }
    let hashes = dissect.text();
    let hashes: Vec<&str> = hashes.lines().collect();
    assert_eq!(hashes.len(), all.len());
    for (hash, (name, made)) in hashes.into_iter().zip(&all) {
        assert_eq!(hash, sha256_of(&made.plain()), "{name}");
    }
}
