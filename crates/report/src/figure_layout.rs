//! A figure: panels and a legend. In the page each panel is a separate SVG that adapts to the width; exported, the
//! whole figure is one SVG file.

use super::chart::{Panel, REFERENCE_DASHES, element, line, px, text};
use super::palette::{colour, dash, marker, standalone_style};
use svg::Node;
use svg::node::element::Element;

/// What a legend's entry shows before its name.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Sample {
    /// A series: its line and marker.
    Series(usize),
    /// A series without markers.
    Line(usize),
    /// A marker alone, with how full it is.
    Mark(usize, f64),
    /// A line across.
    Reference(usize),
    /// Numbers from elsewhere: dotted, hollow.
    Foreign,
    /// A band around a line.
    Band,
    /// A coloured square.
    Swatch([u8; 3]),
}

/// An entry of a legend.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    /// What it looks like.
    pub sample: Sample,
    /// What it is.
    pub name: String,
}

impl Entry {
    /// An entry.
    pub fn new(sample: Sample, name: impl Into<String>) -> Self {
        Self { sample, name: name.into() }
    }
}

/// A figure that is ready to be shown.
pub(super) struct Sheet {
    /// Its panels, in reading order.
    pub panels: Vec<Panel>,
    /// What the marks mean.
    pub legend: Vec<Entry>,
    /// Panels side by side where there is room.
    pub columns: usize,
    /// What is not drawn, and why.
    pub notes: Vec<String>,
}

/// Width and height of a legend's sample.
const SAMPLE: (f64, f64) = (32.0, 14.0);
/// Width of a legend's character, pixels.
const CHARACTER: f64 = 6.6;
const GAP: f64 = 18.0;
const MARGIN: f64 = 12.0;

/// The sample of an entry, its origin in the upper left corner.
fn sample(sample: Sample) -> Element {
    let mut group = Element::new("g");
    let (width, height) = SAMPLE;
    let middle = height / 2.0;
    let whole = ((1.0, middle), (width - 3.0, middle));
    let mark = |style: usize, fill: f64| {
        element(
            "path",
            &[
                ("class", format!("mark s{0} f{0}", colour(style))),
                ("d", marker(style, (width - 2.0) / 2.0, middle, 3.8)),
                ("fill-opacity", px(fill)),
            ],
        )
    };
    match sample {
        Sample::Series(style) => {
            let mut stroke = line(&format!("curve s{}", colour(style)), whole.0, whole.1);
            stroke.assign("stroke-dasharray", dash(style));
            group.append(stroke);
            group.append(mark(style, 1.0));
        }
        Sample::Line(style) => {
            let mut stroke = line(&format!("curve s{}", colour(style)), whole.0, whole.1);
            stroke.assign("stroke-dasharray", dash(style));
            group.append(stroke);
        }
        Sample::Mark(style, fill) => group.append(mark(style, fill)),
        Sample::Reference(style) => {
            let mut stroke = line("ref", whole.0, whole.1);
            stroke.assign("stroke-dasharray", REFERENCE_DASHES[style % REFERENCE_DASHES.len()]);
            group.append(stroke);
        }
        Sample::Foreign => {
            let mut stroke = line("ref", whole.0, whole.1);
            stroke.assign("stroke-dasharray", "1.5 3");
            group.append(stroke);
            let circle = [("class", "ref hollow".to_owned()), ("d", marker(0, (width - 2.0) / 2.0, middle, 3.0))];
            group.append(element("path", &circle));
        }
        Sample::Band => {
            let band = [
                ("class", "band f6".to_owned()),
                ("x", px(1.0)),
                ("y", px(1.0)),
                ("width", px(width - 4.0)),
                ("height", px(height - 2.0)),
            ];
            group.append(element("rect", &band));
        }
        Sample::Swatch([red, green, blue]) => {
            let square = [
                ("fill", format!("#{red:02x}{green:02x}{blue:02x}")),
                ("stroke", "#8a939d".to_owned()),
                ("x", px(8.0)),
                ("y", px(1.0)),
                ("width", px(14.0)),
                ("height", px(height - 2.0)),
            ];
            group.append(element("rect", &square));
        }
    }
    group
}

