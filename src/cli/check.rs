//! `imgmount check`: what is wrong with an image, and what was looked at to say so.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::arguments::{Check, Showing};
use super::exit::{Failure, Outcome};
use super::json::{self, Object};
use super::output::Output;
use super::remote::protocol::Verb;
use super::size::human;
use super::{open, remote};
use crate::check::{self, Finding, Judgement, Second, Summary};
use crate::error::printable;
use crate::format::Layer;
use crate::service::open::{Image, Seen};
use crate::stack::Content;

/// Runs the verb: another process reads the image and makes the page.
pub(crate) fn run(arguments: &Check) -> Result<Outcome, Failure> {
    let request = open::wanted(&arguments.image, &Showing::default(), &arguments.opening)?;
    let json = arguments.json;
    remote::pages(&request, Verb::Check { json })
}

/// What is to be said of an image: `Done` where nothing is damaged and no readers disagree. Calls
/// `advance` with each number of bytes that was read.
pub(crate) fn page(
    opened: Result<Image, Failure>,
    seen: &Seen,
    json: bool,
    output: Output,
    advance: &mut dyn FnMut(u64),
) -> Result<Outcome, Failure> {
    let mut page = Page {
        output,
        json,
        bad: 0,
        looked: 0,
        not_read: 0,
        outcome: Outcome::Done,
        failed: Ok(()),
    };
    // Whoever is given the image needs these too; or, where it is refused, they are why.
    page.second_files(&seen.layers.all());
    let image = match opened {
        Ok(image) => image,
        Err(failure) => {
            page.failed?;
            page.output.finish()?;
            return Err(failure);
        }
    };
    let each = &mut |finding: Finding| page.finding(&finding);
    let summaries = check::check(&image.stack, each, advance);
    // What was odd, also what only showed while everything was read.
    for notice in image.notices.all() {
        page.notice(&notice);
    }
    summaries.iter().for_each(|summary| page.summary(summary));
    page.looked = summaries.len();
    for node in image.stack.nodes() {
        page.not_read(&node.name, &node.content);
    }
    page.total()
}

struct Page {
    output: Output,
    json: bool,
    /// Findings that are damage or disagreement.
    bad: u64,
    /// File systems that were gone through.
    looked: usize,
    /// Volumes that are known by name and were not.
    not_read: u64,
    outcome: Outcome,
    /// The first failure to write.
    failed: Result<(), Failure>,
}

impl Page {
    fn finding(&mut self, finding: &Finding) {
        let word = judgement(finding.judgement);
        if finding.judgement != Judgement::Explained {
            self.bad = self.bad.saturating_add(1);
            self.outcome = self.outcome.with(&finding.error);
        }
        if self.json {
            let mut object = Object::new();
            object.insert("type".into(), word.into());
            object.insert("volume".into(), finding.volume.as_str().into());
            if let Some(path) = &finding.path {
                json::add_bytes(&mut object, "path", path);
            }
            object.insert("error".into(), json::error(&finding.error));
            object.insert("cause".into(), finding.cause.as_deref().into());
            return self.line(&json::line(&Value::Object(object)));
        }
        let cause = finding.cause.as_ref().map(|cause| format!(" [{cause}]"));
        let cause = cause.unwrap_or_default();
        self.line(&format!(
            "{}: {word}: {}{cause}",
            finding.volume, finding.error
        ));
    }

    /// The other files that the image names, each once.
    fn second_files(&mut self, layers: &[Layer]) {
        for layer in layers {
            let mut known = BTreeSet::new();
            let files = layer.description.second_files.iter();
            for file in files.filter(|file| known.insert(file.as_slice())) {
                self.second_file(layer, file);
            }
        }
    }

    fn second_file(&mut self, layer: &Layer, file: &[u8]) {
        if self.json {
            let mut object = Object::new();
            object.insert("type".into(), "second_file".into());
            json::add_bytes(&mut object, "image", &layer.name);
            object.insert("format".into(), layer.format.into());
            json::add_bytes(&mut object, "name", file);
            return self.line(&json::line(&Value::Object(object)));
        }
        let (image, file) = (printable(&layer.name), printable(file));
        let format = layer.format;
        self.line(&format!("{image}: {format}: needs another file: {file}"));
    }

    fn notice(&mut self, notice: &str) {
        if self.json {
            self.line(&json::line(&json!({"type": "notice", "text": notice})));
        } else {
            self.line(&format!("notice: {notice}"));
        }
    }

    fn summary(&mut self, summary: &Summary) {
        let line = match self.json {
            true => json::line(&summary_value(summary)),
            false => summary_text(summary),
        };
        self.line(&line);
    }

    /// Says of a volume that there is no reader for that nobody has looked into it.
    fn not_read(&mut self, volume: &str, content: &Content) {
        let Content::Recognised { name, lacks, .. } = content else {
            return;
        };
        if lacks.ends_with("listed by itself") || lacks.ends_with("listed by themselves") {
            return;
        }
        self.not_read = self.not_read.saturating_add(1);
        let line = match self.json {
            true => json::line(&json!({
                "type": "not_read", "volume": volume, "content": name, "reason": lacks,
            })),
            false => format!("{volume}: {name}: not read: {lacks}"),
        };
        self.line(&line);
    }

    fn total(mut self) -> Result<Outcome, Failure> {
        let text = match (self.bad, self.looked, self.not_read) {
            _ if self.json => json::line(&json!({
                "type": "result", "schema": json::SCHEMA, "bad": self.bad,
                "volumes": self.looked, "not_read": self.not_read,
            })),
            (0, 0, _) => "no file system was read".to_owned(),
            (0, _, 0) => "nothing is damaged".to_owned(),
            (0, ..) => "nothing that was read is damaged".to_owned(),
            (bad, ..) => format!("damaged or in doubt: {bad}"),
        };
        self.line(&text);
        self.failed?;
        self.output.finish()?;
        Ok(self.outcome)
    }

    /// Writes a line, unless writing failed before.
    fn line(&mut self, text: &str) {
        if self.failed.is_ok() {
            self.failed = self.output.text(text).and_then(|()| self.output.text("\n"));
        }
    }
}

fn judgement(judgement: Judgement) -> &'static str {
    match judgement {
        Judgement::Damage => "damage",
        Judgement::Disagreement => "disagreement",
        Judgement::Explained => "explained",
    }
}

fn summary_value(summary: &Summary) -> Value {
    let (compared, beyond_reach, unable) = match &summary.second {
        Second::None => (None, None, None),
        Second::Unable(reason) => (None, None, Some(reason)),
        Second::Compared {
            files,
            beyond_reach,
        } => (Some(files), Some(beyond_reach), None),
    };
    json!({
        "type": "volume", "volume": summary.volume, "format": summary.format,
        "files": summary.files, "bytes": summary.bytes,
        "second_reader": {
            "compared": compared, "beyond_reach": beyond_reach, "unable": unable,
        },
    })
}

fn summary_text(summary: &Summary) -> String {
    let Summary {
        volume,
        format,
        files,
        bytes,
        second,
    } = summary;
    let second = match second {
        Second::None => String::new(),
        Second::Unable(reason) => format!("; the second reader does not open it: {reason}"),
        Second::Compared {
            files,
            beyond_reach,
        } => {
            let missed = match beyond_reach {
                0 => String::new(),
                missed => format!(", which does not reach {missed}"),
            };
            format!("; {files} compared with a second reader{missed}")
        }
    };
    let read = human(*bytes);
    format!("{volume}: {format}: {files} files, {read} read{second}")
}
