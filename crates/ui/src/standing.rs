//! Where a real trace stands among all that an attack scored.

use crate::answer::Answer;
use crate::model_figures::short;
use crate::study::View;
use syntrace_base::error::Result;
use syntrace_report::{Axis, Chart, Drawing, Point, Scale, Series};

/// Attacks whose scores are drawn.
const ATTACKS_MAX: usize = 6;

/// Scores of all these attacks that are read.
const SCORES_MAX: usize = 200_000;

/// Bars of a histogram.
const BARS: usize = 20;

const SIZE: (f64, f64) = (480.0, 230.0);

/// Styles of members, held-out traces, and the trace itself.
const STYLES: [usize; 3] = [0, 1, 6];

/// Scores of one attack.
#[derive(Default)]
struct Scores {
    name: String,
    /// That of the trace.
    own: f64,
    members: Vec<f64>,
    held_out: Vec<f64>,
}

impl Scores {
    /// How many traces have a larger score, and how many there are.
    fn place(&self) -> (usize, usize) {
        let all = || self.members.iter().chain(&self.held_out);
        (all().filter(|score| **score > self.own).count() + 1, all().count())
    }

    fn chart(&self) -> Chart {
        let all = || self.members.iter().chain(&self.held_out).copied();
        let (low, high) = (all().fold(self.own, f64::min), all().fold(self.own, f64::max));
        let width = if high > low { (high - low) / BARS as f64 } else { 1.0 };
        let bars = |style: usize, name: &str, scores: &[f64]| {
            let mut counts = [0usize; BARS];
            for score in scores {
                counts[(((score - low) / width) as usize).min(BARS - 1)] += 1;
            }
            let point = |(bar, count): (usize, &usize)| {
                let (from, to) = (low + bar as f64 * width, low + (bar + 1) as f64 * width);
                let label = format!("{name}, scores {} to {}: {count}", short(from), short(to));
                Point { x_ends: Some((from, to)), ..Point::new((from + to) / 2.0, *count as f64, label) }
            };
            let points = counts.iter().enumerate().filter(|(_, count)| **count > 0).map(point);
            Series::of_bars(style, points.collect())
        };
        let held_out = bars(STYLES[1], "held-out traces", &self.held_out);
        let members = bars(STYLES[0], "members", &self.members);
        let tallest = held_out.points.iter().chain(&members.points).map(|point| point.y);
        let y = Axis { label: "traces".to_owned(), scale: Scale::from_zero(tallest) };
        let x = Axis { label: "score".to_owned(), scale: Scale::Linear(low, low + width * BARS as f64) };
        let own = Point::new(self.own, 0.0, format!("this trace: {}", short(self.own)));
        let mut chart =
            Chart::new(self.name.clone(), x, y, vec![held_out, members, Series::new(STYLES[2], vec![own])], SIZE);
        let (place, count) = self.place();
        chart.upright = Some(self.own);
        chart.description =
            format!("Scores by {}: this trace has {}, place {place} of {count}", self.name, short(self.own));
        chart
    }
}

/// Histograms of the scores by which attacks on targets told this trace from others, and its place in each.
pub(crate) async fn standing(view: &View<'_>, trace_id: i64) -> Result<Drawing> {
    let sql = format!(
        "SELECT own.attack_id, concat(own.generator, ', ', CASE WHEN own.epsilon IS NULL THEN own.regime \
         ELSE concat('epsilon ', own.epsilon) END, ': ', own.attack) AS name, own.score AS own, others.member, others.score
FROM (
    SELECT attack_id, generator, epsilon, regime, attack, score FROM attack_scores
    WHERE trace_id = {trace_id} AND evaluated_on = 'target' ORDER BY generator, epsilon NULLS FIRST, regime DESC, attack, attack_id LIMIT {ATTACKS_MAX}
) AS own
JOIN attack_scores AS others ON others.attack_id = own.attack_id
ORDER BY own.generator, own.epsilon NULLS FIRST, own.regime DESC, own.attack, own.attack_id"
    );
    let rows = Answer::of_sql(view, &sql, SCORES_MAX).await?;
    let (ids, names, members) = (rows.texts("attack_id")?, rows.texts("name")?, rows.texts("member")?);
    let (own, scores) = (rows.numbers("own")?, rows.numbers("score")?);
    let mut all: Vec<Scores> = Vec::new();
    for row in 0..rows.rows() {
        let Some((own, score)) = own[row].zip(scores[row]) else { continue };
        if row == 0 || ids[row] != ids[row - 1] {
            all.push(Scores { name: names[row].clone().unwrap_or_default(), own, ..Scores::default() });
        }
        let Some(last) = all.last_mut() else { continue };
        let is_member = members[row].as_deref() == Some("true");
        if is_member { last.members.push(score) } else { last.held_out.push(score) }
    }
    if all.is_empty() {
        return Ok(Drawing::default());
    }
    let places = all.iter().map(|scores| {
        let (place, count) = scores.place();
        format!("{}: place {place} of {count}.", scores.name)
    });
    let notes: Vec<String> = places.collect();
    let names = ["members of the target", "held-out traces", "this trace"];
    let legend = STYLES.into_iter().zip(names).map(|(style, name)| (style, name.to_owned())).collect();
    let drawing = Drawing::of("standing", all.iter().map(Scores::chart).collect(), legend);
    Ok(Drawing { notes, ..drawing })
}
