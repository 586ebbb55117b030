//! The page and the figures: every number is that of a query, nothing comes from elsewhere, what is
//! missing is said in words, and nothing overlaps in a browser.

use crate::common::run_ok;
use crate::query::study;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use syntrace::base::ClassId;
use syntrace::query::{Format, Parameters, Session, SessionOptions, bind, cells, named, parse_parameter, write_answer};
use syntrace::record::{ClassRecord, JobKind, Origin};
use syntrace::report::{FigureFormat, Members, figure, figure_names, html};
use syntrace::store::schema::PACKETS;
use syntrace::store::{JobResult, Store, StoreWriter};

const OPTIONS: SessionOptions = SessionOptions { memory_bytes: 128 << 20, threads: 2 };

fn open(path: &Path) -> Session {
    let store = Store::open(path, study::CACHE).unwrap();
    Session::open(Arc::new(store.snapshot().unwrap()), OPTIONS).unwrap()
}

/// The answer of a named query: CSV, and cells as a reader sees them.
fn asked(session: &Session, name: &str, given: &str) -> (String, Vec<Vec<String>>) {
    let query = named(name).unwrap();
    let given: Parameters = given.split_whitespace().map(|text| parse_parameter(text).unwrap()).collect();
    let ask = || session.sql_with(query.sql, &bind(&query, &given).unwrap()).unwrap();
    let answer = ask();
    let schema = answer.schema();
    let mut csv = Vec::new();
    write_answer(Format::Csv, &schema, answer, &mut csv).unwrap();
    let batches = ask().collect_batches().unwrap();
    (String::from_utf8(csv).unwrap(), cells(&schema, &batches).unwrap().rows)
}

fn unbase64(text: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let mut bytes = Vec::new();
    for chunk in text.trim_end_matches('=').as_bytes().chunks(4) {
        let number =
            (0..4).fold(0u32, |number, place| number << 6 | chunk.get(place).map_or(0, |byte| digit(*byte).into()));
        bytes.extend(number.to_be_bytes()[1..chunk.len()].iter());
    }
    bytes
}

/// What stands between two marks, for each time that the first occurs.
fn between<'a>(text: &'a str, start: &str, end: &str) -> Vec<&'a str> {
    text.split(start).skip(1).map(|rest| rest.split(end).next().unwrap_or_default()).collect()
}

