//! The JSON of LUKS2 by HOSTILE.md: texts that are none, say things twice or do not end, and areas that
//! leave their place.

use imgmount::error::Kind;
use serde_json::{Value, json};

use super::luks::{changed, place, refused};
use crate::volume::luks::headers::{SMALL, formatted, json, mend, set_json};

#[test]
fn k02_json_that_is_too_deep_too_long_or_says_things_twice_is_refused() {
    need!(tool "cryptsetup");
    let image = formatted(SMALL);
    let text = json(&image).to_string();
    let seed = text.clone();
    let with_text = |text: &str, words: &str, last: usize| {
        let mut mutant = image.clone();
        set_json(&mut mutant, text.as_bytes());
        assert!(json_text(&mutant) != seed, "{words}");
        refused(mutant, Kind::Corrupt, words, 4096 + last);
    };
    let value = json(&image);
    let slot = format!("\"0\":{},", value["keyslots"]["0"]);
    let twice = text.replacen("\"keyslots\":{", &format!("\"keyslots\":{{{slot}"), 1);
    let end = |text: &str, word: &str| text.find(word).unwrap() + word.len() - 1;
    let second_slot = twice.find(&slot).unwrap() + slot.len() * 2 - 1;
    let config = format!("\"config\":{},", value["config"]);
    let configs = text.replacen('{', &format!("{{{config}"), 1);
    let second_config = 1 + config.len() + "\"config\"".len() - 1;
    let in_object = format!("{{\"x\":{}", "[".repeat(12_000));
    let dynamic = |with: &str| text.replace("\"dynamic\"", with);
    let large = "\"18446744073709551616\"";
    // The last byte that was looked at is told: the quote that ends a string, and
    // what stands behind an object.
    let cases = [
        (
            text[1..].to_owned(),
            "JSON: invalid type: string \"config\"",
            "\"config\"".len() - 1,
        ),
        (String::new(), "JSON: EOF while parsing a value", 0),
        ("[".repeat(12_000), "JSON: invalid type: sequence", 0),
        (in_object, "JSON: EOF while parsing a list", 5 + 12_000 - 1),
        (twice, "JSON: two objects are called 0", second_slot),
        (configs, "JSON: duplicate field `config`", second_config),
        (
            dynamic(large),
            "JSON: \"18446744073709551616\" is no number of 64 bits",
            end(&dynamic(large), large),
        ),
        (
            dynamic("\"-1\""),
            "JSON: \"-1\" is no number of 64 bits",
            end(&dynamic("\"-1\""), "\"-1\""),
        ),
        (
            dynamic("\"\""),
            "JSON: \"\" is no number of 64 bits",
            end(&dynamic("\"\""), "\"size\":\"\""),
        ),
        (
            dynamic("5"),
            "JSON: invalid type: integer `5`, expected a string",
            end(&dynamic("5"), "\"size\":5"),
        ),
    ];
    for (text, why, last) in cases {
        with_text(&text, why, last);
    }
    let many = changed(&image, |json| {
        for number in 0..33 {
            json["tokens"][number.to_string()] = json!({"type": "x", "keyslots": []});
        }
    });
    // The last token is one too many: behind its brace stand that of the tokens and that of all.
    let last = json(&many).to_string().len() - 2;
    refused(
        many,
        Kind::Corrupt,
        "JSON: more than 32 objects",
        4096 + last,
    );
}

/// The JSON of the first header as it stands there.
fn json_text(image: &[u8]) -> String {
    let text = &image[4096..16384];
    let end = text.iter().position(|byte| *byte == 0).unwrap();
    String::from_utf8(text[..end].to_vec()).unwrap()
}

#[test]
fn k02_areas_that_leave_their_place_or_overlap_are_refused() {
    need!(tool "cryptsetup");
    let image = formatted(SMALL);
    let set = |path: &str, value: &Value, words: &str| {
        let parent = path.rsplit_once('/').unwrap();
        let mutant = changed(&image, |json| {
            json.pointer_mut(parent.0).unwrap()[parent.1] = value.clone();
        });
        // An area is to blame as a whole: its offset and its size say where it ends.
        let blamed = path
            .split_once("/area")
            .map_or(path.to_owned(), |(slot, _)| format!("{slot}/area"));
        let at = place(&mutant, &blamed);
        refused(mutant, Kind::Corrupt, words, at);
    };
    let slot = json(&image)["keyslots"]["0"].clone();
    let size = slot["area"]["size"].as_str().unwrap();
    let area = |size: &str| {
        format!("keyslot 0: area of {size} bytes leaves those for keyslots, 0x8000 to 0x408000")
    };
    for (path, value, words) in [
        ("/keyslots/0/area/offset", "4096", area(size)),
        (
            "/keyslots/0/area/offset",
            "18446744073709551615",
            area(size),
        ),
        ("/keyslots/0/area/size", "4718592", area("4718592")),
        ("/keyslots/0/area/size", "0", area("0")),
        (
            "/segments/0/offset",
            "32768",
            "segment 0 lies in the header, which ends at 0x408000".to_owned(),
        ),
        (
            "/config/json_size",
            "4096",
            "json_size 4096 does not fit hdr_size 16384".to_owned(),
        ),
    ] {
        set(path, &value.into(), &words);
    }
    let overlap = changed(&image, |json| json["keyslots"]["7"] = slot.clone());
    let at = place(&overlap, "/keyslots/7/area");
    let words = "the areas of keyslots 0 and 7 overlap";
    refused(overlap, Kind::Corrupt, words, at);
}

#[test]
fn k02_a_header_of_4_mib_is_read_and_one_of_more_refused() {
    need!(tool "cryptsetup");
    let mut image = formatted(SMALL);
    let garbage = vec![b' '; (4 << 20) - 4096];
    image[8..16].copy_from_slice(&(4_u64 << 20).to_be_bytes());
    image[4096..4 << 20].copy_from_slice(&garbage);
    mend(&mut image[..4 << 20]);
    // All of the text was read.
    let last = (4 << 20) - 1;
    let words = "first header: JSON: EOF while parsing a value";
    refused(image.clone(), Kind::Corrupt, words, last);
    image[8..16].copy_from_slice(&(8_u64 << 20).to_be_bytes());
    let words = "first header: hdr_size 8388608 is no power of two";
    refused(image, Kind::Corrupt, words, 8);
}
