//! The layers as JSON. imgmount(1), "JSON", documents it.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde_json::{Value, json};

use super::super::json::{self, Object, add_bytes};
use super::graph::Graph;
use crate::error::Error;
use crate::filesystem::Usage;
use crate::format::{Description, Layer, Partition};
use crate::service::open::{Image, Seen};
use crate::service::sandbox::Confined;
use crate::stack::{Assembly, Beside, Content, Node};

/// Everything about the image at `path`.
pub(super) fn image(path: &Path, image: &Image) -> Value {
    let mut object = Object::new();
    object.insert("schema".into(), json::SCHEMA.into());
    add_bytes(&mut object, "image", path.as_os_str().as_bytes());
    object.insert("format".into(), image.stack.image_format().into());
    object.insert("images".into(), layers(&image.stack.layers));
    let disks = image.stack.disks.iter().map(disk);
    object.insert("disks".into(), disks.collect());
    let sets = image.stack.sets.iter().map(assembly);
    object.insert("sets".into(), sets.collect());
    object.insert("notices".into(), image.notices.all().into());
    Value::Object(object)
}

/// The same, as far as it is known, about an image that was refused with `error`.
pub(super) fn refused(path: &Path, seen: &Seen, error: Option<&Error>) -> Value {
    let known = seen.layers.all();
    let mut object = Object::new();
    object.insert("schema".into(), json::SCHEMA.into());
    add_bytes(&mut object, "image", path.as_os_str().as_bytes());
    let format = known.first().map(|layer| layer.format);
    object.insert("format".into(), format.into());
    object.insert("images".into(), layers(&known));
    object.insert("disks".into(), json!([]));
    object.insert("sets".into(), json!([]));
    object.insert("notices".into(), seen.notices.all().into());
    object.insert("error".into(), error.map(json::error).into());
    Value::Object(object)
}

/// Adds what is there and what is missing of the sandbox that this was read in.
pub(super) fn add_sandbox(value: &mut Value, confined: &Confined) {
    let lacks: Vec<&str> = confined.lacks().collect();
    if let Value::Object(object) = value {
        let sandbox = json!({"holds": confined.holds, "missing": lacks});
        object.insert("sandbox".into(), sandbox);
    }
}

/// A disk, with the bytes of it that are no hole.
fn disk(disk: &Node) -> Value {
    let mut value = node(disk);
    if let (Value::Object(object), Ok(source)) = (&mut value, &disk.source) {
        let allocated = crate::source::allocated(&**source);
        object.insert("allocated".into(), allocated.into());
    }
    value
}

/// The image itself, then what it wraps or stands on.
fn layers(layers: &[Layer]) -> Value {
    let layer = |layer: &Layer| {
        let mut object = Object::new();
        add_bytes(&mut object, "name", &layer.name);
        object.insert("depth".into(), layer.depth.into());
        object.insert("format".into(), layer.format.into());
        add_description(&mut object, &layer.description);
        Value::Object(object)
    };
    layers.iter().map(layer).collect()
}

fn assembly(set: &Assembly) -> Value {
    json!({
        "format": set.format,
        "set": set.set,
        "members": set.members,
        "expected": set.expected,
        "content": content(&set.content, &set.members),
    })
}

fn nodes(nodes: &[Node]) -> Value {
    nodes.iter().map(node).collect()
}

fn node(node: &Node) -> Value {
    let mut object = Object::new();
    object.insert("name".into(), node.name.as_str().into());
    match &node.source {
        Ok(source) => object.insert("size".into(), source.size().into()),
        Err(error) => object.insert("error".into(), json::error(error)),
    };
    let place = |(offset, length)| json!({"offset": offset, "length": length});
    object.insert("location".into(), node.location.map(place).into());
    object.insert(
        "partition".into(),
        node.partition.as_ref().map(partition).into(),
    );
    let members = std::slice::from_ref(&node.name);
    object.insert("content".into(), content(&node.content, members));
    Value::Object(object)
}

fn partition(partition: &Partition) -> Value {
    json!({
        "number": partition.number,
        "type": partition.type_name,
        "type_id": partition.type_id,
        "label": partition.label,
        "uuid": partition.uuid,
        "bootable": partition.bootable,
        "container": partition.container,
    })
}

