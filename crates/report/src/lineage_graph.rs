//! What a model descends from and what came of it, as boxes from left to right with lines between them.

use super::chart::{element, line, px, text};
use svg::Node;
use svg::node::element::Element;

/// Where a box stands, from left to right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineageColumn {
    /// Traffic that was learnt from.
    Traffic,
    /// Weights that training began with, and choices.
    Start,
    /// The model itself.
    Model,
    /// What was made of it.
    Result,
}

/// A box of the graph.
#[derive(Debug, Clone)]
pub struct LineageBox {
    /// Where it stands.
    pub column: LineageColumn,
    /// What it is.
    pub title: String,
    /// What to know of it.
    pub words: String,
    /// Where a click leads.
    pub link: Option<String>,
    /// Did private traces reach the model through it, and past the mechanism?
    pub leaks: bool,
}

const COLUMNS: [LineageColumn; 4] =
    [LineageColumn::Traffic, LineageColumn::Start, LineageColumn::Model, LineageColumn::Result];
const WIDTH: f64 = 178.0;
const GAP: f64 = 46.0;
const BETWEEN: f64 = 12.0;
const LINE: f64 = 14.0;
/// Characters of a line of a box.
const CHARACTERS: usize = 28;

/// A box with its place.
struct Placed<'a> {
    of: &'a LineageBox,
    lines: Vec<String>,
    x: f64,
    y: f64,
    height: f64,
}

/// Draws the boxes: what stands left of the model leads to it, and it leads to what stands right. `id` is part of the ids in it.
pub fn lineage_graph(boxes: &[LineageBox], id: &str) -> String {
    let used = COLUMNS.iter().filter(|column| boxes.iter().any(|one| one.column == **column));
    let mut placed: Vec<Placed<'_>> = Vec::new();
    let (mut x, mut height) = (1.0, 0.0f64);
    for column in used {
        // What training began with stands below the traffic, whose lines pass above it.
        let above =
            placed.iter().filter(|one| one.of.column == LineageColumn::Traffic && *column == LineageColumn::Start);
        let mut y = above.map(|one| one.y + one.height + BETWEEN).fold(1.0, f64::max);
        for one in boxes.iter().filter(|one| one.column == *column) {
            let lines = wrapped(&one.words);
            let tall = 24.0 + LINE * lines.len() as f64 + 4.0;
            placed.push(Placed { of: one, lines, x, y, height: tall });
            y += tall + BETWEEN;
        }
        height = height.max(y - BETWEEN);
        x += WIDTH + GAP;
    }
    let width = x - GAP + 1.0;
    let words = boxes.iter().map(|one| format!("{}: {}", one.title, one.words));
    let description = element("desc", &[("id", format!("{id}-text"))]);
    let title = element("title", &[("id", format!("{id}-title"))]);
    let mut root = element(
        "svg",
        &[
            ("class", "lineage".to_owned()),
            ("viewBox", format!("0 0 {} {}", px(width), px(height + 1.0))),
            ("role", "group".to_owned()),
            ("aria-labelledby", format!("{id}-title {id}-text")),
        ],
    );
    root.append(with_text(title, "Lineage"));
    root.append(with_text(description, &words.collect::<Vec<_>>().join("; ")));
    arrows(&mut root, &placed);
    placed.iter().for_each(|one| root.append(drawn(one)));
    root.to_string()
}

fn with_text(mut element: Element, content: &str) -> Element {
    element.append(svg::node::Text::new(content));
    element
}

/// Lines between the model and all others.
fn arrows(root: &mut Element, placed: &[Placed<'_>]) {
    let Some(model) = placed.iter().find(|one| one.of.column == LineageColumn::Model) else { return };
    let middle = |one: &Placed<'_>| one.y + one.height / 2.0;
    for one in placed.iter().filter(|one| one.of.column != LineageColumn::Model) {
        let is_before = one.x < model.x;
        let (from, to) = if is_before { (one, model) } else { (model, one) };
        let class = if one.of.leaks { "curve s1" } else { "ref" };
        let (start, end) = ((from.x + WIDTH, middle(from)), (to.x, middle(to)));
        // A line that passes a column stays at its height until it is past.
        let bend = end.0 - GAP / 2.0;
        let turn = end.0 - GAP;
        let d = format!(
            "M{} {}L{} {}C{} {} {} {} {} {}",
            px(start.0),
            px(start.1),
            px(turn),
            px(start.1),
            px(bend),
            px(start.1),
            px(bend),
            px(end.1),
            px(end.0),
            px(end.1)
        );
        root.append(element("path", &[("class", class.to_owned()), ("d", d), ("fill", "none".to_owned())]));
        root.append(line(class, (end.0 - 5.0, end.1 - 3.5), end));
        root.append(line(class, (end.0 - 5.0, end.1 + 3.5), end));
    }
}

fn drawn(one: &Placed<'_>) -> Element {
    let mut group = match &one.of.link {
        Some(address) => element("a", &[("href", address.clone())]),
        None => Element::new("g"),
    };
    let class = match (one.of.leaks, one.of.column) {
        (true, _) => "box leak",
        (false, LineageColumn::Model) => "box own",
        _ => "box",
    };
    let frame = [
        ("class", class.to_owned()),
        ("x", px(one.x)),
        ("y", px(one.y)),
        ("width", px(WIDTH)),
        ("height", px(one.height)),
        ("rx", "4".to_owned()),
    ];
    group.append(element("rect", &frame));
    group.append(text("text title", one.x + 8.0, one.y + 17.0, "start", &cut(&one.of.title)));
    for (number, words) in one.lines.iter().enumerate() {
        group.append(text("soft", one.x + 8.0, one.y + 33.0 + LINE * number as f64, "start", words));
    }
    group
}

/// A title that fits into a box.
fn cut(title: &str) -> String {
    let most = CHARACTERS - 3;
    if title.chars().count() <= most {
        return title.to_owned();
    }
    format!("{}\u{2026}", title.chars().take(most - 1).collect::<String>())
}

/// Words in lines that fit into a box.
fn wrapped(words: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words.split_whitespace() {
        match lines.last_mut() {
            Some(last) if last.chars().count() + 1 + word.chars().count() <= CHARACTERS => {
                last.push(' ');
                last.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
