//! Figures with the privacy budget along the horizontal axis.

use super::{Look, distinct, missing_note, small_panels};
use crate::answer::Answer;
use crate::budget::{Budget, Budgets};
use crate::chart::{Chart, Point, Reference, Series};
use crate::figure_layout::{Entry, Sample, Sheet};
use crate::scale::{Axis, Scale, number};
use syntrace_base::error::Result;

const BUDGET_LABEL: &str = "epsilon (more privacy to the right)";
/// Columns of small panels.
const SMALL: (f64, f64) = (250.0, 190.0);
const LARGE: (f64, f64) = (480.0, 270.0);

fn budget_axis(budgets: &Budgets) -> Axis {
    Axis { label: BUDGET_LABEL.to_owned(), scale: Scale::Places(budgets.names()) }
}

fn panel(title: String, description: String, budgets: &Budgets, y: Axis, size: (f64, f64)) -> Chart {
    Chart {
        title,
        description,
        x: budget_axis(budgets),
        y,
        series: Vec::new(),
        references: Vec::new(),
        upright: None,
        diagonal: false,
        lane: None,
        size,
    }
}

fn unit_axis(label: &str) -> Axis {
    Axis { label: label.to_owned(), scale: Scale::Linear(0.0, 1.0) }
}

/// Generators that have a point somewhere, as a legend.
fn generator_legend(look: &Look, drawn: &[String]) -> Vec<Entry> {
    let known = look.generators.iter().filter(|name| drawn.contains(name));
    known.map(|name| Entry::new(Sample::Series(look.style(name)), name.clone())).collect()
}

/// Values as text for screen readers: `netssm: no DP 0.9, 4 0.5; ...`.
pub(super) fn in_words(budgets: &Budgets, series: &[(String, Vec<Point>)]) -> String {
    let names = budgets.names();
    let point = |point: &Point| {
        let place = point.x.and_then(|x| names.get(x.round() as usize)).map_or("", String::as_str);
        format!("{place}: {}", number((point.y * 1e4).round() / 1e4))
    };
    let lines = series
        .iter()
        .map(|(name, points)| format!("{name} ({})", points.iter().map(point).collect::<Vec<_>>().join(", ")));
    lines.collect::<Vec<_>>().join("; ")
}

/// AUC of the strongest attack with its interval, one panel.
pub(super) fn strongest_attacks(answer: &Answer, look: &Look) -> Result<Option<Sheet>> {
    let trained = Budget::of(answer)?;
    let generators = answer.names("generator")?;
    let attacks = answer.names("attack")?;
    let (auc, low, high) = (answer.numbers("auc")?, answer.numbers("auc_low")?, answer.numbers("auc_high")?);
    let budgets = Budgets::of(&trained);
    let mut lines: Vec<(String, Vec<Point>)> = Vec::new();
    for generator in distinct(&generators) {
        let mut points = Vec::new();
        for row in (0..answer.rows()).filter(|row| generators[*row] == generator) {
            let Some(value) = auc[row] else { continue };
            let short = |value: f64| number((value * 1e4).round() / 1e4);
            let interval = low[row].zip(high[row]);
            let interval =
                interval.map_or(String::new(), |(low, high)| format!(" ({} to {})", short(low), short(high)));
            let budget = trained[row].words();
            let words = format!("{generator}, {budget}: {} {}{interval}", attacks[row], short(value));
            let mut point = Point::new(budgets.place(trained[row]) as f64, value, words);
            point.y_ends = low[row].zip(high[row]);
            points.push(point);
        }
        if !points.is_empty() {
            lines.push((generator, points));
        }
    }
    if lines.is_empty() {
        return Ok(None);
    }
    let description = format!("AUC of the strongest attack. {}", in_words(&budgets, &lines));
    let mut chart = panel("all generators".to_owned(), description, &budgets, unit_axis("AUC"), LARGE);
    chart.references.push(Reference { value: 0.5, style: 0 });
    let drawn: Vec<String> = lines.iter().map(|(name, _)| name.clone()).collect();
    chart.series = lines.into_iter().map(|(name, points)| Series::new(look.style(&name), points)).collect();
    let mut legend = generator_legend(look, &drawn);
    legend.push(Entry::new(Sample::Reference(0), "chance"));
    let without = (0..answer.rows()).filter(|row| auc[*row].is_none());
    let notes = missing_note("Not attacked", without.map(|row| (generators[row].clone(), trained[row].words())));
    Ok(Some(Sheet { panels: vec![chart.draw()], legend, columns: 1, notes }))
}

