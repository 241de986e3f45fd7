//! Finds the languages that pages are written in: each file in `locales/` is one.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// The language of those whose own there is no file for. It comes first in the list.
const DEFAULT: &str = "en";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=locales");
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?).join("locales");
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<_>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "ftl"));
    files.sort_by_key(|path| (path.file_stem().is_none_or(|tag| tag != DEFAULT), path.clone()));
    let mut list = String::from("&[\n");
    for path in files {
        let tag = path.file_stem().unwrap_or_default().to_string_lossy();
        let entry = writeln!(list, "    ({tag:?}, include_str!({path:?})),");
        entry.map_err(io::Error::other)?;
    }
    list.push_str("]\n");
    let out = env::var("OUT_DIR").map_err(io::Error::other)?;
    fs::write(Path::new(&out).join("locales.rs"), list)
}
