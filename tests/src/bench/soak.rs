//! A long load at half the measured maximum: no growth of memory, no growth of latency, no error.
//!
//! Role: on PostgreSQL, everything in one process: first the maximum is measured, then half of it runs for ten minutes
//! with a follower reading every event, while memory is sampled each second.
//! Invariants: the verdict is by rule: after two minutes of warm-up, the line fitted through the samples may rise by at
//! most 5 % of the mean over the rest of the time; the p99 of the last third of the minutes may be at most 1.5 times
//! that of the first third; not one error, and the follower has read as many events as there were submissions.
//! Failure story: what was sampled until a failure is lost; run it again.

use std::{path::Path, time::Duration};

use crate::{
    Outcome, Scale,
    follow::{Follow, follow},
    house::{self, House, Place},
    load::{self, Load, Plan},
    machine::{self, CLOCK},
    postgres,
    report::{Figure, Report, median, quantile},
    submissions::{CLIENTS, plan, submissions},
};

const SECTION: &str = "soak";

pub(crate) async fn measure(report: &mut Report, scale: &Scale, directory: &Path) -> Outcome<()> {
    let server = postgres::start()?;
    let place = Place::Postgres(server.fresh_database()?);
    let house = house::all_in_one(directory, &place).await?.house;
    house.catalogue().await?;
    let keys = house.institution_keys().await?;
    let most = load::run(plan(
        &house,
        submissions(&keys, false),
        200,
        scale.length(20),
    ))
    .await?
    .demand_clean()?
    .per_second();
    report.add(Figure::new(SECTION, "measured maximum", "/s", vec![most]));
    let minute = if scale.quick { 2.0 } else { 60.0 };
    #[expect(clippy::cast_precision_loss, reason = "a few minutes")]
    let length = Duration::from_secs_f64(scale.soak_minutes as f64 * minute);
    let (load, memory, read) = under_load(&house, &keys, most / 2.0, length).await?;
    judge(report, &load, &memory, read, minute);
    Ok(())
}

/// The load, resident memory by second, and how many events the follower read.
async fn under_load(
    house: &House,
    keys: &[String],
    pace: f64,
    length: Duration,
) -> Outcome<(Load, Vec<(f64, f64)>, usize)> {
    let what = Follow {
        gateway: house.gateway,
        key: house.key.clone(),
        cursor: "now",
        types: vec!["portreeve.request.submitted".to_owned()],
        patience: length,
    };
    let end = machine::seconds() + length.as_secs_f64() + 5.0;
    let submitted = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&submitted);
    let mut follower = follow(what, (), move |(), _, _| {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        machine::seconds() > end
    })?;
    follower.connected().await?;
    let process = house.process("portreeve")?.id();
    let sampling = tokio::spawn(async move {
        let began = machine::seconds();
        let mut samples = Vec::new();
        while machine::seconds() - began < length.as_secs_f64() {
            samples.push((machine::seconds() - began, machine::resident_mib(process)));
            CLOCK.sleep(Duration::from_secs(1)).await;
        }
        samples
    });
    let load = load::run(Plan {
        address: house.gateway,
        clients: CLIENTS,
        warm_up: Duration::ZERO,
        length,
        pace: Some(pace),
        status: 200,
        make: submissions(keys, false),
    })
    .await?;
    let memory = sampling.await?;
    CLOCK.sleep(Duration::from_secs(2)).await;
    Ok((
        load,
        memory,
        submitted.load(std::sync::atomic::Ordering::Relaxed),
    ))
}

fn judge(report: &mut Report, load: &Load, memory: &[(f64, f64)], read: usize, minute: f64) {
    let minutes = p99_by_minute(load, minute);
    let shown: Vec<String> = minutes.iter().map(|p99| format!("{p99:.1}")).collect();
    report.add(Figure::new(
        SECTION,
        "submissions",
        "/s",
        vec![load.per_second()],
    ));
    report.add(
        Figure::new(SECTION, "p99", "ms", vec![median(&minutes)])
            .note(format!("by minute: {}", shown.join(" "))),
    );
    let third = (minutes.len() / 3).max(1);
    let growth = median(&minutes[minutes.len().saturating_sub(third)..])
        / median(&minutes[..third.min(minutes.len())]);
    report.add(
        Figure::new(
            SECTION,
            "p99 of the last third / of the first third",
            "x",
            vec![growth],
        )
        .at_most(1.5),
    );
    let warm: Vec<(f64, f64)> = memory
        .iter()
        .copied()
        .filter(|(at, _)| *at >= 2.0 * minute)
        .collect();
    let (slope, mean) = fit(&warm);
    let span = warm.last().map_or(0.0, |last| last.0) - warm.first().map_or(0.0, |first| first.0);
    let first = memory.first().map_or(f64::NAN, |sample| sample.1);
    let last = memory.last().map_or(f64::NAN, |sample| sample.1);
    report.add(
        Figure::new(
            SECTION,
            "growth of resident memory after warm-up",
            "%",
            vec![slope * span / mean * 100.0],
        )
        .at_most(5.0)
        .note(format!(
            "{first:.0} MiB at the start, {mean:.0} on average after warm-up, {last:.0} at the end"
        )),
    );
    #[expect(clippy::cast_precision_loss, reason = "counts")]
    let (errors, missing) = (
        load.errors as f64,
        load.samples.len().saturating_sub(read) as f64,
    );
    report.add(
        Figure::new(SECTION, "errors", "", vec![errors])
            .at_most(0.0)
            .note(load.error_texts.join("; ")),
    );
    report.add(
        Figure::new(
            SECTION,
            "events that the follower did not read",
            "",
            vec![missing],
        )
        .at_most(0.0),
    );
    report.add(Figure::new(
        SECTION,
        "load generator's CPU",
        "cores",
        vec![load.generator_cpu],
    ));
}

fn p99_by_minute(load: &Load, minute: f64) -> Vec<f64> {
    let mut minutes: Vec<Vec<f64>> = Vec::new();
    for sample in &load.samples {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a few minutes"
        )]
        let index = (sample.at / minute) as usize;
        if minutes.len() <= index {
            minutes.resize(index + 1, Vec::new());
        }
        minutes[index].push(sample.latency_ms);
    }
    minutes
        .into_iter()
        .filter(|values| !values.is_empty())
        .map(|mut values| quantile(&mut values, 0.99))
        .collect()
}

/// Slope by second and mean of a least-squares line.
fn fit(samples: &[(f64, f64)]) -> (f64, f64) {
    #[expect(clippy::cast_precision_loss, reason = "a few hundred samples")]
    let count = samples.len() as f64;
    let mean_at = samples.iter().map(|sample| sample.0).sum::<f64>() / count;
    let mean = samples.iter().map(|sample| sample.1).sum::<f64>() / count;
    let above: f64 = samples
        .iter()
        .map(|(at, value)| (at - mean_at) * (value - mean))
        .sum();
    let below: f64 = samples.iter().map(|(at, _)| (at - mean_at).powi(2)).sum();
    (if below > 0.0 { above / below } else { 0.0 }, mean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_again() {
        let samples: Vec<(f64, f64)> = (0..60)
            .map(|at| (f64::from(at), 100.0 + 0.5 * f64::from(at)))
            .collect();
        let (slope, mean) = fit(&samples);
        assert!((slope - 0.5).abs() < 1e-9 && (mean - 114.75).abs() < 1e-9);
    }
}
