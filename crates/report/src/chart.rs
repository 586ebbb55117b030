//! One panel: axes, reference lines, bands, lines, whiskers and markers as a tree of SVG elements.
//!
//! Colours are class names (`s0` strokes, `f0` fills); the style around the drawing says what they are.

use super::palette::{colour, dash, marker};
use super::scale::{Axis, Scale};
use svg::Node;
use svg::node::element::Element;

/// One value, with its interval where it has one.
#[derive(Debug, Clone)]
pub struct Point {
    /// Place on the horizontal axis; `None` stands in the lane of values without one.
    pub x: Option<f64>,
    /// Interval along the horizontal axis.
    pub x_ends: Option<(f64, f64)>,
    /// Value.
    pub y: f64,
    /// Interval along the vertical axis.
    pub y_ends: Option<(f64, f64)>,
    /// Tooltip.
    pub label: String,
    /// How full the marker is: 1 filled, 0 hollow.
    pub fill: f64,
    /// Where a click on the marker leads.
    pub link: Option<String>,
}

impl Point {
    /// A value without intervals.
    pub fn new(x: f64, y: f64, label: String) -> Self {
        Self { x: Some(x), x_ends: None, y, y_ends: None, label, fill: 1.0, link: None }
    }
}

/// Points of one kind.
#[derive(Debug, Clone)]
pub struct Series {
    /// Colour, marker and dash.
    pub style: usize,
    /// The points in the order of the line.
    pub points: Vec<Point>,
    /// Is there a line through them?
    pub line: bool,
    /// Are there markers?
    pub marks: bool,
    /// Are vertical intervals drawn as a band and not as whiskers?
    pub band: bool,
    /// Numbers from elsewhere (the paper): a dotted thin line and small hollow markers.
    pub foreign: bool,
    /// Are there rectangles from zero, as wide as the horizontal interval of a point, or as its place?
    pub bars: bool,
}

impl Series {
    /// A line with markers.
    pub fn new(style: usize, points: Vec<Point>) -> Self {
        Self { style, points, line: true, marks: true, band: false, foreign: false, bars: false }
    }

    /// Rectangles.
    pub fn of_bars(style: usize, points: Vec<Point>) -> Self {
        Self { line: false, marks: false, bars: true, ..Self::new(style, points) }
    }
}

/// A horizontal line across the panel; its style is that of the legend's entry of the same number.
#[derive(Debug, Clone, Copy)]
pub struct Reference {
    /// Height.
    pub value: f64,
    /// 0 dashed, 1 dotted.
    pub style: usize,
}

/// A panel before it is drawn.
#[derive(Debug, Clone)]
pub struct Chart {
    /// Title, above the panel.
    pub title: String,
    /// Description for screen readers.
    pub description: String,
    /// Horizontal axis.
    pub x: Axis,
    /// Vertical axis.
    pub y: Axis,
    /// What is drawn, first below.
    pub series: Vec<Series>,
    /// Horizontal lines.
    pub references: Vec<Reference>,
    /// Vertical line (a value that means chance) on the horizontal axis.
    pub upright: Option<f64>,
    /// Is there a line where both axes have the same value?
    pub diagonal: bool,
    /// Name of a lane at the left for points without a horizontal value.
    pub lane: Option<String>,
    /// Width and height, pixels.
    pub size: (f64, f64),
}

/// A finished panel.
pub(super) struct Panel {
    /// What it is about.
    pub title: String,
    /// Its content as text.
    pub description: String,
    /// Width and height, pixels.
    pub size: (f64, f64),
    /// The drawing, with its origin in the upper left corner.
    pub drawing: Element,
    /// `img`, or `group` where marks are links, which an image would hide from screen readers.
    pub role: &'static str,
}

/// Dashes of reference lines.
pub(super) const REFERENCE_DASHES: [&str; 2] = ["5 4", "1.5 3"];

