//! `make fuzz`: texts that nobody would write, against every parser that reads what people write or programs send.
//!
//! Role: mutates a corpus (`tests/fuzz/<target>/`) and demands of every text that nothing panics, that the promises of
//! the parser hold ([`targets`], [`wire`], [`doors`]), and that a megabyte of it is refused or judged in 50 ms ([`growth`]). What fails is
//! shrunk to the smallest text that fails, and belongs into the corpus, which every run tries first.
//! Why not cargo-fuzz: its coverage guidance needs a nightly compiler, and the house is built with the stable one. The
//! texts are made by proptest instead ([`texts`]): from pieces that the grammars know, cut, doubled and swapped, so that
//! they come deeper than bytes thrown at random; and what fails is shrunk. It does not learn from coverage: the corpus
//! and the words of each target do that work.
//! `fuzz --seconds 60` divides the time among the targets, `fuzz sources` runs that one, `--seed 7` repeats a run. The
//! tests of this file are the short form that `make test` runs: the same texts every time.
//! Failure story: the failing text is printed and the exit code is 1; the other targets still run.

#![expect(clippy::print_stdout, reason = "what was found is the output")]

mod doors;
mod growth;
mod targets;
mod texts;
mod wire;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use proptest::{
    strategy::{Strategy as _, ValueTree as _},
    test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner},
};
use service_kit::clock::Clock;

use doors::DOORS;
use targets::{TARGETS, Target};
use wire::WIRE;

/// Texts between two looks at the clock.
const ROUND: u32 = 500;

/// Of so many texts one is grown to a megabyte as well.
const GROWN: usize = 250;

/// How often a failing text is tried to be made smaller.
const TRIES: u32 = 5_000;

const USAGE: &str = "fuzz [--seconds N] [--seed N] [target ...]";

/// Every target: what people write, what programs send, and what comes without a key.
fn targets() -> impl Iterator<Item = &'static Target> {
    TARGETS.iter().chain(WIRE).chain(DOORS)
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            println!("fuzz: {why}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<bool, String> {
    let mut seconds = 60;
    let clock = Clock::system();
    let mut seed = clock.now().as_microsecond().unsigned_abs();
    let mut chosen: Vec<&Target> = Vec::new();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || words.next().and_then(|word| word.parse().ok()).ok_or(USAGE);
        match word.as_str() {
            "--seconds" => seconds = number()?,
            "--seed" => seed = number()?,
            name => chosen.push(targets().find(|target| target.name == name).ok_or(USAGE)?),
        }
    }
    if chosen.is_empty() {
        chosen = targets().collect();
    }
    println!("seed {seed}");
    let share = Duration::from_secs(seconds) / u32::try_from(chosen.len()).unwrap_or(1).max(1);
    // A panic is caught and told at its smallest; the default hook would tell every step on the way there.
    std::panic::set_hook(Box::new(|_| {}));
    let mut all_well = true;
    for target in chosen {
        let began = clock.monotonic();
        let mut rounds = 0;
        let mut outcome = known(target);
        while outcome.is_ok() && clock.monotonic() - began < share {
            outcome = round(target, seed.wrapping_add(rounds), ROUND);
            rounds += 1;
        }
        match outcome {
            Ok(()) => println!("{}: {} texts", target.name, rounds * u64::from(ROUND)),
            Err(why) => {
                all_well = false;
                println!("{}: FAILED\n{why}", target.name);
            }
        }
    }
    Ok(all_well)
}

/// Tries what is in the corpus, as it is and grown.
fn known(target: &Target) -> Result<(), String> {
    for text in corpus(target)? {
        if let Some(why) = failure(target, &text, true) {
            return Err(format!("{why}\n  for {text:?}"));
        }
    }
    Ok(())
}

