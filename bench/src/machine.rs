//! The machine, and what ran on it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The page's head: what, where, when.
pub(crate) fn describe(root: &Path, postgres: Option<&str>, busy: f64) -> String {
    let cpu = field("/proc/cpuinfo", "model name");
    let memory = field("/proc/meminfo", "MemTotal");
    let kib: f64 = memory.trim_end_matches(" kB").parse().unwrap_or(0.0);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    let commit = said(Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).current_dir(root));
    let changes =
        said(Command::new("git").args(["status", "--porcelain", "--untracked-files=no"]).current_dir(root));
    let remark = if changes.is_empty() { "" } else { ", with uncommitted changes" };
    let mut text = String::from("| | |\n|---|---|\n");
    let rows = [
        ("processor", format!("{cpu}, {cores} cores")),
        ("memory", format!("{:.1} GiB", kib / 1024.0 / 1024.0)),
        ("kernel", format!("Linux {kernel}")),
        ("date", format!("{}", keywright_verify::clock::wall_clock())),
        ("commit", format!("{commit}{remark}")),
        ("compiler", format!("{}, profile `release`", said(Command::new("rustc").arg("--version")))),
        ("libraries", libraries(root)),
        ("PostgreSQL", postgres.unwrap_or("not used").to_owned()),
        ("load average when it began", format!("{busy:.2}")),
    ];
    for (name, value) in rows {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "| {name} | {value} |");
    }
    text
}

/// The load average of the last minute.
pub(crate) fn load_average() -> f64 {
    read("/proc/loadavg").split(' ').next().and_then(|text| text.parse().ok()).unwrap_or(0.0)
}

fn libraries(root: &Path) -> String {
    let lock = fs::read_to_string(root.join("Cargo.lock")).unwrap_or_default();
    let version = |name: &str| {
        let (_, rest) = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?;
        rest.split_once('"').map(|(version, _)| format!("{name} {version}"))
    };
    ["axum", "hyper", "tokio", "sqlx"].into_iter().filter_map(version).collect::<Vec<_>>().join(", ")
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

fn field(path: &str, name: &str) -> String {
    let text = read(path);
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split_once(':').map_or(String::new(), |(_, value)| value.trim().to_owned())
}

fn said(command: &mut Command) -> String {
    command
        .output()
        .map_or_else(|_| String::new(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
