//! The figures: each draws the result of one named query, or states which data the study lacks.

mod budget;
mod image;
mod plane;
mod training;

pub(crate) use image::of_frames as trace_sheet;

use super::answer::Answer;
use super::disclosure::Naming;
use super::figure_layout::Sheet;
use super::palette::generator_style;
use syntrace_base::error::Result;

/// A figure and the query behind it.
pub(super) struct Figure {
    /// Its name: that of its query.
    pub name: &'static str,
    /// Values that differ from the query's defaults.
    pub given: &'static [&'static str],
    /// Heading.
    pub title: &'static str,
    /// What is drawn and how to read it.
    pub caption: &'static str,
    /// What a study needs to have it.
    pub needs: &'static str,
    /// Whom it names.
    pub naming: Naming,
    /// Draws an answer with rows; `None` where no row has a number to draw.
    pub draw: fn(&Answer, &Look) -> Result<Option<Sheet>>,
}

/// How generators look in all figures of a study.
pub(super) struct Look {
    /// All generators of the study, by name.
    pub generators: Vec<String>,
    /// Where a click on a mark leads.
    pub link: Option<fn(&Mark<'_>) -> String>,
}

/// What a mark of a figure stands for: the targets of a generator at a budget.
#[derive(Debug, Clone, Copy)]
pub struct Mark<'a> {
    /// Dataset.
    pub dataset: &'a str,
    /// Generator.
    pub generator: &'a str,
    /// How they were trained: `no DP`, `anonymised` or `eps 4.0`.
    pub regime: &'a str,
    /// Spec that the numbers are of; empty = none.
    pub plan: &'a str,
}

impl Look {
    /// The style of a generator.
    pub fn style(&self, generator: &str) -> usize {
        generator_style(generator, &self.generators)
    }
}

const NEEDS_ATTACKS: &str = "No attack was run on a target model. A spec with an attack (`[attack.mlp-tuned]`) and \
    shadow models runs one; so does `syntrace import` with attributes.";
const NEEDS_FIDELITY: &str = "No synthetic traffic was compared with real traffic. A spec with `[synthesis]` samples its \
    target models; `syntrace import` takes PCAPs made elsewhere.";
const NEEDS_CLASSIFIERS: &str = "No classifier was trained on synthetic traffic. It takes sampled targets (`[synthesis]` in \
    the spec, or imported PCAPs) of at least two classes of a dataset.";
const NEEDS_LOSSES: &str = "No shadow model has losses of members and of held-out traces by epoch. Training stores them; \
    `syntrace import` reads them from a log.";

