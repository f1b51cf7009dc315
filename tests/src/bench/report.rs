//! The table: every figure with its runs, their median, its target and whether it was met.
//!
//! Role: sections add [`Figure`]s; at the end they are printed and written as JSON.
//! Invariant: a figure with a target always says whether it was met; nothing is rounded before it is compared.
//! Failure story: a section that failed is a line of its own, and the whole run fails with it.

use std::{fs, io, path::PathBuf};

use serde_json::{Value, json};

use crate::machine;

/// What a figure must reach.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    AtLeast(f64),
    AtMost(f64),
}

/// One line of the table: the runs and their median.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    section: &'static str,
    name: String,
    unit: &'static str,
    runs: Vec<f64>,
    target: Option<Target>,
    note: String,
}

impl Figure {
    /// A figure without a target: context for the others.
    pub(crate) fn new(
        section: &'static str,
        name: impl Into<String>,
        unit: &'static str,
        runs: Vec<f64>,
    ) -> Self {
        Self {
            section,
            name: name.into(),
            unit,
            runs,
            target: None,
            note: String::new(),
        }
    }

    pub(crate) fn at_least(mut self, bound: f64) -> Self {
        self.target = Some(Target::AtLeast(bound));
        self
    }

    pub(crate) fn at_most(mut self, bound: f64) -> Self {
        self.target = Some(Target::AtMost(bound));
        self
    }

    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    fn median(&self) -> f64 {
        median(&self.runs)
    }

    fn met(&self) -> Option<bool> {
        // A figure without a single run meets nothing.
        let value = self.median();
        self.target.map(|target| match target {
            Target::AtLeast(bound) => value >= bound,
            Target::AtMost(bound) => value <= bound,
        })
    }

    fn json(&self) -> Value {
        let (kind, bound) = match self.target {
            None => (None, None),
            Some(Target::AtLeast(bound)) => (Some("atLeast"), Some(bound)),
            Some(Target::AtMost(bound)) => (Some("atMost"), Some(bound)),
        };
        json!({
            "section": self.section, "name": self.name, "unit": self.unit, "runs": self.runs,
            "median": self.median(), "targetKind": kind, "target": bound, "met": self.met(), "note": self.note,
        })
    }
}

/// The middle of the runs; not a number when there is none.
pub(crate) fn median(runs: &[f64]) -> f64 {
    let mut sorted = runs.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[odd / 2],
        even => f64::midpoint(sorted[even / 2 - 1], sorted[even / 2]),
    }
}

/// The `share` quantile (0 to 1) by nearest rank of values that are sorted in place.
pub(crate) fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index"
    )]
    let rank = (share * values.len() as f64).ceil() as usize;
    values
        .get(rank.saturating_sub(1).min(values.len().saturating_sub(1)))
        .copied()
        .unwrap_or(f64::NAN)
}

/// Everything measured in this run.
#[derive(Debug, Default)]
pub(crate) struct Report {
    figures: Vec<Figure>,
    failures: Vec<(&'static str, String)>,
    facts: Vec<(&'static str, String)>,
}

impl Report {
    /// Adds a figure and shows it at once.
    pub(crate) fn add(&mut self, figure: Figure) {
        println!("{}", line(&figure));
        self.figures.push(figure);
    }

    /// A section could not be measured.
    pub(crate) fn failed(&mut self, section: &'static str, why: String) {
        println!("FAILED {section}: {why}");
        self.failures.push((section, why));
    }

    /// Says something about the run.
    pub(crate) fn fact(&mut self, name: &'static str, value: impl Into<String>) {
        let value = value.into();
        println!("{name}: {value}");
        self.facts.push((name, value));
    }

    /// Prints the table, writes the JSON; whether every target was met and nothing failed.
    ///
    /// # Errors
    /// When the JSON cannot be written.
    pub(crate) fn finish(self, directory: &std::path::Path) -> io::Result<bool> {
        println!();
        let mut section = "";
        for figure in &self.figures {
            if figure.section != section {
                section = figure.section;
                println!("{section}");
            }
            println!("{}", line(figure));
        }
        for (section, why) in &self.failures {
            println!("FAILED {section}: {why}");
        }
        let missed = self
            .figures
            .iter()
            .filter(|figure| figure.met() == Some(false))
            .count();
        let met = self
            .figures
            .iter()
            .filter(|figure| figure.met() == Some(true))
            .count();
        println!(
            "targets: {met} met, {missed} missed, {} sections failed",
            self.failures.len()
        );
        let now = machine::CLOCK.now();
        let facts: serde_json::Map<String, Value> = self
            .facts
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect();
        let failures: Vec<Value> = self
            .failures
            .iter()
            .map(|(section, why)| json!({"section": section, "why": why}))
            .collect();
        let whole = json!({
            "time": now.to_string(),
            "facts": facts,
            "figures": self.figures.iter().map(Figure::json).collect::<Vec<_>>(),
            "failures": failures,
        });
        fs::create_dir_all(directory)?;
        let path: PathBuf = directory.join(format!("{}.json", now.strftime("%Y-%m-%dT%H%M%SZ")));
        fs::write(&path, serde_json::to_vec_pretty(&whole)?)?;
        println!("written to {}", path.display());
        Ok(missed == 0 && self.failures.is_empty())
    }
}

fn line(figure: &Figure) -> String {
    let verdict = match (figure.target, figure.met()) {
        (Some(Target::AtLeast(bound)), Some(met)) => {
            format!("{} (>= {})", word(met), number(bound))
        }
        (Some(Target::AtMost(bound)), Some(met)) => format!("{} (<= {})", word(met), number(bound)),
        _ => String::new(),
    };
    let runs: Vec<String> = figure.runs.iter().map(|run| number(*run)).collect();
    let runs = if runs.len() > 1 {
        format!("[{}]", runs.join(" "))
    } else {
        String::new()
    };
    let line = format!(
        "  {:<52} {:>11} {:<6} {:<22} {:<30} {}",
        figure.name,
        number(figure.median()),
        figure.unit,
        verdict,
        runs,
        figure.note
    );
    line.trim_end().to_owned()
}

fn word(met: bool) -> &'static str {
    if met { "met" } else { "MISSED" }
}

/// Three significant digits or more, never an exponent.
fn number(value: f64) -> String {
    let decimals = match value.abs() {
        large if large >= 1000.0 => 0,
        middle if middle >= 100.0 => 1,
        small if small >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_quantiles_are_of_the_sorted_values() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median(&[4.0, 1.0]) - 2.5).abs() < f64::EPSILON);
        let mut values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert!((quantile(&mut values, 0.5) - 50.0).abs() < f64::EPSILON);
        assert!((quantile(&mut values, 0.99) - 99.0).abs() < f64::EPSILON);
    }

    #[test]
    fn a_figure_without_runs_meets_no_target() {
        let figure = Figure::new("x", "y", "z", Vec::new());
        assert_eq!(figure.clone().at_least(0.0).met(), Some(false));
        assert_eq!(figure.at_most(1.0).met(), Some(false));
    }
}