const TOP: f64 = 24.0;
const RIGHT: f64 = 12.0;
const BOTTOM: f64 = 44.0;
const LANE: f64 = 52.0;
/// Width of a character of tick labels, pixels (a generous one: fonts differ).
const CHARACTER: f64 = 6.4;
/// Radius of a marker.
const RADIUS: f64 = 3.6;
/// Distance between series at one place, so that whiskers stand side by side.
const DODGE: f64 = 5.0;
/// Share of a named place that bars take.
const BAR: f64 = 0.8;
/// Width of a bar at a number, pixels.
const BAR_WIDTH: f64 = 6.0;

/// An element with attributes.
pub(super) fn element(name: &str, attributes: &[(&str, String)]) -> Element {
    let mut made = Element::new(name);
    for (name, value) in attributes {
        made.assign(*name, value.as_str());
    }
    made
}

/// A coordinate with one decimal.
pub(super) fn px(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// Text at a place; anchor is `start`, `middle` or `end`.
pub(super) fn text(class: &str, x: f64, y: f64, anchor: &str, content: &str) -> Element {
    let attributes = [("class", class.to_owned()), ("x", px(x)), ("y", px(y)), ("text-anchor", anchor.to_owned())];
    let mut made = element("text", &attributes);
    made.append(svg::node::Text::new(content));
    made
}

/// A straight line.
pub(super) fn line(class: &str, from: (f64, f64), to: (f64, f64)) -> Element {
    element(
        "line",
        &[("class", class.to_owned()), ("x1", px(from.0)), ("y1", px(from.1)), ("x2", px(to.0)), ("y2", px(to.1))],
    )
}

/// The drawing area in pixels, and how values become places in it.
struct Frame<'a> {
    chart: &'a Chart,
    left: f64,
    plot_left: f64,
    right: f64,
    bottom: f64,
}

impl Frame<'_> {
    fn x(&self, value: f64) -> f64 {
        self.plot_left + self.chart.x.scale.share(value) * (self.right - self.plot_left)
    }

    fn y(&self, value: f64) -> f64 {
        self.bottom - self.chart.y.scale.share(value) * (self.bottom - TOP)
    }

    fn place(&self, point: &Point, shift: f64) -> (f64, f64) {
        let x = point.x.map_or(self.left + LANE / 2.0, |value| self.x(value));
        (x + shift, self.y(point.y))
    }
}

impl Chart {
    /// A panel without lines across.
    pub fn new(title: impl Into<String>, x: Axis, y: Axis, series: Vec<Series>, size: (f64, f64)) -> Self {
        let (title, description) = (title.into(), String::new());
        let (references, upright, diagonal, lane) = (Vec::new(), None, false, None);
        Self { title, description, x, y, series, references, upright, diagonal, lane, size }
    }

    /// Draws the panel.
    pub(super) fn draw(self) -> Panel {
        let widest = self.y.scale.ticks().iter().map(|(_, text)| text.len()).max().unwrap_or(1);
        let left = 26.0 + widest as f64 * CHARACTER;
        let lane = if self.lane.is_some() { LANE } else { 0.0 };
        let frame = Frame {
            chart: &self,
            left,
            plot_left: left + lane,
            right: self.size.0 - RIGHT,
            bottom: self.size.1 - BOTTOM,
        };
        let mut drawing = Element::new("g");
        drawing.append(text("text title", left, 14.0, "start", &self.title));
        frame.axes(&mut drawing);
        for (number, series) in self.series.iter().enumerate() {
            frame.series(&mut drawing, series, number);
        }
        let is_linked = self.series.iter().flat_map(|series| &series.points).any(|point| point.link.is_some());
        let role = if is_linked { "group" } else { "img" };
        Panel { title: self.title.clone(), description: self.description.clone(), size: self.size, drawing, role }
    }
}