fn unescape(text: &str) -> String {
    let pairs = [
        ("&#60;", "<"),
        ("&#62;", ">"),
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&#38;", "&"),
        ("&amp;", "&"),
    ];
    pairs.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// The fields of a line of CSV without quotes.
fn fields(line: &str) -> Vec<&str> {
    line.split(',').collect()
}

/// (query, given, CSV) of every answer in a page.
fn embedded(page: &str) -> Vec<(String, String, String)> {
    between(page, "<details class=\"source\" data-query=\"", "</details>")
        .iter()
        .map(|block| {
            let name = block.split('"').next().unwrap().to_owned();
            let given = between(block, "data-given=\"", "\"")[0].to_owned();
            let data = between(block, "href=\"data:text/csv;charset=utf-8;base64,", "\"")[0];
            (name, given, String::from_utf8(unbase64(data)).unwrap())
        })
        .collect()
}

#[test]
fn every_csv_in_the_page_is_the_answer_of_its_query() {
    let study = study::small();
    let session = open(&study.path);
    let page = html(&session, "small", Members::Named).unwrap();
    let found = embedded(&page);
    for (name, given, csv) in &found {
        assert_eq!(*csv, asked(&session, name, given).0, "{name} {given}");
        let rows = csv.lines().count() - 1;
        let noun = if rows == 1 { "row" } else { "rows" };
        assert!(page.contains(&format!(
            "data-query=\"{name}\" data-given=\"{given}\"><summary>Query and data ({rows} {noun})"
        )));
    }
    let names: Vec<&str> = found.iter().map(|(name, _, _)| name.as_str()).collect();
    for figure in figure_names().into_iter().filter(|name| *name != "figure10") {
        assert!(names.contains(&figure), "the page has no {figure}");
    }
    for table in ["table1", "table2", "table3", "section3_table2", "paper_agreement", "privacy_ledger", "provenance"] {
        assert!(names.contains(&table), "the page has no {table}");
    }
}

#[test]
fn a_page_names_no_member_no_capture_and_no_seed_unless_it_is_asked_to() {
    let study = study::small();
    let session = open(&study.path);
    let names: Vec<String> = [
        "SELECT DISTINCT ip_text(src_ip) FROM traces",
        "SELECT DISTINCT ip_text(dst_ip) FROM traces",
        "SELECT name FROM captures",
        "SELECT digest FROM captures",
        "SELECT DISTINCT weights FROM models WHERE weights IS NOT NULL",
    ]
    .iter()
    .flat_map(|sql| cells_of(&session, sql))
    .collect();
    assert!(names.len() > 4, "{names:?}");
    let text = |members: Members| {
        let page = html(&session, "small", members).unwrap();
        let data: Vec<String> = embedded(&page).into_iter().map(|(name, _, csv)| format!("{name}\n{csv}")).collect();
        (format!("{page}\n{}", data.join("\n")), embedded(&page))
    };
    let (hidden, answers) = text(Members::Hidden);
    for name in &names {
        assert!(!hidden.contains(name.as_str()), "`{name}` stands in the page");
    }
    let (_, given, seeds) = answers.iter().find(|(name, _, _)| name == "provenance").unwrap();
    let seed = seeds.lines().next().unwrap().split(',').position(|column| column == "seed").unwrap();
    assert_eq!(given, "seeds=false");
    assert!(seeds.lines().skip(1).all(|line| line.split(',').nth(seed) == Some("")), "{seeds}");
    // an example of what was left out may be the size of one flow
    let given = |answers: &[(String, String, String)]| -> Option<String> {
        answers.iter().find(|(name, _, _)| name == "drops_by_reason").map(|(_, given, _)| given.clone())
    };
    assert_eq!(given(&answers).as_deref(), Some("examples=false"));
    for query in ["most_exposed_traces", "figure8", "provenance_jobs", "provenance_captures", "provenance_weights"] {
        assert!(!answers.iter().any(|(name, _, _)| name == query), "{query}");
    }
    assert!(!hidden.contains("names training members") && hidden.contains("<code>--members</code> shows them"));
    let error = figure(&session, "figure8", FigureFormat::Csv, Members::Hidden).unwrap_err();
    assert!(error.exit_code() == 2 && error.hint_text().unwrap().contains("--members"), "{error}");

    let (named, _) = text(Members::Named);
    for name in &names {
        assert!(named.contains(name.as_str()), "`{name}` is missing");
    }
    assert!(named.contains("This page names training members"));
    // the program hides them too, by default
    let page = study.path.with_extension("html").to_string_lossy().into_owned();
    let path = study.path.to_string_lossy().into_owned();
    for (arguments, banner) in
        [(&["report", &path, "-o", &page][..], false), (&["report", &path, "--members", "-o", &page], true)]
    {
        run_ok(arguments);
        let written = std::fs::read_to_string(&page).unwrap();
        assert_eq!(written.contains("This page names training members"), banner);
    }
}

/// The first column of an answer.
fn cells_of(session: &Session, sql: &str) -> Vec<String> {
    let answer = session.sql_with(sql, &Parameters::new()).unwrap();
    let schema = answer.schema();
    let rows = cells(&schema, &answer.collect_batches().unwrap()).unwrap().rows;
    rows.into_iter().filter_map(|row| row.into_iter().next()).collect()
}

#[test]
fn every_table_cell_in_the_page_is_a_cell_of_its_query() {
    let study = study::small();
    let session = open(&study.path);
    let page = html(&session, "small", Members::Named).unwrap();
    let mut seen = 0;
    for block in between(&page, "<div class=\"table\" id=\"", "<pre>") {
        let Some(body) = between(block, "<tbody>", "</tbody>").first().copied() else { continue };
        let name = between(block, "data-query=\"", "\"")[0];
        let given = between(block, "data-given=\"", "\"")[0];
        let expected = asked(&session, name, given).1;
        let rows = between(body, "<tr>", "</tr>");
        assert!(rows.len() <= expected.len() && (rows.len() == expected.len() || rows.len() >= 20), "{name}");
        for (row, expected) in rows.iter().zip(&expected) {
            let shown: Vec<String> =
                between(row, "<td", "</td>").iter().map(|cell| unescape(cell.split_once('>').unwrap().1)).collect();
            let expected: Vec<String> = expected
                .iter()
                .map(|cell| match cell.as_str() {
                    "NULL" => "-".to_owned(),
                    "Infinity" => "\u{221e}".to_owned(),
                    other => other.to_owned(),
                })
                .collect();
            assert_eq!(shown, expected, "{name}");
            seen += shown.len();
        }
    }
    assert!(seen > 300, "only {seen} cells were compared");
}

#[test]
fn every_number_of_the_headline_is_the_cell_that_it_names() {
    let study = study::small();
    let session = open(&study.path);
    let page = html(&session, "small", Members::Named).unwrap();
    let headline = between(&page, "id=\"headline\"", "</ul>")[0];
    let mut answers: HashMap<&str, String> = HashMap::new();
    let mut seen = 0;
    for item in between(headline, "<data value=\"", "</data>") {
        let value: f64 = item.split('"').next().unwrap().parse().unwrap();
        let place: Vec<&str> = between(item, "data-cell=\"", "\"")[0].split(':').collect();
        let [name, row, column] = place[..] else { panic!("{item}") };
        let csv = answers.entry(name).or_insert_with(|| asked(&session, name, "").0);
        let lines: Vec<&str> = csv.lines().collect();
        let index = fields(lines[0]).iter().position(|known| *known == column).unwrap();
        let stored: f64 = fields(lines[1 + row.parse::<usize>().unwrap()])[index].parse().unwrap();
        assert_eq!(value, stored, "{item}");
        let shown: f64 = item.split('>').nth(1).unwrap().replace(',', "").parse().unwrap();
        assert!((shown - stored).abs() <= 0.005, "{item}");
        seen += 1;
    }
    assert!(seen >= 10, "{headline}");
    // AUC 0.9 (0.8 to 1) without DP, 0.45 (0.35 to 0.55) at epsilon 4, none at 0.5 with its conditional guarantee
    let words = unescape(&headline.replace("</data>", ""));
    assert!(words.contains("members are recognised above chance in <strong>netssm</strong>: mlp "), "{words}");
    assert!(words.contains("<strong>With DP</strong>, no strongest attack is told from chance"), "{words}");
    assert!(words.contains("<strong>conditional</strong> one (netssm)"), "{words}");
}

/// All numbers of a CSV, rounded to four decimals.
fn rounded_numbers(csv: &str) -> Vec<f64> {
    let cells = csv.lines().skip(1).flat_map(|line| fields(line).into_iter().map(str::to_owned).collect::<Vec<_>>());
    cells.filter_map(|cell| cell.parse::<f64>().ok()).map(|value| (value * 1e4).round() / 1e4).collect()
}

#[test]
fn marks_of_figures_carry_numbers_of_their_queries() {
    let study = study::small();
    let session = open(&study.path);
    let page = html(&session, "small", Members::Named).unwrap();
    let mut seen = 0;
    for block in between(&page, "<figure id=\"", "</figure>") {
        let name = block.split('"').next().unwrap();
        let csv = &embedded(block)[0].2;
        let numbers = rounded_numbers(csv);
        let marks = between(block, "class=\"mark ", "</path>");
        for mark in marks.iter().filter(|mark| mark.contains("<title>")) {
            let label = unescape(between(mark, "<title>", "</title>")[0].trim());
            let values = label.rsplit(": ").next().unwrap();
            let words = values.split([' ', '(', ')']).map(|word| word.trim_end_matches(','));
            let shown: Vec<f64> = words.filter_map(|word| word.replace(',', "").parse().ok()).collect();
            assert!(!shown.is_empty(), "{name}: {label}");
            for value in shown {
                assert!(numbers.iter().any(|known| (known - value).abs() < 1e-9), "{name}: {label}");
            }
            seen += 1;
        }
    }
    assert!(seen > 20, "only {seen} marks were compared");
}

#[test]
fn marks_stand_where_their_values_are() {
    let study = study::small();
    let session = open(&study.path);
    let svg =
        String::from_utf8(figure(&session, "strongest_attacks", FigureFormat::Svg, Members::Named).unwrap()).unwrap();
    // centres of the circles of netssm: no DP (AUC 0.9) and epsilon 4 (0.45), and the axis ticks 0 and 1
    let height = |text: &str| -> f64 { text.parse().unwrap() };
    let circles: Vec<f64> = between(&svg, "d=\"M", "\"")
        .iter()
        .zip(between(&svg, "<path class=\"", "\""))
        .filter(|(_, class)| class.starts_with("mark"))
        .map(|(d, _)| height(d.split(['a', ' ']).nth(1).unwrap()))
        .collect();
    // of the legend one, of the panel two
    assert_eq!(circles.len(), 3, "{svg}");
    let grid: Vec<f64> =
        between(&svg, "class=\"grid\"", "/>").iter().map(|line| height(between(line, "y1=\"", "\"")[0])).collect();
    let (zero, one) = (grid.iter().copied().fold(0.0, f64::max), grid.iter().copied().fold(f64::MAX, f64::min));
    for (y, value) in circles[1..].iter().zip([0.9, 0.45]) {
        assert!(((zero - y) / (zero - one) - value).abs() < 0.002, "{y} is not {value} between {zero} and {one}");
    }
}

#[test]
fn an_empty_study_says_what_is_missing_instead_of_empty_frames() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("empty.redb");
    drop(StoreWriter::open_or_create(&path, study::CACHE).unwrap());
    let session = open(&path);
    let page = html(&session, "empty", Members::Named).unwrap();
    assert!(page.contains("The study holds neither traffic nor models yet"), "no headline");
    assert!(!page.contains("class=\"panel\""), "an empty study has no panel");
    let figures = between(&page, "<figure id=\"", "</figure>");
    assert_eq!(figures.len(), figure_names().len() - 1);
    for block in figures {
        assert!(block.contains("<p class=\"nothing\">Not in this study. "), "{block}");
    }
    for name in figure_names() {
        let error = figure(&session, name, FigureFormat::Svg, Members::Named).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{name}: {error}");
        assert!(error.to_string().contains(name) && error.hint_text().is_some(), "{name}: {error}");
    }
}