impl Entry {
    /// The sample as a separate SVG, for the page's legend.
    pub fn sample_svg(&self) -> String {
        let mut root = element(
            "svg",
            &[
                ("class", "sample".to_owned()),
                ("width", px(SAMPLE.0)),
                ("height", px(SAMPLE.1)),
                ("aria-hidden", "true".to_owned()),
            ],
        );
        root.append(sample(self.sample));
        root.to_string()
    }
}

impl Panel {
    /// The panel as an SVG inside the page. `id` makes the ids of its title and description.
    pub fn svg(&self, id: &str) -> String {
        let mut root = element(
            "svg",
            &[
                ("class", "panel".to_owned()),
                ("viewBox", format!("0 0 {} {}", px(self.size.0), px(self.size.1))),
                ("role", self.role.to_owned()),
                ("aria-labelledby", format!("{id}-title {id}-text")),
            ],
        );
        root.append(described("title", &format!("{id}-title"), &self.title));
        root.append(described("desc", &format!("{id}-text"), &self.description));
        root.append(self.drawing.clone());
        root.to_string()
    }
}

fn described(name: &str, id: &str, content: &str) -> Element {
    let mut made = element(name, &[("id", id.to_owned())]);
    made.append(svg::node::Text::new(content));
    made
}

impl Sheet {
    /// The whole figure as one SVG file with its own colours.
    pub fn standalone(&self, title: &str, description: &str) -> String {
        let columns = self.columns.clamp(1, self.panels.len().max(1));
        let (panel_width, panel_height) =
            self.panels.iter().fold((0.0f64, 0.0f64), |(w, h), panel| (w.max(panel.size.0), h.max(panel.size.1)));
        let width = MARGIN * 2.0 + columns as f64 * panel_width;
        let mut root = element(
            "svg",
            &[
                ("xmlns", "http://www.w3.org/2000/svg".to_owned()),
                ("role", "img".to_owned()),
                ("aria-labelledby", "title text".to_owned()),
            ],
        );
        root.append(described("title", "title", title));
        root.append(described("desc", "text", description));
        let mut style = Element::new("style");
        style.append(svg::node::Text::new(standalone_style()));
        root.append(style);
        let (legend, legend_height) = self.legend_group(width - 2.0 * MARGIN);
        let rows = self.panels.len().div_ceil(columns);
        let height = MARGIN * 2.0 + legend_height + rows as f64 * panel_height;
        root.append(element("rect", &[("class", "back".to_owned()), ("width", px(width)), ("height", px(height))]));
        root.append(moved(legend, MARGIN, MARGIN));
        for (index, panel) in self.panels.iter().enumerate() {
            let x = MARGIN + (index % columns) as f64 * panel_width;
            let y = MARGIN + legend_height + (index / columns) as f64 * panel_height;
            root.append(moved(panel.drawing.clone(), x, y));
        }
        root.assign("viewBox", format!("0 0 {} {}", px(width), px(height)));
        root.assign("width", px(width));
        root.assign("height", px(height));
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{root}\n")
    }

    /// The legend in rows of at most a width, and its height.
    fn legend_group(&self, width: f64) -> (Element, f64) {
        let mut group = Element::new("g");
        let (mut x, mut y) = (0.0, 0.0);
        for entry in &self.legend {
            let needed = SAMPLE.0 + entry.name.chars().count() as f64 * CHARACTER + GAP;
            if x > 0.0 && x + needed > width {
                x = 0.0;
                y += 20.0;
            }
            group.append(moved(sample(entry.sample), x, y));
            group.append(text("text", x + SAMPLE.0 + 2.0, y + 11.0, "start", &entry.name));
            x += needed;
        }
        (group, if self.legend.is_empty() { 0.0 } else { y + 28.0 })
    }
}

fn moved(inner: Element, x: f64, y: f64) -> Element {
    let mut group = element("g", &[("transform", format!("translate({} {})", px(x), px(y)))]);
    group.append(inner);
    group
}