impl Frame<'_> {
    /// Whiskers of several series at one named place stand side by side.
    fn dodge(&self, number: usize) -> f64 {
        let chart = self.chart;
        let own: Vec<usize> = (0..chart.series.len()).filter(|index| !chart.series[*index].foreign).collect();
        let whiskers = own.iter().any(|index| {
            let series = &chart.series[*index];
            !series.band && series.points.iter().any(|point| point.y_ends.is_some())
        });
        match (matches!(chart.x.scale, Scale::Places(_)) && whiskers, own.iter().position(|index| *index == number)) {
            (true, Some(place)) => (place as f64 - (own.len() - 1) as f64 / 2.0) * DODGE,
            _ => 0.0,
        }
    }

    fn axes(&self, drawing: &mut Element) {
        let chart = self.chart;
        for (value, label) in chart.y.scale.ticks() {
            let y = self.y(value);
            drawing.append(line("grid", (self.left, y), (self.right, y)));
            drawing.append(text("soft", self.left - 6.0, y + 3.8, "end", &label));
        }
        let numbers = !matches!(chart.x.scale, Scale::Places(_));
        for (value, label) in self.fitting_ticks() {
            let x = self.x(value);
            if numbers {
                drawing.append(line("grid", (x, TOP), (x, self.bottom)));
            }
            drawing.append(text("soft", x, self.bottom + 17.0, "middle", &label));
        }
        if let Some(value) = chart.upright {
            let x = self.x(value);
            let mut upright = line("ref", (x, TOP), (x, self.bottom));
            upright.assign("stroke-dasharray", REFERENCE_DASHES[1]);
            drawing.append(upright);
        }
        if chart.diagonal {
            let (low, high) = match chart.x.scale {
                Scale::Linear(low, high) | Scale::Log(low, high) => (low, high),
                Scale::Places(_) => (0.0, 1.0),
            };
            let mut chance = line("ref", (self.x(low), self.y(low)), (self.x(high), self.y(high)));
            chance.assign("stroke-dasharray", REFERENCE_DASHES[1]);
            drawing.append(chance);
        }
        for reference in &chart.references {
            let y = self.y(reference.value);
            let mut across = line("ref", (self.left, y), (self.right, y));
            across.assign("stroke-dasharray", REFERENCE_DASHES[reference.style % REFERENCE_DASHES.len()]);
            drawing.append(across);
        }
        if let Some(name) = &chart.lane {
            drawing.append(line("frame", (self.plot_left, TOP), (self.plot_left, self.bottom)));
            for (row, word) in name.split(' ').enumerate() {
                let y = self.bottom + 13.0 + 11.0 * row as f64;
                drawing.append(text("soft", self.left + LANE / 2.0, y, "middle", word));
            }
        }
        let frame = [
            ("class", "frame".to_owned()),
            ("x", px(self.left)),
            ("y", px(TOP)),
            ("width", px(self.right - self.left)),
            ("height", px(self.bottom - TOP)),
        ];
        drawing.append(element("rect", &frame));
        let middle = (self.plot_left + self.right) / 2.0;
        drawing.append(text("text", middle, self.bottom + 35.0, "middle", &chart.x.label));
        let middle = (TOP + self.bottom) / 2.0;
        let mut label = text("text", 0.0, 0.0, "middle", &chart.y.label);
        label.assign("transform", format!("translate(11 {}) rotate(-90)", px(middle)));
        drawing.append(label);
    }

    /// Ticks of the horizontal axis, thinned until their labels have room.
    fn fitting_ticks(&self) -> Vec<(f64, String)> {
        let ticks = self.chart.x.scale.ticks();
        let widest = ticks.iter().map(|(_, label)| label.chars().count()).max().unwrap_or(1);
        let room = (self.right - self.plot_left) / (widest as f64 * CHARACTER + 6.0);
        let every = (ticks.len() as f64 / room.max(1.0)).ceil().max(1.0) as usize;
        ticks.into_iter().step_by(every).collect()
    }

    fn series(&self, drawing: &mut Element, series: &Series, number: usize) {
        let (mut group, shift) = (Element::new("g"), self.dodge(number));
        let stroke = format!("s{}", colour(series.style));
        if series.bars {
            self.bars(&mut group, series, number);
        }
        if series.band {
            self.band(&mut group, series);
        }
        let path: Vec<String> = series
            .points
            .iter()
            .filter(|point| point.x.is_some())
            .map(|point| self.place(point, shift))
            .map(|(x, y)| format!("{} {}", px(x), px(y)))
            .collect();
        if series.line && path.len() > 1 {
            let dashes = if series.foreign { "1.5 3" } else { dash(series.style) };
            let thin = if series.foreign { " thin" } else { "" };
            group.append(element(
                "path",
                &[
                    ("class", format!("curve {stroke}{thin}")),
                    ("d", format!("M{}", path.join("L"))),
                    ("stroke-dasharray", dashes.to_owned()),
                ],
            ));
        }
        for point in &series.points {
            if !series.band && !series.bars {
                self.whiskers(&mut group, point, &stroke, shift);
            }
            if series.marks {
                self.mark(&mut group, series, point, shift);
            }
        }
        drawing.append(group);
    }

    fn band(&self, group: &mut Element, series: &Series) {
        let ends = series.points.iter().filter_map(|point| Some((self.place(point, 0.0).0, point.y_ends?)));
        let ends: Vec<(f64, (f64, f64))> = ends.collect();
        let upper = ends.iter().map(|(x, (_, high))| format!("{} {}", px(*x), px(self.y(*high))));
        let lower = ends.iter().rev().map(|(x, (low, _))| format!("{} {}", px(*x), px(self.y(*low))));
        let outline: Vec<String> = upper.chain(lower).collect();
        if ends.len() > 1 {
            let d = format!("M{}Z", outline.join("L"));
            group.append(element("path", &[("class", format!("band f{}", colour(series.style))), ("d", d)]));
        }
    }

    fn whiskers(&self, group: &mut Element, point: &Point, stroke: &str, shift: f64) {
        let (x, y) = self.place(point, shift);
        let class = format!("whisker {stroke}");
        if let Some((low, high)) = point.y_ends {
            group.append(line(&class, (x, self.y(low)), (x, self.y(high))));
        }
        if let Some((low, high)) = point.x_ends {
            group.append(line(&class, (self.x(low), y), (self.x(high), y)));
        }
    }

    fn mark(&self, group: &mut Element, series: &Series, point: &Point, shift: f64) {
        let (x, y) = self.place(point, shift);
        let radius = if series.foreign { RADIUS * 0.75 } else { RADIUS };
        let d = marker(series.style, x, y, radius);
        let fill = if series.foreign { 0.0 } else { point.fill };
        if fill < 1.0 {
            // the ground below, so that lines do not shine through
            group.append(element("path", &[("class", "hollow".to_owned()), ("d", d.clone())]));
        }
        let mark = element(
            "path",
            &[("class", format!("mark s{0} f{0}", colour(series.style))), ("d", d), ("fill-opacity", px(fill))],
        );
        group.append(labelled(mark, point));
    }

    fn bars(&self, group: &mut Element, series: &Series, number: usize) {
        let beside: Vec<usize> = (0..self.chart.series.len()).filter(|index| self.chart.series[*index].bars).collect();
        let place = beside.iter().position(|index| *index == number).unwrap_or(0) as f64;
        let room = match &self.chart.x.scale {
            Scale::Places(names) => (self.right - self.plot_left) / names.len().max(1) as f64 * BAR,
            Scale::Linear(..) | Scale::Log(..) => BAR_WIDTH,
        };
        let each = room / beside.len() as f64;
        for point in &series.points {
            let (x, y) = self.place(point, 0.0);
            let (from, to) = match point.x_ends {
                Some((low, high)) => (self.x(low), self.x(high)),
                None => (x - room / 2.0 + place * each, x - room / 2.0 + (place + 1.0) * each),
            };
            let zero = self.y(0.0);
            let bar = [
                ("class", format!("mark column s{0} f{0}", colour(series.style))),
                ("x", px(from)),
                ("y", px(y.min(zero))),
                ("width", px((to - from).max(1.0))),
                ("height", px((y - zero).abs())),
            ];
            group.append(labelled(element("rect", &bar), point));
        }
    }
}

/// A mark with its tooltip, and as a link where it leads somewhere.
fn labelled(mut mark: Element, point: &Point) -> Element {
    if !point.label.is_empty() {
        let mut title = Element::new("title");
        title.append(svg::node::Text::new(point.label.as_str()));
        mark.append(title);
    }
    let Some(address) = &point.link else { return mark };
    let mut link = element("a", &[("href", address.clone()), ("aria-label", point.label.clone())]);
    link.append(mark);
    link
}
