//! Rows of a statement as a chart: which columns are drawn, and how, is part of the address.

use crate::answer::{Answer, generators};
use crate::model_figures::short;
use crate::query_string::QueryString;
use crate::study::View;
use syntrace_base::error::{Error, Result};
use syntrace_report::{Axis, Chart, Drawing, Point, Scale, Series, generator_style};

/// Name of the kind of chart in an address.
const CHART: &str = "_chart";
/// Name of the column across.
const ACROSS: &str = "_x";
/// Name of the column up.
const UP: &str = "_y";
/// Name of the column whose values are series.
const BY: &str = "_by";

/// Kinds of charts, with words for them.
const KINDS: [(&str, &str); 3] = [("points", "points"), ("lines", "lines"), ("bars", "bars")];

/// Names on an axis, and series: more cannot be told apart.
const NAMES_MAX: usize = 40;

const SIZE: (f64, f64) = (480.0, 300.0);

/// A field of the form.
pub(crate) struct ColumnField {
    /// Its name in the address.
    pub name: &'static str,
    /// What it is, in words.
    pub words: &'static str,
    /// The columns, and whether each is chosen.
    pub columns: Vec<(String, bool)>,
}

/// The form that asks for a chart, and what it drew.
pub(crate) struct ChartForm {
    /// Name, words, and whether it is asked for.
    pub kinds: Vec<(&'static str, &'static str, bool)>,
    /// What chooses a column each.
    pub fields: Vec<ColumnField>,
    /// The rest of the address.
    pub kept: Vec<(String, String)>,
    /// The chart; `None` where it was not asked for.
    pub drawing: Option<Drawing>,
    /// Why there is none.
    pub failure: Option<String>,
}

impl ChartForm {
    /// What an address asks for, of the rows of an answer.
    pub async fn of(view: &View<'_>, answer: &Answer, query: &QueryString) -> Result<Self> {
        let columns: Vec<String> = answer.schema.fields().iter().map(|field| field.name().clone()).collect();
        let asked = query.get(CHART).filter(|asked| KINDS.iter().any(|(kind, _)| kind == asked));
        let field = |name: &'static str, words: &'static str| {
            let chosen = |column: &String| (column.clone(), query.get(name) == Some(column.as_str()));
            ColumnField { name, words, columns: columns.iter().map(chosen).collect() }
        };
        let drawn = match asked {
            Some(kind) => Some(draw(view, answer, query, kind).await),
            None => None,
        };
        let (drawing, failure) = match drawn {
            Some(Ok(drawing)) => (Some(drawing), None),
            Some(Err(error)) => (None, Some(error.to_string())),
            None => (None, None),
        };
        Ok(Self {
            kinds: KINDS.into_iter().map(|(kind, words)| (kind, words, asked == Some(kind))).collect(),
            fields: vec![field(ACROSS, "Across"), field(UP, "Up"), field(BY, "Series")],
            kept: [CHART, ACROSS, UP, BY]
                .iter()
                .fold(query.clone(), |query, name| query.without(name))
                .pairs()
                .to_vec(),
            drawing,
            failure,
        })
    }
}

/// The columns that are drawn.
struct Columns {
    across: String,
    up: String,
    /// Where rows stand: their names, or their numbers.
    names: Vec<String>,
    /// Empty where the axis has names.
    numbers: Vec<Option<f64>>,
    /// The names on the axis; empty where it has numbers.
    places: Vec<String>,
    values: Vec<Option<f64>>,
    /// Intervals of the values; empty where the answer has none.
    ends: [Vec<Option<f64>>; 2],
    /// The series of each row.
    series: Vec<String>,
}

