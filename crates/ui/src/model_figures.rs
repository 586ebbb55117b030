//! Figures of one model: its lineage, the ROC curves of its attacks, its losses.

use crate::answer::Answer;
use syntrace_base::error::Result;
use syntrace_report::{Axis, Chart, Drawing, LineageBox, LineageColumn, Point, Scale, Series, lineage_graph, number};

const SIZE: (f64, f64) = (480.0, 300.0);

/// Curves that are drawn: more cannot be told apart.
const CURVES_MAX: usize = 12;

/// More points than this are a line without marks.
const MARKS_MAX: usize = 40;

/// Smallest rate that an axis shows.
const FLOOR_LEAST: f64 = 1e-3;

/// A number with four decimals at most.
pub(crate) fn short(value: f64) -> String {
    number((value * 1e4).round() / 1e4)
}

/// A curve with its corners: false and true positive rate.
struct Curve {
    name: String,
    corners: Vec<(f64, f64)>,
    smallest_fpr: f64,
}

/// ROC curves on log axes, from the rows `attack_id, name, auc, smallest_fpr, fpr, tpr`, the corners of an attack together.
pub(crate) fn roc(rows: &Answer) -> Result<Drawing> {
    let (ids, names) = (rows.texts("attack_id")?, rows.texts("name")?);
    let (auc, smallest) = (rows.numbers("auc")?, rows.numbers("smallest_fpr")?);
    let (fpr, tpr) = (rows.numbers("fpr")?, rows.numbers("tpr")?);
    let mut curves: Vec<Curve> = Vec::new();
    for row in 0..rows.rows() {
        if row == 0 || ids[row] != ids[row - 1] {
            let auc = auc[row].map_or(String::new(), |auc| format!(", AUC {}", short(auc)));
            let name = format!("{}{auc}", names[row].as_deref().unwrap_or_default());
            curves.push(Curve { name, corners: Vec::new(), smallest_fpr: smallest[row].unwrap_or(1.0) });
        }
        if let (Some(last), Some(fpr), Some(tpr)) = (curves.last_mut(), fpr[row], tpr[row]) {
            last.corners.push((fpr, tpr));
        }
    }
    let left_out = curves.len().saturating_sub(CURVES_MAX);
    curves.truncate(CURVES_MAX);
    let resolution = curves.iter().map(|curve| curve.smallest_fpr).fold(1.0f64, f64::min);
    let floor = 10f64.powf((resolution * 0.999).log10().floor()).clamp(FLOOR_LEAST, 0.1);
    let axis = |label: &str| Axis { label: label.to_owned(), scale: Scale::Log(floor, 1.0) };
    let series = curves.iter().enumerate().map(|(style, curve)| {
        // What is found without any false positive stands at the left edge.
        let first = curve.corners.iter().filter(|(fpr, _)| *fpr <= floor).map(|(_, tpr)| *tpr).fold(0.0f64, f64::max);
        let rest = curve.corners.iter().filter(|(fpr, _)| *fpr > floor).copied();
        let points = std::iter::once((floor, first)).chain(rest);
        let points = points.map(|(fpr, tpr)| Point::new(fpr, tpr.max(floor), String::new()));
        Series { marks: false, ..Series::new(style, points.collect()) }
    });
    let mut chart = Chart::new("", axis("false positive rate"), axis("true positive rate"), series.collect(), SIZE);
    chart.diagonal = true;
    let words: Vec<&str> = curves.iter().map(|curve| curve.name.as_str()).collect();
    chart.description = format!("ROC curves: {}", words.join("; "));
    let legend = curves.into_iter().enumerate().map(|(style, curve)| (style, curve.name)).collect();
    let mut drawing = Drawing::of("roc", vec![chart], legend);
    drawing.notes.push(format!("One held-out trace is a rate of {}.", short(resolution)));
    if left_out > 0 {
        drawing.notes.push(format!("{left_out} more curves are in the table alone."));
    }
    Ok(drawing)
}

