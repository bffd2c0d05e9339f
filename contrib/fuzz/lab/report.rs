//! What a run found: a table, and a line for each finding.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::worker::Outcome;

/// Something that must not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    Crash,
    Hang,
    OverMemory,
    Differs,
}

impl Fault {
    pub const ALL: [Self; 4] = [Self::Crash, Self::Hang, Self::OverMemory, Self::Differs];

    pub fn word(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Hang => "hang",
            Self::OverMemory => "over memory",
            Self::Differs => "differs",
        }
    }
}

/// One of them.
pub struct Finding {
    pub family: &'static str,
    pub number: u64,
    pub fault: Fault,
    /// What was done to the image.
    pub what: String,
    /// What it came to: the panic's words, the request that hangs, the file that differs.
    pub said: String,
}

/// The numbers of one family.
#[derive(Clone, Copy, Default)]
pub struct Row {
    pub seeds: usize,
    pub images: u64,
    outcomes: [u64; 3],
    faults: [u64; 4],
    /// Comparisons with sound images.
    compared: u64,
}

/// What was found so far.
#[derive(Default)]
pub struct Report {
    pub rows: BTreeMap<&'static str, Row>,
    pub findings: Vec<Finding>,
}

impl Report {
    pub fn add(&mut self, family: &'static str, outcome: Outcome, compared: u64) {
        let row = self.rows.entry(family).or_default();
        row.images += 1;
        row.compared += compared;
        row.outcomes[Outcome::ALL
            .iter()
            .position(|it| *it == outcome)
            .unwrap_or(0)] += 1;
    }

    /// A fault that `ends` its case, or one of a case that goes on.
    pub fn fault(&mut self, finding: Finding, ends: bool) {
        let row = self.rows.entry(finding.family).or_default();
        row.images += u64::from(ends);
        row.faults[Fault::ALL
            .iter()
            .position(|it| *it == finding.fault)
            .unwrap_or(0)] += 1;
        self.findings.push(finding);
    }

    /// A table for a terminal, or for a README.
    pub fn table(&self, is_markdown: bool) -> String {
        let mut head = vec!["family".to_owned(), "seeds".to_owned(), "images".to_owned()];
        head.extend(Outcome::ALL.iter().map(|it| it.word().to_owned()));
        head.extend(Fault::ALL.iter().map(|it| it.word().to_owned()));
        head.push("compared".to_owned());
        let mut lines = vec![head];
        let mut all = Row::default();
        for (family, row) in &self.rows {
            lines.push(cells(family, row));
            all.seeds += row.seeds;
            all.images += row.images;
            all.compared += row.compared;
            (0..3).for_each(|at| all.outcomes[at] += row.outcomes[at]);
            (0..4).for_each(|at| all.faults[at] += row.faults[at]);
        }
        lines.push(cells("all", &all));
        let (edge, between) = if is_markdown { ("|", " |") } else { ("", "") };
        let mut table = String::new();
        for (number, line) in lines.iter().enumerate() {
            let _ = write!(table, "{edge}");
            for (column, cell) in line.iter().enumerate() {
                let _ = match column {
                    0 => write!(table, " {cell:<12}{between}"),
                    _ => write!(table, " {cell:>11}{between}"),
                };
            }
            table.push('\n');
            if is_markdown && number == 0 {
                table.push_str(&format!("|---|{}\n", "--:|".repeat(line.len() - 1)));
            }
        }
        table
    }

    /// The findings, those that say the same as one.
    pub fn listing(&self, seed: u64) -> String {
        let mut alike: BTreeMap<(Fault, &str, String), Vec<&Finding>> = BTreeMap::new();
        for finding in &self.findings {
            // Numbers are those of one image.
            let said: String = finding
                .said
                .chars()
                .filter(|it| !it.is_ascii_digit())
                .collect();
            let said = match finding.fault {
                Fault::Differs => String::new(),
                _ => said,
            };
            alike
                .entry((finding.fault, finding.family, said))
                .or_default()
                .push(finding);
        }
        let mut listing = String::new();
        for ((fault, family, _), findings) in alike {
            let count = findings.len();
            let _ = writeln!(listing, "{}: {family}: {count} times:", fault.word());
            for finding in findings.iter().take(3) {
                let (number, what, said) = (finding.number, &finding.what, &finding.said);
                let _ = writeln!(
                    listing,
                    "  lab --family {family} --seed {seed} --case {number}"
                );
                let _ = writeln!(listing, "    {what}\n    {said}");
            }
        }
        listing
    }
}

fn cells(family: &str, row: &Row) -> Vec<String> {
    let mut cells = vec![
        family.to_owned(),
        row.seeds.to_string(),
        row.images.to_string(),
    ];
    let numbers = row.outcomes.iter().chain(&row.faults);
    cells.extend(numbers.chain([&row.compared]).map(u64::to_string));
    cells
}