#[test]
fn a_study_of_traffic_alone_shows_lengths_and_images() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("traffic.redb");
    let text = path.to_string_lossy();
    for class in ["mac", "windows"] {
        run_ok(&["simulate", &text, "--dataset", "os", "--class", class, "--flows", "12"]);
    }
    let session = open(&path);
    let page = html(&session, "traffic", Members::Named).unwrap();
    assert!(page.contains("Real traffic alone: "), "no headline");
    let images = between(&page, "<figure id=\"nprint_images\"", "</figure>")[0];
    assert_eq!(images.matches("href=\"data:image/png;base64,").count(), 2, "one real trace a class");
    let data = unbase64(between(images, "href=\"data:image/png;base64,", "\"")[0]);
    assert_eq!(data[..8], [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n']);
    // width 1,088; a line for each of ten packets, or as many as the first trace has
    assert_eq!(data[16..20], 1088u32.to_be_bytes());
    assert!((1..=10).contains(&u32::from_be_bytes(data[20..24].try_into().unwrap())));
    assert!(between(&page, "id=\"table3-table\"", "</table>")[0].contains("<td>windows</td>"));
    assert!(between(&page, "<figure id=\"figure4\"", "</figure>")[0].contains("Not in this study."));
}

/// Names inside a study come from whoever made it.
#[test]
fn text_of_the_study_cannot_become_markup() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hostile.redb");
    let markup = "\"><script>alert('x')</script>&";
    let hostile = &format!("{markup}\u{1b}[2J\u{202e}");
    let mut result = JobResult::new(study::job(1, JobKind::Ingest));
    let class_id: ClassId = ClassRecord::id_of(hostile, hostile);
    let class = hostile.clone();
    result.classes.push(ClassRecord { class_id, dataset: class.clone(), class, origin: Origin::Captured });
    result.segments.push(study::packets(&PACKETS, class_id.0, &[1, 2], |_, place| 40 + place));
    result.segments.push(study::traces_of(class_id, &[1, 2]));
    StoreWriter::open_or_create(&path, study::CACHE).unwrap().commit(result).unwrap();
    let page = html(&open(&path), markup, Members::Named).unwrap();
    assert!(!page.contains(['\u{1b}', '\u{202e}']), "what steers a terminal or turns text round is alive");
    assert!(!page.contains("<script") && !page.contains("alert('x')"), "markup of the study is alive");
    let lengths = between(&page, "id=\"table3-table\"", "</table>")[0];
    assert!(unescape(lengths).contains(markup), "{lengths}");
}

