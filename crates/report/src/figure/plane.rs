//! Figures with a measure along both axes: privacy or fidelity against utility, ROC curves.

use super::{Look, Mark, distinct, missing_note, small_panels};
use crate::answer::Answer;
use crate::budget::{Budget, Budgets};
use crate::chart::{Chart, Point, Reference, Series};
use crate::figure_layout::{Entry, Sample, Sheet};
use crate::scale::{Axis, Scale, number};
use syntrace_base::error::Result;

const SIZE: (f64, f64) = (480.0, 330.0);

fn short(value: f64) -> String {
    number((value * 1e4).round() / 1e4)
}

/// Generators as markers, budgets by how full they are.
fn scatter_legend(look: &Look, drawn: &[String], budgets: &Budgets) -> Vec<Entry> {
    let known = look.generators.iter().filter(|name| drawn.contains(name));
    let mut legend: Vec<Entry> = known.map(|name| Entry::new(Sample::Series(look.style(name)), name.clone())).collect();
    let grey = 6;
    legend.extend(budgets.list().map(|(budget, words)| Entry::new(Sample::Mark(grey, budgets.fill(budget)), words)));
    legend
}

/// The columns that both scatter plots have.
struct Plane {
    datasets: Vec<String>,
    generators: Vec<String>,
    trained: Vec<Budget>,
    budgets: Budgets,
}

impl Plane {
    fn of(answer: &Answer) -> Result<Self> {
        let trained = Budget::of(answer)?;
        let budgets = Budgets::of(&trained);
        Ok(Self { datasets: answer.names("dataset")?, generators: answer.names("generator")?, trained, budgets })
    }

    /// Series of a dataset by generator, in the order of the budgets; `point` gives a row's point.
    fn series(&self, look: &Look, dataset: &str, point: impl Fn(usize) -> Option<Point>) -> Vec<(String, Series)> {
        let mut found: Vec<(String, Series)> = Vec::new();
        let mut rows: Vec<usize> = (0..self.datasets.len()).filter(|row| self.datasets[*row] == dataset).collect();
        rows.sort_by_key(|row| self.budgets.place(self.trained[*row]));
        for row in rows {
            let Some(mut point) = point(row) else { continue };
            point.fill = self.budgets.fill(self.trained[row]);
            let name = &self.generators[row];
            match found.iter_mut().find(|(known, _)| known == name) {
                Some((_, series)) => series.points.push(point),
                None => found.push((name.clone(), Series::new(look.style(name), vec![point]))),
            }
        }
        found
    }

    fn words(&self, row: usize) -> String {
        format!("{}, {}", self.generators[row], self.trained[row].words())
    }

    fn missing(&self, what: &str, missing: impl Fn(usize) -> bool) -> Vec<String> {
        let rows = (0..self.datasets.len()).filter(|row| missing(*row));
        missing_note(
            what,
            rows.map(|row| {
                (format!("{} {}", self.generators[row], self.trained[row].words()), self.datasets[row].clone())
            }),
        )
    }
}

fn chart(title: &str, x: Axis, y: Axis, series: Vec<(String, Series)>) -> Chart {
    let words = series.iter().flat_map(|(_, series)| series.points.iter().map(|point| point.label.clone()));
    let description = format!("{title}. {}", words.collect::<Vec<_>>().join("; "));
    Chart {
        title: title.to_owned(),
        description,
        x,
        y,
        series: series.into_iter().map(|(_, series)| series).collect(),
        references: Vec::new(),
        upright: None,
        diagonal: false,
        lane: None,
        size: SIZE,
    }
}

/// AUC of the strongest attack against the accuracy of classifiers, a panel for each dataset.
pub(super) fn privacy_vs_utility(answer: &Answer, look: &Look) -> Result<Option<Sheet>> {
    let plane = Plane::of(answer)?;
    let (auc, low, high) = (answer.numbers("auc")?, answer.numbers("auc_low")?, answer.numbers("auc_high")?);
    let (accuracy, plans, regimes) = (answer.numbers("accuracy")?, answer.names("plan")?, answer.names("regime")?);
    let (real, guess) = (answer.numbers("members_accuracy")?, answer.numbers("guess_accuracy")?);
    let lowest = low.iter().chain(&auc).flatten().fold(0.5f64, |low, value| low.min(*value));
    let left = (lowest * 10.0).floor() / 10.0;
    let (mut panels, mut drawn) = (Vec::new(), Vec::new());
    for dataset in distinct(&plane.datasets) {
        let series = plane.series(look, &dataset, |row| {
            let y = accuracy[row]?;
            let interval = low[row].zip(high[row]).map(|(low, high)| format!(" ({} to {})", short(low), short(high)));
            let interval = interval.unwrap_or_default();
            let attack = auc[row].map_or("no attack".to_owned(), |auc| format!("AUC {}{interval}", short(auc)));
            let label = format!("{}: {attack}, accuracy {}", plane.words(row), short(y));
            let (generator, regime) = (&plane.generators[row], &regimes[row]);
            let link = look.link.map(|link| link(&Mark { dataset: &dataset, generator, regime, plan: &plans[row] }));
            Some(Point {
                x: auc[row],
                x_ends: auc[row].and(low[row].zip(high[row])),
                link,
                ..Point::new(0.0, y, label)
            })
        });
        if series.is_empty() {
            continue;
        }
        drawn.extend(series.iter().map(|(name, _)| name.clone()));
        let x =
            Axis { label: "AUC of the strongest attack (0.5 = chance)".to_owned(), scale: Scale::Linear(left, 1.0) };
        let y = Axis { label: "accuracy of classifiers".to_owned(), scale: Scale::Linear(0.0, 1.0) };
        let lane = series.iter().any(|(_, series)| series.points.iter().any(|point| point.x.is_none()));
        let mut chart = chart(&dataset, x, y, series);
        chart.upright = Some(0.5);
        chart.lane = lane.then(|| "no attack".to_owned());
        for (style, values) in [&real, &guess].into_iter().enumerate() {
            let here = (0..answer.rows()).filter(|row| plane.datasets[*row] == dataset);
            let value = here.filter_map(|row| values[row]).next();
            chart.references.extend(value.map(|value| Reference { value, style }));
        }
        panels.push(chart.draw());
    }
    if panels.is_empty() {
        return Ok(None);
    }
    let mut legend = scatter_legend(look, &drawn, &plane.budgets);
    legend.push(Entry::new(Sample::Reference(0), "trained on real traces"));
    legend.push(Entry::new(Sample::Reference(1), "a guess; chance"));
    let notes = plane.missing("No classifier could be trained", |row| accuracy[row].is_none());
    Ok(Some(Sheet { panels, legend, columns: 2, notes }))
}

