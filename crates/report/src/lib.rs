//! One self-contained HTML page about a study, and its figures one by one as SVG, PNG or CSV.
//!
//! ```text
//! named query -> Answer -> figure (panels, legend) -> page, SVG, PNG
//!                       -> table, CSV
//! ```
//!
//! Invariants: every number is the result of a named query, whose SQL and CSV are given with it; missing data is
//! stated as text, never shown as an empty frame; nothing is written and no clock is read; all text of the study is
//! escaped; no scripts, no external resources.

mod answer;
mod budget;
mod chart;
mod data_uri;
mod disclosure;
mod figure;
mod figure_layout;
#[cfg(feature = "png")]
mod font;
mod headline;
mod lineage_graph;
mod outsider;
mod page;
mod palette;
#[cfg(feature = "png")]
mod png;
mod scale;
mod sentence;
mod table;

use answer::Answer;
use arrow::record_batch::RecordBatch;
pub use chart::{Chart, Point, Reference, Series};
pub use disclosure::Members;
pub use figure::Mark;
use figure::{FIGURES, Figure, Look, NOT_ON_PAGE, distinct, trace_sheet};
use figure_layout::{Entry, Sample, Sheet};
use headline::{Sources, sentences};
pub use lineage_graph::{LineageBox, LineageColumn, lineage_graph};
use page::{Page, Section, figure_block, table_block};
pub use palette::{generator_style, page_style};
pub use scale::{Axis, Scale, number};
use std::collections::HashMap;
use syntrace_base::error::{Error, HintReader, Result};
use syntrace_query::Session;
use table::Table;

/// How a figure is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FigureFormat {
    /// One SVG file with its own colours.
    Svg,
    /// The SVG file as a PNG image.
    Png,
    /// The data behind it.
    Csv,
}

impl FigureFormat {
    /// The format that a file's extension names.
    ///
    /// # Errors
    /// `user` for any other extension.
    pub fn from_extension(extension: &str) -> Result<Self> {
        match extension.to_ascii_lowercase().as_str() {
            "svg" => Ok(Self::Svg),
            "png" => Ok(Self::Png),
            "csv" => Ok(Self::Csv),
            other => Err(Error::user(format!("a figure is written as .svg, .png or .csv, not as `.{other}`"))),
        }
    }
}

/// Names of all figures.
pub fn figure_names() -> Vec<&'static str> {
    FIGURES.iter().map(|figure| figure.name).collect()
}

/// One figure as the bytes of a file.
///
/// # Errors
/// `user` if there is no such figure, if it shows real traces and members are hidden, if the study lacks what it draws,
/// or if a PNG finds no font.
pub fn figure(session: &Session, name: &str, format: FigureFormat, members: Members) -> Result<Vec<u8>> {
    let Some(figure) = FIGURES.iter().find(|figure| figure.name == name) else {
        return Err(
            Error::user(format!("there is no figure `{name}`")).hint(format!("one of: {}", figure_names().join(", ")))
        );
    };
    let Some(given) = figure.naming.given(members, figure.given) else {
        return Err(Error::user(format!("`{name}` shows real traces, which models were trained on"))
            .hint("add `--members`, and mind who sees the picture")
            .hint_for(HintReader::Python, "give `members=True`, and mind who sees the picture"));
    };
    let answer = Answer::ask(session, figure.name, given)?;
    if format == FigureFormat::Csv {
        return Ok(answer.csv()?.into_bytes());
    }
    let look = look(&Answer::ask(session, "strongest_attacks", &[])?)?;
    let Some(sheet) = draw(figure, &answer, &look)? else {
        return Err(Error::user(format!("the study has nothing to draw for `{name}`")).hint(figure.needs));
    };
    let svg = sheet.standalone(figure.title, figure.caption);
    match format {
        #[cfg(feature = "png")]
        FigureFormat::Png => png::render(&svg),
        #[cfg(not(feature = "png"))]
        FigureFormat::Png => Err(Error::left_out("PNG figures", "png")),
        _ => Ok(svg.into_bytes()),
    }
}