#[test]
fn the_page_needs_no_script_and_nothing_from_elsewhere() {
    let study = study::small();
    let page = html(&open(&study.path), "small", Members::Named).unwrap();
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
    for word in ["<script", "<link", "<iframe", "<object", "@import", "url(", " src=", "http:", "https:"] {
        let found: Vec<String> =
            page.match_indices(word).map(|(at, _)| page[at..].chars().take(60).collect::<String>()).collect();
        assert!(found.is_empty(), "{word}: {found:?}");
    }
    // attributes that run scripts: onload=, onclick=, ...
    for rest in page.split(" on").skip(1) {
        let name: String = rest.chars().take_while(char::is_ascii_lowercase).collect();
        assert!(name.is_empty() || !rest[name.len()..].starts_with("=\""), " on{name}=");
    }
    for href in between(&page, "href=\"", "\"") {
        assert!(
            href.starts_with('#') || href.starts_with("data:text/csv;") || href.starts_with("data:image/png;"),
            "{href}"
        );
    }
    // every picture says what it shows
    for panel in between(&page, "<svg class=\"panel\"", "</svg>").into_iter().chain(between(
        &page,
        "<svg aria-labelledby",
        "</svg>",
    )) {
        assert!(panel.contains("role=\"img\"") && panel.contains("<title") && panel.contains("<desc"), "{panel}");
    }
    assert_eq!(
        page.matches("<svg").count(),
        page.matches("role=\"img\"").count() + page.matches("aria-hidden=\"true\"").count()
    );
    let ids = between(&page, " id=\"", "\"");
    let mut unique = ids.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(ids.len(), unique.len(), "an id occurs twice");
}