/// Precision, recall and FPR of one attack a generator.
pub(super) fn figure2(answer: &Answer, look: &Look) -> Result<Option<Sheet>> {
    let trained = Budget::of(answer)?;
    let generators = answer.names("generator")?;
    let attacks = answer.names("attack")?;
    let on_shadows = answer.numbers("auc_on_shadows")?;
    let measures = ["precision", "recall", "fpr"];
    let columns = measures.map(|name| {
        Ok((answer.numbers(name)?, answer.numbers(&format!("{name}_sd"))?, answer.numbers(&format!("paper_{name}"))?))
    });
    let columns = columns.into_iter().collect::<Result<Vec<_>>>()?;
    let budgets = Budgets::of(&trained);
    let attacked = look.generators.iter().filter(|name| generators.contains(name)).count();
    let (width, size) = small_panels(attacked, 220.0);
    let mut panels = Vec::new();
    let mut printed = false;
    for generator in look.generators.iter().filter(|name| generators.contains(name)) {
        let own: Vec<usize> = (0..answer.rows()).filter(|row| generators[*row] == *generator).collect();
        let Some(attack) = drawn_attack(&own, &attacks, &trained, &on_shadows) else { continue };
        let mut rows: Vec<usize> = own.into_iter().filter(|row| attacks[*row] == attack).collect();
        rows.sort_by_key(|row| budgets.place(trained[*row]));
        let mut lines = Vec::new();
        let mut foreign = Vec::new();
        for (style, (name, (values, deviations, paper))) in measures.iter().zip(&columns).enumerate() {
            let place = |row: usize| budgets.place(trained[row]) as f64;
            let label = |row: usize, value: f64| {
                format!("{name}, {}: {}", trained[row].words(), number((value * 1e4).round() / 1e4))
            };
            let points = rows.iter().filter_map(|&row| {
                let value = values[row]?;
                let mut point = Point::new(place(row), value, label(row, value));
                point.y_ends = deviations[row].map(|sd| ((value - sd).max(0.0), (value + sd).min(1.0)));
                Some(point)
            });
            lines.push(((*name).to_owned(), points.collect::<Vec<_>>()));
            let points = rows.iter().filter_map(|&row| {
                let value = paper[row]?;
                Some(Point::new(place(row), value, format!("paper: {}", label(row, value))))
            });
            let points: Vec<Point> = points.collect();
            printed |= !points.is_empty();
            foreign.push(Series { foreign: true, ..Series::new(style, points) });
        }
        let description = format!("{generator} under the attack {attack}. {}", in_words(&budgets, &lines));
        let mut chart = panel(format!("{generator}: {attack}"), description, &budgets, unit_axis("rate"), size);
        chart.x.label = "epsilon".to_owned();
        chart.series = foreign;
        let own = lines.into_iter().enumerate();
        chart.series.extend(own.map(|(style, (_, points))| Series { band: true, ..Series::new(style, points) }));
        panels.push(chart.draw());
    }
    if panels.is_empty() {
        return Ok(None);
    }
    let names = ["precision", "recall (TPR)", "false positive rate"];
    let mut legend: Vec<Entry> =
        names.iter().enumerate().map(|(style, name)| Entry::new(Sample::Series(style), *name)).collect();
    legend.push(Entry::new(Sample::Band, "one standard deviation over targets"));
    if printed {
        legend.push(Entry::new(Sample::Foreign, "the paper"));
    }
    Ok(Some(Sheet { panels, legend, columns: width, notes: Vec::new() }))
}

/// The attack with the largest AUC on shadows at the first budget (without DP, where there is such).
fn drawn_attack(rows: &[usize], attacks: &[String], trained: &[Budget], on_shadows: &[Option<f64>]) -> Option<String> {
    let budgets = Budgets::of(&rows.iter().map(|row| trained[*row]).collect::<Vec<_>>());
    let first = rows.iter().map(|row| budgets.place(trained[*row])).min()?;
    let at_first = rows.iter().filter(|row| budgets.place(trained[**row]) == first);
    let strength = |row: usize| on_shadows[row].unwrap_or(0.0);
    let best = at_first.max_by(|left, right| strength(**left).total_cmp(&strength(**right)))?;
    Some(attacks[*best].clone())
}