/// Losses by epoch, from the rows of `epochs`.
pub(crate) fn losses(rows: &Answer) -> Result<Drawing> {
    let epochs = rows.numbers("epoch")?;
    let kinds = [("train_loss", "in training"), ("member_loss", "members"), ("held_out_loss", "held-out traces")];
    let (mut series, mut legend, mut words) = (Vec::new(), Vec::new(), Vec::new());
    for (style, (column, name)) in kinds.into_iter().enumerate() {
        let values = rows.numbers(column)?;
        let point = |(epoch, value): (&Option<f64>, &Option<f64>)| {
            let (epoch, value) = ((*epoch)? + 1.0, (*value)?);
            Some(Point::new(epoch, value, format!("{name}, epoch {epoch}: {}", short(value))))
        };
        let points: Vec<Point> = epochs.iter().zip(&values).filter_map(point).collect();
        let Some(last) = points.last() else { continue };
        words.push(last.label.clone());
        let marks = points.len() <= MARKS_MAX;
        series.push(Series { marks, ..Series::new(style, points) });
        legend.push((style, name.to_owned()));
    }
    if series.is_empty() {
        return Ok(Drawing::default());
    }
    let points = || series.iter().flat_map(|series| &series.points);
    let last = points().filter_map(|point| point.x).fold(1.0f64, f64::max);
    let x = Axis { label: "epoch".to_owned(), scale: Scale::Linear(0.0, last) };
    let values: Vec<f64> = points().map(|point| point.y).collect();
    let y = Axis { label: "loss".to_owned(), scale: Scale::around(values.into_iter()) };
    let mut chart = Chart::new("", x, y, series, SIZE);
    chart.description = format!("Losses by epoch. At the end: {}", words.join("; "));
    Ok(Drawing::of("losses", vec![chart], legend))
}

/// What is counted of a model, with the address and the words of each.
const RESULTS: [(&str, &str, &str); 3] = [
    ("synthetic", "Synthetic traces", "/table/synthetic_traces?model_id="),
    ("attacks", "Attacks", "/table/attacks?model_id="),
    ("descendants", "Models that start from it", "/table/lineage?source_id="),
];

/// The lineage as a graph: from the rows of `lineage`, and one row with how much was made of the model.
pub(crate) fn lineage(id: &str, name: &str, rows: &Answer, results: &Answer, names_members: bool) -> Result<String> {
    let (kinds, sources, words) = (rows.texts("kind")?, rows.texts("source_id")?, rows.texts("description")?);
    let (through, private) = (rows.texts("through_mechanism")?, rows.texts("saw_private")?);
    let is = |values: &[Option<String>], row: usize| values[row].as_deref() == Some("true");
    let mut boxes = Vec::new();
    for row in 0..rows.rows() {
        let kind = kinds[row].as_deref().unwrap_or_default();
        let source = sources[row].as_deref().unwrap_or_default();
        let column = match kind {
            "training_traces" | "public_traces" | "released_traces" => LineageColumn::Traffic,
            _ => LineageColumn::Start,
        };
        let link = match kind {
            "weights" | "released_traces" => Some(format!("/model/{source}")),
            "training_traces" if names_members => Some(format!("/table/splits?split_id={source}")),
            _ => None,
        };
        let leaks = is(&private, row) && !is(&through, row);
        let past = if leaks { "; private, past any mechanism" } else { "" };
        let words = format!("{}{past}", words[row].as_deref().unwrap_or_default());
        boxes.push(LineageBox { column, title: kind.replace('_', " "), words, link, leaks });
    }
    boxes.push(LineageBox {
        column: LineageColumn::Model,
        title: "this model".to_owned(),
        words: name.to_owned(),
        link: None,
        leaks: false,
    });
    for (column, title, address) in RESULTS {
        let count = results.numbers(column)?.into_iter().flatten().next().unwrap_or(0.0);
        if count > 0.0 {
            boxes.push(LineageBox {
                column: LineageColumn::Result,
                title: title.to_owned(),
                words: number(count),
                link: Some(format!("{address}{id}")),
                leaks: false,
            });
        }
    }
    Ok(lineage_graph(&boxes, "lineage"))
}
