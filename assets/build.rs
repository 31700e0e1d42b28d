//! Builds the web app before the program that embeds it: `npm ci` when the lock file changed, then Vite.
//!
//! The built files go into cargo's own folder for this build, so that two profiles never overwrite each other, and
//! `BELLROPE_DIST` tells the program's source where that is. Packagers who bring a built `dist` name it in
//! `BELLROPE_WEB_DIST`; then Node is not needed at all.

use std::env;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};

/// What the web app is made of, below `assets/`. `node_modules` is left out: the lock file stands for it.
const SOURCES: [&str; 10] = [
    "build.rs",
    ".npmrc",
    "package.json",
    "package-lock.json",
    "vite.config.ts",
    "compress.mjs",
    "tsconfig.json",
    "index.html",
    "docs.html",
    "public",
];
const BROUGHT: &str = "BELLROPE_WEB_DIST";
const WITHOUT_NODE: &str =
    "or set BELLROPE_WEB_DIST to the folder of a web app that is built already";

fn main() -> ExitCode {
    println!("cargo::rerun-if-env-changed={BROUGHT}");
    match env::var_os(BROUGHT).map_or_else(build, |dist| bring(Path::new(&dist))) {
        Ok(dist) => {
            println!("cargo::rustc-env=BELLROPE_DIST={}", dist.display());
            ExitCode::SUCCESS
        }
        Err(sentence) => {
            eprintln!("{sentence}");
            ExitCode::FAILURE
        }
    }
}

/// Takes a web app somebody else built.
fn bring(dist: &Path) -> Result<PathBuf, String> {
    println!("cargo::rerun-if-changed={}", dist.display());
    if !dist.join("index.html").is_file() {
        return Err(format!(
            "{BROUGHT} is {}, but there is no index.html in it; name the folder that holds the built web app.",
            dist.display()
        ));
    }
    fs::canonicalize(dist).map_err(|error| {
        format!(
            "{BROUGHT} is {}, which cannot be read: {error}.",
            dist.display()
        )
    })
}

/// Builds the web app from `assets/`.
fn build() -> Result<PathBuf, String> {
    let assets = folder("CARGO_MANIFEST_DIR")?.join("assets");
    let dist = folder("OUT_DIR")?.join("web");
    for source in SOURCES.iter().chain(&["src"]) {
        println!("cargo::rerun-if-changed={}", assets.join(source).display());
    }
    check_node()?;
    // Another cargo with another target folder may be at the same node_modules; the lock lasts until this function ends.
    let turn = File::open(assets.join("package.json"))
        .map_err(|error| unreadable("assets/package.json", &error))?;
    turn.lock()
        .map_err(|error| unreadable("assets/package.json", &error))?;
    install(&assets)?;
    npm(&assets, &["run", "--silent", "build"], &dist).map_err(|why| {
        format!(
            "The web app could not be built:\n{why}\nMend what Vite names above, {WITHOUT_NODE}."
        )
    })?;
    Ok(dist)
}

/// Vite 8 runs on Node 20.19 and later 20s, and from 22.12 on.
fn check_node() -> Result<(), String> {
    let needed = "Node 20.19 or newer (of the 22s, 22.12) is needed to build the web app";
    let told = Command::new("node").arg("--version").output();
    let text = told
        .map_err(|_| format!("{needed}, and there is no `node` here; install it, {WITHOUT_NODE}."))?
        .stdout;
    let text = String::from_utf8_lossy(&text);
    let version = text.trim();
    let mut numbers = version
        .trim_start_matches('v')
        .split('.')
        .map(|part| part.parse().unwrap_or(0_u32));
    let (major, minor) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if matches!((major, minor), (20, 19..) | (22, 12..) | (23.., _)) {
        return Ok(());
    }
    Err(format!(
        "{needed}, and this is `{version}`; update it, {WITHOUT_NODE}."
    ))
}

/// Installs what the lock file names, unless that is what is installed: a copy of the lock file is left as the sign.
fn install(assets: &Path) -> Result<(), String> {
    let wanted = fs::read(assets.join("package-lock.json"))
        .map_err(|error| unreadable("assets/package-lock.json", &error))?;
    let stamp = assets.join("node_modules/.bellrope-installed");
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    npm(assets, &["ci", "--include=dev", "--no-audit", "--no-fund"], Path::new("")).map_err(|why| {
        format!("The web app's packages could not be installed:\n{why}\nConnect to a package registry, {WITHOUT_NODE}.")
    })?;
    fs::write(&stamp, wanted)
        .map_err(|error| format!("{} cannot be written: {error}.", stamp.display()))
}

/// Runs npm, and on failure gives what it said. Its talk is not passed on: cargo would take some of it for orders.
fn npm(assets: &Path, arguments: &[&str], dist: &Path) -> Result<(), String> {
    let ran = Command::new("npm")
        .args(arguments)
        .current_dir(assets)
        .env("BELLROPE_WEB_OUT", dist)
        .output();
    let Output {
        status,
        stdout,
        stderr,
    } = ran.map_err(|error| format!("`npm`, which comes with Node, does not run: {error}."))?;
    if status.success() {
        return Ok(());
    }
    Err(format!(
        "{}{}",
        String::from_utf8_lossy(&stdout),
        String::from_utf8_lossy(&stderr)
    )
    .trim()
    .to_owned())
}

fn folder(name: &str) -> Result<PathBuf, String> {
    env::var_os(name)
        .map(PathBuf::from)
        .ok_or_else(|| format!("{name} is not set; cargo runs this file, nobody else."))
}

fn unreadable(name: &str, error: &io::Error) -> String {
    format!("{name} cannot be read: {error}.")
}