pub(super) fn figure3(answer: &Answer, look: &Look) -> Result<Option<Sheet>> {
    let axis = |_: &str, _: &[f64]| Axis { label: "JSD".to_owned(), scale: Scale::Linear(0.0, 1.0) };
    by_field(answer, look, axis)
}

pub(super) fn figure5(answer: &Answer, look: &Look) -> Result<Option<Sheet>> {
    let axis = |field: &str, values: &[f64]| {
        let unit = match field {
            "ip_length" => "bytes",
            "ttl" => "hops",
            field if field.ends_with("_us") => "us",
            _ => "distance",
        };
        Axis { label: unit.to_owned(), scale: Scale::fitting(values.iter().copied()) }
    };
    by_field(answer, look, axis)
}

/// A panel for each dataset and field: generators, and the value of held-out real traces.
fn by_field(answer: &Answer, look: &Look, axis: fn(&str, &[f64]) -> Axis) -> Result<Option<Sheet>> {
    let trained = Budget::of(answer)?;
    let (datasets, fields, generators) = (answer.names("dataset")?, answer.names("field")?, answer.names("generator")?);
    let (values, held_out) = (answer.numbers("value")?, answer.numbers("held_out")?);
    let budgets = Budgets::of(&trained);
    let mut panels = Vec::new();
    let mut drawn = Vec::new();
    for dataset in distinct(&datasets) {
        for field in distinct(&fields) {
            let here = |row: &usize| datasets[*row] == dataset && fields[*row] == field;
            let rows: Vec<usize> = (0..answer.rows()).filter(here).collect();
            let known: Vec<f64> = rows.iter().filter_map(|row| values[*row]).collect();
            let reals: Vec<f64> = rows.iter().filter_map(|row| held_out[*row]).collect();
            if known.is_empty() {
                continue;
            }
            let lines = by_generator(&rows, &generators, &trained, &values, &budgets);
            drawn.extend(lines.iter().map(|(name, _)| name.clone()));
            let reference = (!reals.is_empty()).then(|| reals.iter().sum::<f64>() / reals.len() as f64);
            let all: Vec<f64> = known.iter().copied().chain(reference).collect();
            let description = format!(
                "{field} of {dataset}. {}{}",
                in_words(&budgets, &lines),
                reference.map_or(String::new(), |value| format!(
                    "; held-out real traces {}",
                    number((value * 1e4).round() / 1e4)
                ))
            );
            let mut chart = panel(format!("{dataset}: {field}"), description, &budgets, axis(&field, &all), SMALL);
            chart.x.label = "epsilon".to_owned();
            chart.references.extend(reference.map(|value| Reference { value, style: 0 }));
            chart.series = lines.into_iter().map(|(name, points)| Series::new(look.style(&name), points)).collect();
            panels.push(chart.draw());
        }
    }
    if panels.is_empty() {
        return Ok(None);
    }
    let mut legend = generator_legend(look, &drawn);
    legend.push(Entry::new(Sample::Reference(0), "held-out real traces"));
    let without = (0..answer.rows()).filter(|row| values[*row].is_none());
    let notes = missing_note(
        "Nothing to compare (no packet that parses, or the field does not occur)",
        without.map(|row| (format!("{} {}", generators[row], trained[row].words()), datasets[row].clone())),
    );
    Ok(Some(Sheet { panels, legend, columns: 4, notes }))
}

/// Points by generator, in the order of the budgets.
fn by_generator(
    rows: &[usize],
    generators: &[String],
    trained: &[Budget],
    values: &[Option<f64>],
    budgets: &Budgets,
) -> Vec<(String, Vec<Point>)> {
    let mut lines: Vec<(String, Vec<Point>)> = Vec::new();
    let mut rows = rows.to_vec();
    rows.sort_by_key(|row| budgets.place(trained[*row]));
    for row in rows {
        let Some(value) = values[row] else { continue };
        let name = &generators[row];
        let words = format!("{name}, {}: {}", trained[row].words(), number((value * 1e4).round() / 1e4));
        let point = Point::new(budgets.place(trained[row]) as f64, value, words);
        match lines.iter_mut().find(|(known, _)| known == name) {
            Some((_, points)) => points.push(point),
            None => lines.push((name.clone(), vec![point])),
        }
    }
    lines
}

