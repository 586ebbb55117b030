//! Figures with training along the horizontal axis.

use super::{Look, distinct, small_panels};
use crate::answer::Answer;
use crate::budget::{Budget, Budgets};
use crate::chart::{Chart, Point, Series};
use crate::figure_layout::{Entry, Sample, Sheet};
use crate::scale::{Axis, Scale, number};
use syntrace_base::error::Result;

/// More points than this are a line without markers.
const MARKS_MAX: usize = 12;

/// Relative generalization gap by epoch, a panel for each dataset and generator; in standard deviations for one
/// whose loss is defined only up to a constant, so that a relative gap is undefined.
pub(super) fn gaps(answer: &Answer, look: &Look) -> Result<Option<Sheet>> {
    let regimes = Budget::of(answer)?;
    let (datasets, generators) = (answer.names("dataset")?, answer.names("generator")?);
    let epochs = answer.numbers("epoch")?;
    let (percents, deviations) = (answer.numbers("relative_gap_percent")?, answer.numbers("standardised_gap")?);
    let budgets = Budgets::of(&regimes);
    let trained = look.generators.iter().filter(|name| generators.contains(name)).count();
    let (columns, size) = small_panels(trained, 200.0);
    let mut panels = Vec::new();
    for dataset in distinct(&datasets) {
        for generator in look.generators.iter().filter(|name| generators.contains(name)) {
            let here = |row: &usize| datasets[*row] == dataset && generators[*row] == *generator;
            let rows: Vec<usize> = (0..answer.rows()).filter(here).collect();
            let relative = rows.iter().any(|&row| percents[row].is_some());
            let (gaps, unit) = if relative { (&percents, "%") } else { (&deviations, "standard deviations") };
            let mut series = Vec::new();
            let mut words = Vec::new();
            for (budget, name) in budgets.list() {
                let own = rows.iter().filter(|row| regimes[**row] == budget);
                let points = own.filter_map(|&row| {
                    let (x, y) = (epochs[row]?, gaps[row]?);
                    Some(Point::new(
                        x + 1.0,
                        y,
                        format!("{name}, epoch {}: {} {unit}", x + 1.0, number((y * 100.0).round() / 100.0)),
                    ))
                });
                let points: Vec<Point> = points.collect();
                let Some(last) = points.last() else { continue };
                words.push(format!("{name}: {} {unit} at the last epoch", number((last.y * 100.0).round() / 100.0)));
                let marks = points.len() <= MARKS_MAX;
                series.push(Series { marks, ..Series::new(budgets.place(budget), points) });
            }
            if series.is_empty() {
                continue;
            }
            let values = series.iter().flat_map(|series| series.points.iter());
            let last = values.clone().filter_map(|point| point.x).fold(1.0f64, f64::max);
            let chart = Chart {
                title: format!("{dataset}: {generator}"),
                description: format!("Generalization gap of {generator} on {dataset}. {}", words.join("; ")),
                x: Axis { label: "epoch".to_owned(), scale: Scale::Linear(0.0, last) },
                y: Axis {
                    label: format!("gap, {}", if unit == "%" { "percent" } else { unit }),
                    scale: Scale::from_zero(values.map(|point| point.y)),
                },
                series,
                references: Vec::new(),
                upright: None,
                diagonal: false,
                lane: None,
                size,
            };
            panels.push(chart.draw());
        }
    }
    if panels.is_empty() {
        return Ok(None);
    }
    let legend = budgets.list().map(|(budget, words)| Entry::new(Sample::Series(budgets.place(budget)), words));
    Ok(Some(Sheet { panels, legend: legend.collect(), columns, notes: Vec::new() }))
}