/// A figure in parts, for a page that lays them out itself.
pub struct FigureParts {
    /// Heading.
    pub title: &'static str,
    /// What is drawn and how to read it.
    pub caption: &'static str,
    /// What a study needs to have it.
    pub needs: &'static str,
    /// What is drawn.
    pub drawing: Drawing,
}

/// What a page shows of a figure; without panels where there is nothing to draw.
#[derive(Debug, Clone, Default)]
pub struct Drawing {
    /// What the marks mean: a sample as SVG, and its name.
    pub legend: Vec<(String, String)>,
    /// An SVG each.
    pub panels: Vec<String>,
    /// What is not drawn, and why.
    pub notes: Vec<String>,
}

impl Drawing {
    /// Charts that are drawn for a page of its own; `name` is part of the ids in it. Each entry of the legend has the style of
    /// its series.
    pub fn of(name: &str, charts: Vec<Chart>, legend: Vec<(usize, String)>) -> Self {
        let entry = |(style, name)| Entry::new(Sample::Series(style), name);
        let panels = charts.into_iter().map(Chart::draw).collect();
        Self::of_sheet(
            name,
            &Sheet { panels, legend: legend.into_iter().map(entry).collect(), columns: 1, notes: Vec::new() },
        )
    }

    fn of_sheet(name: &str, sheet: &Sheet) -> Self {
        Self {
            legend: sheet.legend.iter().map(|entry| (entry.sample_svg(), entry.name.clone())).collect(),
            panels: sheet
                .panels
                .iter()
                .enumerate()
                .map(|(place, panel)| panel.svg(&format!("{name}-{place}")))
                .collect(),
            notes: sheet.notes.clone(),
        }
    }
}

/// Packets of one trace as an nPrint image: Ethernet frames, each with its IP length in bytes. Nothing is drawn where no header
/// can be read.
///
/// # Errors
/// `internal` if the encoder contradicts itself.
pub fn trace_image(title: &str, name: &str, frames: &[(&[u8], u32)]) -> Result<Drawing> {
    Ok(trace_sheet(title, frames)?.map(|sheet| Drawing::of_sheet(name, &sheet)).unwrap_or_default())
}