/// Tries `count` new texts.
fn round(target: &Target, seed: u64, count: u32) -> Result<(), String> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        TestRng::from_seed(RngAlgorithm::ChaCha, &bytes),
    );
    let texts = (texts::mutated(corpus(target)?, target.words), 0..GROWN);
    for _ in 0..count {
        let made = texts.new_tree(&mut runner).map_err(|why| why.to_string())?;
        let (text, grown) = made.current();
        if failure(target, &text, grown == 0).is_some() {
            let (text, why) = smallest(target, text, grown == 0);
            return Err(format!("{why}\n  for {text:?}"));
        }
    }
    Ok(())
}

/// Why `text` fails, if it does; a panic is a failure.
fn failure(target: &Target, text: &str, grown: bool) -> Option<String> {
    let tried = std::panic::catch_unwind(|| {
        (target.check)(text)?;
        if grown {
            growth::bounded(target, text)?;
        }
        Ok::<(), TestCaseError>(())
    });
    match tried {
        Ok(Ok(())) => None,
        Ok(Err(why)) => Some(why.to_string()),
        Err(panic) => {
            let said = panic.downcast_ref::<String>().map(String::as_str);
            let said = said.or_else(|| panic.downcast_ref::<&str>().copied());
            Some(format!("a panic: {}", said.unwrap_or("without words")))
        }
    }
}

/// Takes parts of a failing text away for as long as it fails: halves first, single characters last.
fn smallest(target: &Target, text: String, grown: bool) -> (String, String) {
    let mut text: Vec<char> = text.chars().collect();
    let mut tries = TRIES;
    let mut part = text.len();
    while part > 0 && tries > 0 {
        let mut at = 0;
        let before = text.len();
        while at < text.len() && tries > 0 {
            let end = (at + part).min(text.len());
            let rest: String = text[..at].iter().chain(&text[end..]).collect();
            tries -= 1;
            match failure(target, &rest, grown) {
                Some(_) => text = rest.chars().collect(),
                None => at = end,
            }
        }
        // Single characters once more for as long as that takes some away.
        if part > 1 || text.len() == before {
            part /= 2;
        }
    }
    let text: String = text.into_iter().collect();
    let why = failure(target, &text, grown).unwrap_or_default();
    (text, why)
}

/// The texts that are kept for a target, in the order of their names.
fn corpus(target: &Target) -> Result<Vec<String>, String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz")
        .join(target.name);
    let told = |error: std::io::Error| format!("{}: {error}", directory.display());
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&directory)
        .map_err(told)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(told)?;
    paths.sort();
    let texts: Vec<String> = paths
        .iter()
        .map(std::fs::read_to_string)
        .collect::<Result<_, _>>()
        .map_err(told)?;
    if texts.is_empty() {
        return Err(format!("{} is empty", directory.display()));
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The short form: the corpus, and a few hundred texts that are the same every time.
    fn short(name: &str) -> Result<(), String> {
        let target = targets()
            .find(|target| target.name == name)
            .ok_or("no such target")?;
        known(target)?;
        round(target, 1, 300)
    }

    macro_rules! short {
        ($($name:ident),*) => {
            $(#[test]
            fn $name() -> Result<(), String> {
                short(stringify!($name))
            })*

            #[test]
            fn every_target_has_its_short_form() {
                let names: Vec<&str> = targets().map(|target| target.name).collect();
                assert_eq!(names, [$(stringify!($name)),*]);
            }
        };
    }

    short!(
        sources,
        services,
        destinations,
        times,
        policy,
        rows,
        cursors,
        logins,
        request,
        authorization,
        forwarded,
        tokens,
        page_tokens,
        idempotency_keys,
        traceparents,
        bodies,
        certificates,
        link_paths,
        link_forms,
        proxy_headers
    );

    #[test]
    fn what_fails_is_shrunk_and_told() {
        let broken = Target {
            name: "sources",
            words: "9",
            check: |text| match text.contains('9') {
                true => Err(TestCaseError::fail("a nine")),
                false => Ok(()),
            },
            read: |_| (),
        };
        assert_eq!(
            round(&broken, 1, 300),
            Err("Case failed: a nine\n  for \"9\"".to_owned())
        );
    }
}