/// All figures, in the order of the page.
pub(super) const FIGURES: &[Figure] = &[
    Figure {
        name: "privacy_vs_utility",
        given: &[],
        title: "Privacy against utility",
        caption: "Each mark is a generator at one budget: how well its strongest attack (on shadows) tells members \
            from held-out traces (left is more private), and how accurate a classifier is that learnt from its traffic alone \
            (up is more useful). Filled: no DP; the emptier, the smaller epsilon. Whiskers: 95 % intervals of the mean \
            over classes. Lane at the left: generators that no attack reads.",
        needs: "Neither attacks nor downstream classifiers are in the study, so there is nothing to weigh.",
        naming: Naming::Nobody,
        draw: plane::privacy_vs_utility,
    },
    Figure {
        name: "strongest_attacks",
        given: &[],
        title: "The strongest attack by budget",
        caption: "AUC on the targets of the attack that works best on shadow models, which the targets took no part in \
            choosing: mean over classes with its 95 % interval. 0.5 is chance, 1 recognises every training trace.",
        needs: NEEDS_ATTACKS,
        naming: Naming::Nobody,
        draw: budget::strongest_attacks,
    },
    Figure {
        name: "figure2",
        given: &[],
        title: "Figure 2: attack performance by budget",
        caption: "Precision, recall and false positive rate at the attack's own threshold, mean over all targets; bands: \
            one standard deviation. Of several attacks the strongest on shadows without DP is drawn; all are in the \
            data. Dotted with hollow marks: as printed in the paper.",
        needs: NEEDS_ATTACKS,
        naming: Naming::Nobody,
        draw: budget::figure2,
    },
    Figure {
        name: "roc_curves",
        given: &[],
        title: "ROC curves of the strongest attacks, on log axes",
        caption: "How many members an attack finds while it accuses few held-out traces: the left end is what matters for \
            privacy (Carlini et al. 2022). Mean over targets. A curve begins at one accused trace of all held-out ones: \
            smaller rates cannot be told from 0.",
        needs: NEEDS_ATTACKS,
        naming: Naming::Nobody,
        draw: plane::roc_curves,
    },
    Figure {
        name: "figure3",
        given: &[],
        title: "Figure 3: Jensen-Shannon distance of header fields by budget",
        caption: "Mean over classes and packet positions of the distance (base 2) between synthetic and member traces: 0 is \
            the same distribution, 1 has no value in common. Dashed: held-out real traces, the value of a perfect \
            generator.",
        needs: NEEDS_FIDELITY,
        naming: Naming::Nobody,
        draw: budget::figure3,
    },
    Figure {
        name: "figure5",
        given: &[],
        title: "Figure 5: Wasserstein distance of numeric fields by budget",
        caption: "How far values must move on average to turn the synthetic distribution into that of the member traces, in \
            the field's own unit, mean over classes and packet positions; where values lie far apart the axis is \
            logarithmic. Dashed: held-out real traces, the value of a \
            perfect generator.",
        needs: NEEDS_FIDELITY,
        naming: Naming::Nobody,
        draw: budget::figure5,
    },
    Figure {
        name: "figure4",
        given: &[],
        title: "Figure 4: accuracy of classifiers trained on synthetic traffic",
        caption: "A random forest learns the class from synthetic traces and is tested on held-out real ones. Dashed: the \
            same forest trained on real traces. Dotted: guessing the most frequent class.",
        needs: NEEDS_CLASSIFIERS,
        naming: Naming::Nobody,
        draw: budget::figure4,
    },
    Figure {
        name: "figure9",
        given: &[],
        title: "Figure 9: F1 of classifiers trained on synthetic traffic",
        caption: "As Figure 4, but the mean over classes of their F1 scores. Dotted with hollow marks: as printed in the \
            paper (mean over its classes).",
        needs: NEEDS_CLASSIFIERS,
        naming: Naming::Nobody,
        draw: budget::figure9,
    },
    Figure {
        name: "figure6",
        given: &["dataset=null"],
        title: "Figure 6: error of regressors trained on synthetic traffic",
        caption: "N-BEATS learns the next packet length from the ten before it and is tested on held-out real traces: median \
            over traces of the mean absolute error, mean over classes. Dashed: trained on real traces. Dotted: the last \
            length again. Hollow: as printed in the paper. Lower is better.",
        needs: "No regressor of packet lengths was trained on synthetic traffic. It takes sampled targets and \
            `[utility] forecaster = \"small\"` or `\"paper\"`, in a program with libtorch.",
        naming: Naming::Nobody,
        draw: budget::figure6,
    },
    Figure {
        name: "fidelity_vs_utility",
        given: &[],
        title: "Fidelity against utility",
        caption: "Does closer traffic train better classifiers? Each mark is a generator at one budget: mean Jensen-Shannon \
            distance over classes, fields and positions (left is closer), and accuracy (up is better). Filled: no DP; the \
            emptier, the smaller epsilon.",
        needs: "The study lacks fidelity or downstream classifiers: both need sampled targets (`[synthesis]`), and \
            classifiers at least two classes of a dataset.",
        naming: Naming::Nobody,
        draw: plane::fidelity_vs_utility,
    },
    Figure {
        name: "figure7",
        given: &["dataset=null"],
        title: "Figures 7 and 10: relative generalization gap by epoch",
        caption: "How much larger the loss of held-out traces is than that of members, 100 (test - train) / train, mean over \
            classes of the mean over shadow models; where a loss has no zero (the critic of a GAN), the difference in standard \
            deviations of the losses of single traces. Zero: both are known equally well. The paper prints the formula with \
            its 100 under the fraction line; that number is in the data as relative_gap_printed.",
        needs: NEEDS_LOSSES,
        naming: Naming::Nobody,
        draw: training::gaps,
    },
    Figure {
        name: "figure10",
        given: &[],
        title: "Figure 10: relative generalization gap of the dataset os by epoch",
        caption: "As Figure 7, for the one dataset.",
        needs: NEEDS_LOSSES,
        naming: Naming::Nobody,
        draw: training::gaps,
    },
    Figure {
        name: "figure8",
        given: &[],
        title: "Figures 1 and 8: training images of an image generator",
        caption: "The longest real trace of each class as an nPrint image: a row is a packet, a column one of 1,088 header bits. \
            The published pictures are red (1), green (0) and blue (absent); these colours differ in lightness too.",
        needs: "No trace is stored as an nPrint image: only image generators (netdiffusion) train on them, and redacted \
            copies have none.",
        naming: Naming::Members,
        draw: image::training,
    },
    Figure {
        name: "nprint_images",
        given: &[],
        title: "Real and generated traces as nPrint images",
        caption: "For each class the longest real trace and the longest generated ones, without DP and at the smallest \
            epsilon. A few packets show structure, not quality: the distances above measure that.",
        needs: "The study holds no packets with readable headers (it is empty or a redacted copy).",
        naming: Naming::Unless(&["real=false"]),
        draw: image::generated,
    },
];

/// Figures that repeat a part of another one and stand outside the page.
pub(super) const NOT_ON_PAGE: &[&str] = &["figure10"];

/// Panels of one kind: four narrow ones a line where there are many, else three; gives columns and size.
pub(super) fn small_panels(panels: usize, height: f64) -> (usize, (f64, f64)) {
    if panels > 3 { (4, (250.0, height)) } else { (3, (330.0, height)) }
}

/// The values of a column that occur, in the order of their first row.
pub(super) fn distinct(values: &[String]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for value in values {
        if !found.contains(value) {
            found.push(value.clone());
        }
    }
    found
}

/// Says of rows without a number which they are, grouped by what they belong to.
pub(super) fn missing_note(what: &str, rows: impl Iterator<Item = (String, String)>) -> Vec<String> {
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for (group, member) in rows {
        match groups.iter_mut().find(|(known, _)| *known == group) {
            Some((_, members)) if members.contains(&member) => {}
            Some((_, members)) => members.push(member),
            None => groups.push((group, vec![member])),
        }
    }
    let text: Vec<String> = groups.iter().map(|(group, members)| format!("{group} ({})", members.join(", "))).collect();
    if text.is_empty() { Vec::new() } else { vec![format!("{what}: {}.", text.join("; "))] }
}