/// What is in something that lies on the nodes called `members`.
fn content(content: &Content, members: &[String]) -> Value {
    let mut object = Object::new();
    if let Some((format, description)) = content.described() {
        object.insert("format".into(), format.into());
        add_description(&mut object, description);
    }
    let holds_volumes = matches!(content, Content::FileSystem { .. } | Content::Table { .. });
    if holds_volumes || !content.children().is_empty() {
        object.insert("volumes".into(), nodes(content.children()));
    }
    if let Content::Recognised { description, .. } = content {
        add_description(&mut object, description);
    }
    let mut add = |name: &str, value: Value| object.insert(name.into(), value);
    let kind = match content {
        Content::FileSystem {
            filesystem, beside, ..
        } => {
            add("usage", usage(&filesystem.usage()));
            add("beside", beside.iter().map(table).collect());
            "filesystem"
        }
        Content::Table { .. } => {
            add("made_of", Graph::new(content, members).json());
            "table"
        }
        Content::Member { set, beside, .. } => {
            add("set", set.as_str().into());
            add("beside", beside.iter().map(table).collect());
            "member"
        }
        Content::Recognised { name, lacks, .. } => {
            add("format", name.as_str().into());
            add("lacks", (*lacks).into());
            "recognised"
        }
        Content::Damaged { error, .. } => {
            add("error", json::error(error));
            "damaged"
        }
        Content::Locked { error, .. } => {
            add("error", json::error(error));
            "locked"
        }
        Content::Unknown { what, looked_for } => {
            add("what", what.as_str().into());
            add("looked_for", looked_for.as_slice().into());
            "unknown"
        }
    };
    add("kind", kind.into());
    Value::Object(object)
}

fn table((format, description): &Beside) -> Value {
    let mut object = Object::new();
    object.insert("format".into(), (*format).into());
    add_description(&mut object, description);
    Value::Object(object)
}

fn usage(usage: &Usage) -> Value {
    json!({
        "block_size": usage.block_size, "blocks": usage.blocks, "free": usage.free,
        "available": usage.available, "files": usage.files,
        "files_free": usage.files_free, "name_max": usage.name_max,
    })
}

fn add_description(object: &mut Object, description: &Description) {
    if let Some(label) = &description.label {
        add_bytes(object, "label", label);
    }
    object.insert("uuid".into(), description.uuid.as_deref().into());
    object.insert("features".into(), description.features.as_slice().into());
    object.insert("allocated".into(), description.allocated.into());
    let facts = description.facts.iter();
    let facts = facts.map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str())));
    object.insert("facts".into(), facts.collect::<Object>().into());
    let files = description.second_files.iter().map(|file| {
        let mut object = Object::new();
        add_bytes(&mut object, "name", file);
        Value::Object(object)
    });
    object.insert("second_files".into(), files.collect());
}

#[cfg(test)]
mod tests {
    use super::super::text::tests::sample;
    use super::*;

    #[test]
    fn json_is_exact_where_text_is_cut_and_escaped() {
        let value = image(Path::new("d\n.raw"), &sample());
        assert_eq!(value["schema"], 1);
        assert_eq!(value["image"], "d\n.raw");
        let volumes = &value["disks"][0]["content"]["volumes"];
        assert_eq!(volumes[0]["partition"]["label"], "E\x1b[31mSP");
        assert_eq!(
            volumes[0]["content"],
            json!({
                "kind": "recognised", "format": "FAT", "lacks": "its files cannot be shown",
                "uuid": null, "features": [], "allocated": null, "facts": {}, "second_files": [],
            })
        );
        let root = &volumes[1]["content"];
        assert_eq!(root["kind"], "filesystem");
        assert_eq!(root["label_hex"].as_str().map(str::len), Some(2 * 65538));
        assert_eq!(volumes[2]["content"]["error"]["offset"], 1048);
        assert_eq!(volumes[3]["error"]["kind"], "corrupt");
        assert_eq!(
            volumes[3]["location"],
            json!({"offset": 4096, "length": 1024})
        );
        assert_eq!(
            value["notices"][0],
            "gpt: the first header is damaged; its backup is used"
        );
    }
}