/// Mean distance against the accuracy of classifiers, a panel for each dataset.
pub(super) fn fidelity_vs_utility(answer: &Answer, look: &Look) -> Result<Option<Sheet>> {
    let plane = Plane::of(answer)?;
    let (jsd, accuracy) = (answer.numbers("jsd")?, answer.numbers("accuracy")?);
    let (mut panels, mut drawn) = (Vec::new(), Vec::new());
    for dataset in distinct(&plane.datasets) {
        let series = plane.series(look, &dataset, |row| {
            let (x, y) = (jsd[row]?, accuracy[row]?);
            let label = format!("{}: JSD {}, accuracy {}", plane.words(row), short(x), short(y));
            Some(Point::new(x, y, label))
        });
        if series.is_empty() {
            continue;
        }
        drawn.extend(series.iter().map(|(name, _)| name.clone()));
        let x = Axis { label: "mean Jensen-Shannon distance".to_owned(), scale: Scale::Linear(0.0, 1.0) };
        let y = Axis { label: "accuracy of classifiers".to_owned(), scale: Scale::Linear(0.0, 1.0) };
        panels.push(chart(&dataset, x, y, series).draw());
    }
    if panels.is_empty() {
        return Ok(None);
    }
    let legend = scatter_legend(look, &drawn, &plane.budgets);
    let notes = plane.missing("Not measured (no packet that parses in some class)", |row| {
        jsd[row].is_none() || accuracy[row].is_none()
    });
    Ok(Some(Sheet { panels, legend, columns: 2, notes }))
}

/// ROC curves with both axes logarithmic, a panel for each generator.
pub(super) fn roc_curves(answer: &Answer, look: &Look) -> Result<Option<Sheet>> {
    let trained = Budget::of(answer)?;
    let (generators, attacks) = (answer.names("generator")?, answer.names("attack")?);
    let (fpr, tpr, smallest) = (answer.numbers("fpr")?, answer.numbers("tpr")?, answer.numbers("smallest_fpr")?);
    let resolution = smallest.iter().flatten().fold(1.0f64, |low, value| low.min(*value));
    let floor = 10f64.powf((resolution * 0.999).log10().floor()).clamp(1e-3, 0.1);
    let budgets = Budgets::of(&trained);
    let attacked = look.generators.iter().filter(|name| generators.contains(name)).count();
    let (columns, size) = small_panels(attacked, 250.0);
    let mut panels = Vec::new();
    for generator in look.generators.iter().filter(|name| generators.contains(name)) {
        let mut series: Vec<(String, Series)> = Vec::new();
        for (budget, words) in budgets.list() {
            let own = |row: &usize| generators[*row] == *generator && trained[*row] == budget;
            let rows: Vec<usize> = (0..answer.rows()).filter(own).collect();
            let points = rows.iter().filter_map(|&row| {
                let (x, y) = (fpr[row]?, tpr[row]?);
                (x >= floor * 0.999).then(|| Point::new(x, y.max(floor), String::new()))
            });
            let points: Vec<Point> = points.collect();
            if points.is_empty() {
                continue;
            }
            let attack = rows.first().map_or("", |row| attacks[*row].as_str());
            let at = |wanted: f64| rows.iter().find(|row| fpr[**row] == Some(wanted)).and_then(|row| tpr[*row]);
            let reached = at(0.1).map_or(String::new(), |tpr| format!(", TPR {} at FPR 0.1", short(tpr)));
            let style = budgets.place(budget);
            series
                .push((format!("{words} ({attack}{reached})"), Series { marks: false, ..Series::new(style, points) }));
        }
        if series.is_empty() {
            continue;
        }
        let words: Vec<String> = series.iter().map(|(words, _)| words.clone()).collect();
        let axis = |label: &str| Axis { label: label.to_owned(), scale: Scale::Log(floor, 1.0) };
        let mut chart = chart(generator, axis("false positive rate"), axis("true positive rate"), series);
        chart.description = format!("{generator}. {}", words.join("; "));
        chart.diagonal = true;
        chart.size = size;
        panels.push(chart.draw());
    }
    if panels.is_empty() {
        return Ok(None);
    }
    let mut legend: Vec<Entry> =
        budgets.list().map(|(budget, words)| Entry::new(Sample::Line(budgets.place(budget)), words)).collect();
    legend.push(Entry::new(Sample::Reference(1), "chance"));
    let notes = vec![format!(
        "One held-out trace is a rate of {}: smaller rates cannot be told from 0. Where a curve lies on the lower edge, \
         it is there or below.",
        short(resolution)
    )];
    Ok(Some(Sheet { panels, legend, columns, notes }))
}