#[test]
fn figures_are_written_alone_as_svg_png_and_csv() {
    let study = study::small();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let file = study.path.to_string_lossy().into_owned();
    run_ok(&["report", &file, "--figure", "figure2", "-o", &path("a.svg")]);
    run_ok(&["report", &file, "--figure", "figure2", "-o", &path("a.csv")]);
    let svg = std::fs::read_to_string(path("a.svg")).unwrap();
    assert!(
        svg.starts_with("<?xml") && svg.contains("xmlns=\"http://www.w3.org/2000/svg\"") && !svg.contains("var(--")
    );
    let session = open(&study.path);
    assert_eq!(std::fs::read_to_string(path("a.csv")).unwrap(), asked(&session, "figure2", "").0);
    match crate::common::run(&["report", &file, "--figure", "figure2", "-o", &path("a.png")]) {
        (0, _, _) => {
            let png = std::fs::read(path("a.png")).unwrap();
            let width = between(&svg, " width=\"", "\"")[0].parse::<f64>().unwrap();
            assert_eq!(png[16..20], ((2.0 * width).ceil() as u32).to_be_bytes(), "twice the drawing's width");
        }
        (code, _, error) => {
            assert!(code == 2 && error.contains("no font was found") && error.contains("install"), "{error}");
            crate::common::skip("font", format_args!("PNG: no font here"));
        }
    }
    let (code, _, error) = crate::common::run(&["report", &file, "--figure", "figure12"]);
    assert!(code == 2 && error.contains("no figure `figure12`") && error.contains("figure2"), "{error}");
    let (code, _, error) = crate::common::run(&["report", &file, "--figure", "figure2", "-o", &path("a.pdf")]);
    assert!(code == 2 && error.contains(".svg, .png or .csv"), "{error}");
}

/// Added to a copy of the page: finds texts that overlap or leave their panel, and pages wider than the window.
const PROBE: &str = r#"<script>
const bad = [];
if (document.documentElement.scrollWidth > window.innerWidth + 1) bad.push('page wider than the window');
document.querySelectorAll('svg.panel').forEach(panel => {
  const frame = panel.getBoundingClientRect();
  const texts = [...panel.querySelectorAll('text')].map(t => [t.textContent, t.getBoundingClientRect()]);
  texts.forEach(([words, box], index) => {
    if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 || box.bottom > frame.bottom + 1)
      bad.push('clipped: ' + words);
    texts.slice(index + 1).forEach(([other, there]) => {
      if (box.left < there.right - 1 && there.left < box.right - 1 && box.top < there.bottom - 2 && there.top < box.bottom - 2)
        bad.push('overlap: ' + words + ' / ' + other);
    });
  });
});
document.body.setAttribute('data-bad', bad.join('; ') || 'none');
</script></body>"#;

#[test]
fn texts_neither_overlap_nor_leave_their_panels_in_chromium() {
    const TEST: &str = "texts_neither_overlap_nor_leave_their_panels_in_chromium";
    let study = study::small();
    let folder = tempfile::tempdir().unwrap();
    let page = html(&open(&study.path), "small", Members::Named).unwrap();
    let policy = between(&page, "<meta http-equiv", ">")[0].to_owned();
    let probed = page.replace(&format!("<meta http-equiv{policy}>"), "").replace("</body>", PROBE);
    let path = folder.path().join("page.html");
    std::fs::write(&path, probed).unwrap();
    for width in [1280, 500] {
        let Some(bad) = crate::common::browser::found(TEST, &path, width, "data-bad") else { return };
        assert_eq!(bad, "none", "at a width of {width}");
    }
}