/// The figure of privacy against utility over rows of its query, with marks that lead to what they stand for.
/// `generators` are all of the study, so that each keeps its colour whatever is drawn.
///
/// # Errors
/// `internal` if the rows are not of that query.
pub fn privacy_vs_utility(
    rows: RecordBatch,
    generators: Vec<String>,
    link: fn(&Mark<'_>) -> String,
) -> Result<FigureParts> {
    const NAME: &str = "privacy_vs_utility";
    let figure = FIGURES.iter().find(|figure| figure.name == NAME);
    let figure = figure.ok_or_else(|| Error::internal(format!("there is no figure `{NAME}`")))?;
    let sheet = draw(figure, &Answer::of(NAME, rows)?, &Look { generators, link: Some(link) })?;
    let drawing = sheet.map(|sheet| Drawing::of_sheet(NAME, &sheet)).unwrap_or_default();
    Ok(FigureParts { title: figure.title, caption: figure.caption, needs: figure.needs, drawing })
}

fn look(models: &Answer) -> Result<Look> {
    Ok(Look { generators: distinct(&models.names("generator")?), link: None })
}

fn draw(figure: &Figure, answer: &Answer, look: &Look) -> Result<Option<Sheet>> {
    if answer.is_empty() { Ok(None) } else { (figure.draw)(answer, look) }
}

/// Results for the page: each query runs once.
struct Book<'a> {
    session: &'a Session,
    members: Members,
    look: Look,
    known: HashMap<(&'static str, &'static [&'static str]), Answer>,
}

impl Book<'_> {
    fn answer(&mut self, name: &'static str, given: &'static [&'static str]) -> Result<&Answer> {
        match self.known.entry((name, given)) {
            std::collections::hash_map::Entry::Occupied(known) => Ok(known.into_mut()),
            std::collections::hash_map::Entry::Vacant(place) => {
                Ok(place.insert(Answer::ask(self.session, name, given)?))
            }
        }
    }

    /// `None` where it names members, which the page does not.
    fn figure(&mut self, name: &str) -> Result<Option<String>> {
        let Some(figure) = FIGURES.iter().find(|figure| figure.name == name && !NOT_ON_PAGE.contains(&name)) else {
            return Err(Error::internal(format!("the page names a figure `{name}` that does not exist")));
        };
        let Some(given) = figure.naming.given(self.members, figure.given) else { return Ok(None) };
        let look = Look { generators: self.look.generators.clone(), link: None };
        let answer = self.answer(figure.name, given)?;
        let sheet = draw(figure, answer, &look)?;
        figure_block(answer, figure.title, figure.caption, figure.needs, sheet.as_ref()).map(Some)
    }

    /// As [`Book::figure`].
    fn table(&mut self, table: &Table) -> Result<Option<String>> {
        let Some(given) = table.naming.given(self.members, table.given) else { return Ok(None) };
        let answer = self.answer(table.name, given)?;
        table_block(answer, table.title, table.caption, table.needs, table.rows_max).map(Some)
    }

    fn section(
        &mut self,
        (id, title, text): (&'static str, &'static str, &'static str),
        figures: &[&str],
        tables: &[Table],
    ) -> Result<Section> {
        let mut blocks = Vec::new();
        for name in figures {
            blocks.extend(self.figure(name)?);
        }
        for table in tables {
            blocks.extend(self.table(table)?);
        }
        Ok(Section { id, title, text, blocks })
    }
}

/// The report of a study as HTML text.
///
/// # Errors
/// As the queries'; `internal` for damaged content.
pub fn html(session: &Session, study: &str, members: Members) -> Result<String> {
    let totals = Answer::ask(session, "study_totals", &[])?;
    let attacks = Answer::ask(session, "strongest_attacks", &[])?;
    let utility = Answer::ask(session, "privacy_vs_utility", &[])?;
    let access = Answer::ask(session, "strongest_by_access", &[])?;
    let leaks = Answer::ask(session, "leaks_by_model", &[])?;
    let sources = Sources { totals: &totals, attacks: &attacks, utility: &utility, access: &access, leaks: &leaks };
    let headline = sentences(&sources)?;
    let mut book = Book { session, members, look: look(&attacks)?, known: HashMap::new() };
    for answer in [totals, attacks, utility, access, leaks] {
        book.known.insert((answer.query.name, answer.given), answer);
    }
    let sections = sections(&mut book)?;
    let style = format!("{}{}", palette::page_style(), include_str!("../templates/report/style.css"));
    let members_named = members == Members::Named;
    Page { study: study.to_owned(), version: env!("CARGO_PKG_VERSION"), members_named, style, headline, sections }
        .html()
}

fn sections(book: &mut Book<'_>) -> Result<Vec<Section>> {
    Ok(vec![
        book.section(
            ("overview", "Privacy and quality together", ""),
            &["privacy_vs_utility", "strongest_attacks"],
            table::OVERVIEW,
        )?,
        book.section(
            (
                "membership",
                "Privacy: membership inference",
                "An attack is given a model and a trace and guesses whether the model was trained on it.",
            ),
            &["figure2", "roc_curves"],
            table::MEMBERSHIP,
        )?,
        book.section(
            (
                "promises",
                "Privacy: what is promised and what is proven",
                "An epsilon is an upper bound that holds against every attack; attacks prove lower bounds.",
            ),
            &[],
            table::PROMISES,
        )?,
        book.section(
            ("fidelity", "Fidelity: distance from real traffic", ""),
            &["figure3", "figure5"],
            table::FIDELITY,
        )?,
        book.section(
            ("utility", "Utility: models trained on synthetic traffic", ""),
            &["figure4", "figure9", "figure6", "fidelity_vs_utility"],
            table::UTILITY,
        )?,
        book.section(("overfitting", "Overfitting: members against held-out traces", ""), &["figure7"], &[])?,
        book.section(("images", "Traces as images", ""), &["figure8", "nprint_images"], &[])?,
        book.section(
            (
                "paper",
                "The paper beside this study",
                "\"Understanding Privacy and Quality Tradeoffs in Synthetic Network Data\" draws conclusions that this study \
                 can check on its own numbers.",
            ),
            &[],
            table::PAPER,
        )?,
        book.section(("provenance", "Provenance", ""), &[], table::PROVENANCE)?,
    ])
}
