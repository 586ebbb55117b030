//! Figures as plain SVG text: one mark per series and budget, with its interval.

use super::html::escape;
use std::fmt::Write;

/// One value at one budget.
pub(super) struct Mark {
    /// The budget in words: a place on the horizontal axis.
    pub place: String,
    pub value: f64,
    /// Lower end of its interval.
    pub low: Option<f64>,
    /// Upper end of its interval.
    pub high: Option<f64>,
}

/// Marks of one generator and class, joined by a line.
pub(super) struct Series {
    pub name: String,
    pub marks: Vec<Mark>,
}

/// Values between 0 and 1 by budget.
pub(super) struct Figure<'a> {
    pub title: &'a str,
    pub axis: &'a str,
    /// A line across, with its name.
    pub reference: Option<(f64, &'a str)>,
    pub series: Vec<Series>,
}

const WIDTH: f64 = 880.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 250.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 36.0;
/// Colours that the page's style has.
const COLOURS: usize = 8;
/// Most series that the legend has room for.
const SERIES_MAX: usize = 18;

/// From no DP to the smallest epsilon: privacy grows to the right.
fn rank(place: &str) -> f64 {
    place.strip_prefix("eps ").and_then(|text| text.parse::<f64>().ok()).map_or(f64::NEG_INFINITY, |epsilon| -epsilon)
}

fn vertical(value: f64) -> f64 {
    TOP + (1.0 - value.clamp(0.0, 1.0)) * (HEIGHT - TOP - BOTTOM)
}

impl Figure<'_> {
    /// The figure, or nothing where there is no mark.
    pub fn svg(&self) -> String {
        let mut places: Vec<&str> =
            self.series.iter().flat_map(|series| series.marks.iter().map(|mark| mark.place.as_str())).collect();
        places.sort_by(|left, right| rank(left).total_cmp(&rank(right)));
        places.dedup();
        if places.is_empty() {
            return String::new();
        }
        let mut text = format!(
            "<figure style=\"margin:0\"><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{0}\">\n\
             <title>{0}</title>\n<text x=\"{LEFT}\" y=\"16\" font-weight=\"600\">{0}</text>\n",
            escape(self.title)
        );
        self.axes(&mut text, &places);
        for (number, series) in self.series.iter().take(SERIES_MAX).enumerate() {
            self.series(&mut text, &places, number, series);
        }
        if self.series.len() > SERIES_MAX {
            let y = TOP + SERIES_MAX as f64 * 15.0;
            let _ = writeln!(
                text,
                "<text class=\"soft\" x=\"{}\" y=\"{y}\">and {} more: see the table</text>",
                WIDTH - RIGHT + 20.0,
                self.series.len() - SERIES_MAX
            );
        }
        text.push_str("</svg></figure>\n");
        text
    }

    fn slot(places: &[&str]) -> f64 {
        (WIDTH - LEFT - RIGHT) / places.len() as f64
    }

    fn axes(&self, text: &mut String, places: &[&str]) {
        let right = WIDTH - RIGHT;
        // Writing to a string cannot fail.
        for value in [0.0, 0.25, 0.5, 0.75, 1.0] {
            let y = vertical(value);
            let _ = writeln!(
                text,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text class=\"soft\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{value}</text>",
                LEFT - 8.0,
                y + 4.0
            );
        }
        if let Some((value, name)) = self.reference {
            let y = vertical(value);
            let _ = writeln!(
                text,
                "<line class=\"reference\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text class=\"soft\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                right - 4.0,
                y - 5.0,
                escape(name)
            );
        }
        for (index, place) in places.iter().enumerate() {
            let x = LEFT + (index as f64 + 0.5) * Self::slot(places);
            let _ = writeln!(
                text,
                "<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                HEIGHT - BOTTOM + 20.0,
                escape(place)
            );
        }
        let _ = writeln!(text, "<text class=\"soft\" x=\"{LEFT}\" y=\"{}\">{}</text>", TOP - 4.0, escape(self.axis));
    }

    fn series(&self, text: &mut String, places: &[&str], number: usize, series: &Series) {
        let colour = format!("var(--s{})", number % COLOURS);
        let slot = Self::slot(places);
        let shown = self.series.len().min(SERIES_MAX) as f64;
        let shift = ((number as f64 + 0.5) / shown - 0.5) * slot * 0.6;
        let mut points = Vec::new();
        for mark in &series.marks {
            let Some(index) = places.iter().position(|place| *place == mark.place) else { continue };
            let x = LEFT + (index as f64 + 0.5) * slot + shift;
            let y = vertical(mark.value);
            points.push((x, y));
            if let (Some(low), Some(high)) = (mark.low, mark.high) {
                let _ = write!(
                    text,
                    "<line stroke=\"{colour}\" stroke-width=\"1.5\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"/>",
                    vertical(low),
                    vertical(high)
                );
            }
            let interval = match (mark.low, mark.high) {
                (Some(low), Some(high)) => format!(" ({low} to {high})"),
                _ => String::new(),
            };
            let label = escape(&format!("{}, {}: {}{interval}", series.name, mark.place, mark.value));
            let _ = writeln!(
                text,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{colour}\"><title>{label}</title></circle>"
            );
        }
        points.sort_by(|left, right| left.0.total_cmp(&right.0));
        let line: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(
            text,
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-opacity=\"0.4\" points=\"{}\"/>",
            line.join(" ")
        );
        let (x, y) = (WIDTH - RIGHT + 20.0, TOP + number as f64 * 15.0);
        let _ = writeln!(
            text,
            "<circle cx=\"{x}\" cy=\"{:.1}\" r=\"4\" fill=\"{colour}\"/><text x=\"{}\" y=\"{y:.1}\">{}</text>",
            y - 4.0,
            x + 10.0,
            escape(&series.name)
        );
    }
}
