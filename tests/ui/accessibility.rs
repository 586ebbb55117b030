//! Pages in a browser: axe-core finds nothing that keeps a reader out, and nothing is wider than a phone.

use super::{Server, encoded, simulated};
use std::path::PathBuf;

/// Runs axe-core, then says what it found, and whether the page is wider than the window.
const PROBE: &str = r#"<script>
axe.run().then(result => {
  const bad = result.violations.map(one => one.id + ' at ' + one.nodes.map(node => node.target.join(' ')).join(', '));
  if (document.documentElement.scrollWidth > window.innerWidth + 1) bad.push('wider than the window');
  document.body.setAttribute('data-bad', bad.join('; ') || 'none');
});
</script></body>"#;

/// axe-core, of `npm pack axe-core`: where `SYNTRACE_AXE` says, or in the cache of the tests.
fn axe() -> Option<Vec<u8>> {
    let cache = std::env::var_os("SYNTRACE_CACHE").map(PathBuf::from);
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/syntrace"));
    let inside = || Some(cache.or_else(home)?.join("axe/axe.min.js"));
    let path = std::env::var_os("SYNTRACE_AXE").map(PathBuf::from).or_else(inside)?;
    std::fs::read(path).ok()
}

#[test]
fn axe_finds_nothing_on_any_kind_of_page_light_or_dark_wide_or_narrow() {
    const TEST: &str = "axe_finds_nothing_on_any_kind_of_page_light_or_dark_wide_or_narrow";
    let Some(axe) = axe() else {
        crate::common::skip("axe-core", format_args!("{TEST}: no axe-core here (npm pack axe-core; SYNTRACE_AXE)"));
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("axe.min.js"), axe).unwrap();
    let study = simulated(folder.path());
    let server = Server::of(&study, &["--members"]);
    let trace = server.page("/table/traces?_format=csv");
    let trace = trace.lines().nth(1).and_then(|row| row.split(',').nth(2)).expect("a trace");
    let model = server.page("/table/target_models?_format=csv");
    let model = model.lines().nth(1).and_then(|row| row.split(',').next()).expect("a model");
    let style = server.page("/style.css");
    // What a dark screen has, whatever the screen of the test is.
    let dark = style.replace("@media(prefers-color-scheme:dark)", "@media all");
    let sql = encoded("SELECT * FROM attacks");
    let mut failures = Vec::new();
    for address in [
        "/".to_owned(),
        "/tables".to_owned(),
        "/table/traces?class=mac".to_owned(),
        "/sql?sql=SELEC".to_owned(),
        format!("/sql?sql={sql}&_chart=points&_x=auc&_y=recall"),
        "/query/headline".to_owned(),
        format!("/model/{model}"),
        format!("/trace/{trace}?packet=2&field=ip.ttl"),
    ] {
        let page = server.get(&address).body;
        for (style, width) in [(&style, 1280), (&dark, 500)] {
            let page = page
                .replace("<link rel=\"stylesheet\" href=\"/style.css\">", &format!("<style>{style}</style>"))
                .replace("</body>", &format!("<script src=\"axe.min.js\"></script>{PROBE}"));
            let path = folder.path().join("page.html");
            std::fs::write(&path, page).unwrap();
            let Some(bad) = crate::common::browser::found(TEST, &path, width, "data-bad") else { return };
            if bad != "none" {
                failures.push(format!("{address} at a width of {width}: {bad}"));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
