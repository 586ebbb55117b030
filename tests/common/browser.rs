//! Chromium without a window, over a page in a file.

use super::{Finish, skip};
use std::path::Path;
use std::process::Command;

/// Names of the program.
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// The value of an attribute of the page, once its scripts have run at a width of the window; the test is skipped
/// (`None`) where there is no browser, or none that starts.
pub fn found(test: &str, page: &Path, width: u32, attribute: &str) -> Option<String> {
    let Some(browser) = NAMES.iter().find(|name| Command::new(name).arg("--version").finish().is_ok()) else {
        skip("chromium", format_args!("{test}: no Chromium here"));
        return None;
    };
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync", "--dump-dom"])
        .arg("--virtual-time-budget=60000")
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("--window-size={width},2000"))
        .arg(format!("file://{}", page.display()))
        .finish()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let value = text.split(&format!(" {attribute}=\"")).nth(1).and_then(|rest| rest.split('"').next());
    if value.is_none() {
        // A browser that does not start (no memory, no sandbox) says nothing about the page.
        skip("chromium", format_args!("{test}: no page: {}", String::from_utf8_lossy(&output.stderr)));
    }
    value.map(str::to_owned)
}