pub(super) fn figure4(answer: &Answer, look: &Look) -> Result<Option<Sheet>> {
    let columns = Downstream { value: "accuracy", real: "members_accuracy", guess: "guess_accuracy", paper: None };
    by_dataset(answer, look, &columns, unit_axis("accuracy"))
}

pub(super) fn figure9(answer: &Answer, look: &Look) -> Result<Option<Sheet>> {
    let columns = Downstream { value: "f1", real: "members_f1", guess: "guess_f1", paper: Some("paper_f1") };
    by_dataset(answer, look, &columns, unit_axis("F1, mean over classes"))
}

pub(super) fn figure6(answer: &Answer, look: &Look) -> Result<Option<Sheet>> {
    let columns = Downstream { value: "mae", real: "members_mae", guess: "guess_mae", paper: Some("paper_mae") };
    let mut values = Vec::new();
    for name in ["mae", "members_mae", "guess_mae", "paper_mae"] {
        values.extend(answer.numbers(name)?.into_iter().flatten());
    }
    let axis = Axis { label: "median MAE, bytes".to_owned(), scale: Scale::from_zero(values.into_iter()) };
    by_dataset(answer, look, &columns, axis)
}

/// Column names of a downstream measure.
struct Downstream {
    value: &'static str,
    real: &'static str,
    guess: &'static str,
    paper: Option<&'static str>,
}

/// A panel for each dataset: generators, and the same learner on real traffic and a guess.
fn by_dataset(answer: &Answer, look: &Look, columns: &Downstream, y: Axis) -> Result<Option<Sheet>> {
    let trained = Budget::of(answer)?;
    let (datasets, generators) = (answer.names("dataset")?, answer.names("generator")?);
    let values = answer.numbers(columns.value)?;
    let (real, guess) = (answer.numbers(columns.real)?, answer.numbers(columns.guess)?);
    let paper = columns.paper.map(|name| answer.numbers(name)).transpose()?;
    let budgets = Budgets::of(&trained);
    let (mut panels, mut drawn, mut printed) = (Vec::new(), Vec::new(), false);
    for dataset in distinct(&datasets) {
        let rows: Vec<usize> = (0..answer.rows()).filter(|row| datasets[*row] == dataset).collect();
        let lines = by_generator(&rows, &generators, &trained, &values, &budgets);
        if lines.is_empty() {
            continue;
        }
        drawn.extend(lines.iter().map(|(name, _)| name.clone()));
        let description = format!("{} on {dataset}. {}", y.label, in_words(&budgets, &lines));
        let mut chart = panel(dataset, description, &budgets, y.clone(), LARGE);
        if let Some(paper) = &paper {
            let foreign = by_generator(&rows, &generators, &trained, paper, &budgets);
            printed |= !foreign.is_empty();
            let foreign = foreign.into_iter().map(|(name, mut points)| {
                points.iter_mut().for_each(|point| point.label.insert_str(0, "paper: "));
                Series { foreign: true, ..Series::new(look.style(&name), points) }
            });
            chart.series.extend(foreign);
        }
        chart.series.extend(lines.into_iter().map(|(name, points)| Series::new(look.style(&name), points)));
        for (style, values) in [&real, &guess].into_iter().enumerate() {
            let value = rows.iter().find_map(|row| values[*row]);
            chart.references.extend(value.map(|value| Reference { value, style }));
        }
        panels.push(chart.draw());
    }
    if panels.is_empty() {
        return Ok(None);
    }
    let mut legend = generator_legend(look, &drawn);
    legend.push(Entry::new(Sample::Reference(0), "trained on real traces"));
    legend.push(Entry::new(Sample::Reference(1), "a guess"));
    if printed {
        legend.push(Entry::new(Sample::Foreign, "the paper"));
    }
    let without = (0..answer.rows()).filter(|row| values[*row].is_none());
    let notes = missing_note(
        "Not measured (no synthetic trace to learn from in some class)",
        without.map(|row| (format!("{} {}", generators[row], trained[row].words()), datasets[row].clone())),
    );
    Ok(Some(Sheet { panels, legend, columns: 2, notes }))
}