impl Columns {
    /// Reads what an address asks for.
    fn of(answer: &Answer, query: &QueryString, kind: &str) -> Result<Self> {
        let (across, up) = (column(answer, query, ACROSS, "Across")?, column(answer, query, UP, "Up")?);
        let kind_of = |name: &str| answer.schema.field_with_name(name).map(|field| field.data_type().is_numeric());
        let is_numeric = |name: &str| kind_of(name).unwrap_or(false);
        if !is_numeric(&up) {
            return Err(Error::user(format!("expected numbers to draw, `{up}` has none")));
        }
        let words = |name: &str| -> Result<Vec<String>> {
            Ok(answer.texts(name)?.into_iter().map(|text| text.unwrap_or_else(|| "none".to_owned())).collect())
        };
        let optional = |name: String| if kind_of(&name).is_ok() { answer.numbers(&name) } else { Ok(Vec::new()) };
        let names = words(&across)?;
        let is_named = kind == "bars" || !is_numeric(&across);
        let places = if is_named { distinct(&names) } else { Vec::new() };
        if places.len() > NAMES_MAX {
            return Err(Error::user(format!(
                "`{across}` has more than {NAMES_MAX} values, too many for an axis of names"
            )));
        }
        let series = match query.get(BY) {
            Some(_) => words(&column(answer, query, BY, "Series")?)?,
            None => vec![up.clone(); answer.rows()],
        };
        Ok(Self {
            numbers: if is_named { Vec::new() } else { answer.numbers(&across)? },
            values: answer.numbers(&up)?,
            ends: [optional(format!("{up}_low"))?, optional(format!("{up}_high"))?],
            across,
            up,
            names,
            places,
            series,
        })
    }

    fn interval(&self, row: usize) -> Option<(f64, f64)> {
        let [low, high] = &self.ends;
        low.get(row).copied().flatten().zip(high.get(row).copied().flatten())
    }

    fn point(&self, row: usize) -> Option<Point> {
        let (value, name) = (self.values[row]?, &self.names[row]);
        let place = match self.places.is_empty() {
            true => self.numbers[row]?,
            false => self.places.iter().position(|known| known == name)? as f64,
        };
        let interval = self.interval(row);
        let shown = interval.map_or(String::new(), |(low, high)| format!(" ({} to {})", short(low), short(high)));
        let label = format!("{}, {} {name}: {}{shown}", self.series[row], self.across, short(value));
        Some(Point { y_ends: interval, ..Point::new(place, value, label) })
    }

    /// All numbers along the vertical axis.
    fn heights(&self) -> Vec<f64> {
        self.values.iter().chain(self.ends.iter().flatten()).flatten().copied().collect()
    }
}

/// The column of the answer that an address names.
fn column(answer: &Answer, query: &QueryString, name: &str, words: &str) -> Result<String> {
    let chosen = query.get(name).ok_or_else(|| Error::user(format!("choose a column for `{words}`")))?;
    let known = answer.schema.field_with_name(chosen);
    known.map(|_| chosen.to_owned()).map_err(|_| Error::user(format!("the answer has no column `{chosen}`")))
}

async fn draw(view: &View<'_>, answer: &Answer, query: &QueryString, kind: &str) -> Result<Drawing> {
    let columns = Columns::of(answer, query, kind)?;
    let generators = generators(view).await?;
    let (mut series, mut legend) = (Vec::new(), Vec::new());
    for (place, name) in distinct(&columns.series).iter().take(NAMES_MAX).enumerate() {
        let rows = (0..answer.rows()).filter(|row| columns.series[*row] == *name);
        let points: Vec<Point> = rows.filter_map(|row| columns.point(row)).collect();
        if points.is_empty() {
            continue;
        }
        let style = if query.get(BY) == Some("generator") { generator_style(name, &generators) } else { place };
        legend.push((style, name.clone()));
        series.push(match kind {
            "bars" => Series::of_bars(style, points),
            kind => Series { line: kind == "lines", ..Series::new(style, points) },
        });
    }
    if series.is_empty() {
        return Err(Error::user("no row has a number to draw"));
    }
    let heights = columns.heights().into_iter();
    let y = if kind == "bars" { Scale::from_zero(heights) } else { Scale::around(heights) };
    let numbers = columns.numbers.iter().flatten().copied();
    let x = if columns.places.is_empty() { Scale::around(numbers) } else { Scale::Places(columns.places.clone()) };
    let axis = |label: &str, scale: Scale| Axis { label: label.to_owned(), scale };
    let mut chart = Chart::new("", axis(&columns.across, x), axis(&columns.up, y), series, SIZE);
    chart.description = format!("{} by {}; the rows are in the table", columns.up, columns.across);
    Ok(Drawing::of("chart", vec![chart], legend))
}

/// The values that occur, in the order of their first row; of very many not all.
fn distinct(values: &[String]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for value in values {
        if found.len() > NAMES_MAX {
            break;
        }
        if !found.contains(value) {
            found.push(value.clone());
        }
    }
    found
}
