//! Embeds the pages of error reasons, which live with the contract.
//!
//! Role: writes a table of (reason, `include_str!`), sorted by reason.

use std::{env, error::Error, fmt::Write as _, fs, path::Path, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    table(
        &root.join("../proto/errors"),
        "md",
        "ERROR_PAGES",
        &out.join("error_pages.rs"),
    )?;
    table(
        &root.join("examples"),
        "json",
        "EXAMPLES",
        &out.join("examples.rs"),
    )?;
    Ok(())
}

fn table(from: &Path, extension: &str, name: &str, to: &Path) -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={}", from.display());
    let mut entries = Vec::new();
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        if path.extension().is_some_and(|found| found == extension)
            && let Some(stem) = path.file_stem().and_then(|stem| stem.to_str())
        {
            entries.push((stem.to_owned(), path.canonicalize()?));
        }
    }
    entries.sort();
    let mut text = format!("pub(crate) static {name}: &[(&str, &str)] = &[\n");
    for (stem, path) in entries {
        writeln!(
            text,
            "    ({stem:?}, include_str!({:?})),",
            path.display().to_string()
        )?;
    }
    text.push_str("];\n");
    fs::write(to, text)?;
    Ok(())
}
