//! Series are distinguished by colour, marker and dash at once, so that figures are readable in greyscale and with
//! colour blindness. Colours are those of Okabe and Ito ("Color Universal Design", 2008),
//! darker on white and lighter on black until lines stand out.

use std::fmt::Write;

/// Colours on a light ground.
const LIGHT: [&str; 7] = ["#0072b2", "#d55e00", "#007d5b", "#a8447f", "#9c6b00", "#3f8fc4", "#333333"];
/// The same on a dark ground.
const DARK: [&str; 7] = ["#56b4e9", "#ff8a3d", "#2fc9a0", "#e59ac6", "#f0c04a", "#a9d4f5", "#d5d9dd"];
/// Dashes of lines.
const DASHES: [&str; 7] = ["none", "7 3", "2 2", "9 3 2 3", "1 3", "12 4", "4 2 1 2 1 2"];

/// Number of colours.
const COLOURS: usize = LIGHT.len();

/// Number of styles before they repeat: those after the first seven have a colour of theirs with another marker and dash.
const STYLES: usize = COLOURS * COLOURS;

/// Styles of generators that are not known here.
const OTHERS: usize = STYLES - COLOURS;

/// Generators of this program: each has the style of its place in every figure, page and study.
const GENERATORS: [&str; 6] = ["netssm", "netshare", "netdiffusion", "netdpsyn", "markov", "netpool"];

/// The style of a generator: that of its name, and the next free one where another generator of the study (`all`, by name) that
/// is not known here has the same.
pub fn generator_style(generator: &str, all: &[String]) -> usize {
    if let Some(place) = GENERATORS.iter().position(|known| *known == generator) {
        return place;
    }
    let mut others: Vec<&str> = all.iter().map(String::as_str).filter(|name| !GENERATORS.contains(name)).collect();
    others.push(generator);
    others.sort_unstable();
    others.dedup();
    let mut taken: Vec<(&str, usize)> = Vec::new();
    for name in others {
        let wanted = hashed(name) % OTHERS;
        let nth = |step: usize| COLOURS + (wanted + step) % OTHERS;
        let free = (0..OTHERS).map(nth).find(|style| taken.iter().all(|(_, used)| used != style));
        // Of more generators than styles some look alike.
        taken.push((name, free.unwrap_or(COLOURS + wanted)));
    }
    taken.iter().find(|(name, _)| *name == generator).map_or(0, |(_, style)| *style)
}

/// A number that follows from a name (FNV-1a, 32 bits).
fn hashed(name: &str) -> usize {
    name.bytes().fold(0x811c_9dc5u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)) as usize
}

/// The colour of a style.
pub(super) fn colour(style: usize) -> usize {
    style % COLOURS
}

/// Marker and dash of a style: with its colour, no other style has them.
fn shape(style: usize) -> usize {
    (style + style / COLOURS) % COLOURS
}

/// Ground, text, faint text, grid lines, frames and shaded areas of a theme.
struct Ground {
    back: &'static str,
    text: &'static str,
    soft: &'static str,
    grid: &'static str,
    line: &'static str,
    shade: &'static str,
}

const LIGHT_GROUND: Ground =
    Ground { back: "#ffffff", text: "#1a1d21", soft: "#59636e", grid: "#e6e9ed", line: "#b9c0c8", shade: "#f5f7f9" };
const DARK_GROUND: Ground =
    Ground { back: "#14171a", text: "#e8ebee", soft: "#a3adb8", grid: "#2a3037", line: "#4a535d", shade: "#1c2126" };

/// Bits of nPrint images: 1, 0, absent. Far apart in lightness, unlike the published red, green and blue.
pub(super) const BIT_COLORS: [[u8; 3]; 3] = [[0xd5, 0x5e, 0x00], [0x8c, 0xc4, 0xe8], [0xee, 0xef, 0xf1]];

/// A style of one theme with its values filled in.
fn figure_rules(colours: impl Fn(usize) -> String, ground: impl Fn(&str) -> String) -> String {
    let mut text = format!(
        ".back{{fill:{}}}.text{{fill:{}}}.soft{{fill:{}}}.grid{{stroke:{};stroke-width:1}}\
         .frame{{stroke:{};stroke-width:1;fill:none}}.shade{{fill:{}}}\
         .ref{{stroke:{};stroke-width:1.5;fill:none}}.hollow{{fill:{}}}\
         text{{font-family:'Source Sans 3','Segoe UI','Helvetica Neue',Arial,'DejaVu Sans',sans-serif;font-size:11px}}\
         .title{{font-weight:600;font-size:12.5px}}.band{{fill-opacity:.16;stroke:none}}\
         .curve{{fill:none;stroke-width:1.8;stroke-linejoin:round}}.thin{{stroke-width:1.1}}.whisker{{stroke-width:1.4}}.mark{{stroke-width:1.6}}.column{{fill-opacity:.55;stroke-width:1}}",
        ground("back"),
        ground("text"),
        ground("soft"),
        ground("grid"),
        ground("line"),
        ground("shade"),
        ground("soft"),
        ground("back"),
    );
    for number in 0..COLOURS {
        let colour = colours(number);
        // Writing to a string cannot fail.
        let _ = write!(text, ".s{number}{{stroke:{colour}}}.f{number}{{fill:{colour}}}");
    }
    text
}

fn ground_value<'a>(ground: &'a Ground, name: &str) -> &'a str {
    match name {
        "back" => ground.back,
        "text" => ground.text,
        "soft" => ground.soft,
        "grid" => ground.grid,
        "line" => ground.line,
        _ => ground.shade,
    }
}

/// Style of a figure that stands alone: light, without variables (few readers of SVG know them).
pub(super) fn standalone_style() -> String {
    figure_rules(|number| LIGHT[number % COLOURS].to_owned(), |name| ground_value(&LIGHT_GROUND, name).to_owned())
}

/// Style of figures inside a page: variables, so that one drawing serves light and dark.
pub fn page_style() -> String {
    let light = variables(&LIGHT_GROUND, LIGHT);
    let dark = variables(&DARK_GROUND, DARK);
    let rules = figure_rules(|number| format!("var(--c{number})"), |name| format!("var(--{name})"));
    format!(
        ":root{{color-scheme:light dark;{light}}}@media(prefers-color-scheme:dark){{:root{{{dark}}}}}\
         @media print{{:root{{color-scheme:light;{light}}}}}{rules}"
    )
}

fn variables(ground: &Ground, colours: [&str; COLOURS]) -> String {
    let mut text = String::new();
    for name in ["back", "text", "soft", "grid", "line", "shade"] {
        let _ = write!(text, "--{name}:{};", ground_value(ground, name));
    }
    for (number, colour) in colours.iter().enumerate() {
        let _ = write!(text, "--c{number}:{colour};");
    }
    text
}

/// The dash of a style, as SVG has it.
pub(super) fn dash(style: usize) -> &'static str {
    DASHES[shape(style)]
}

/// Outline of the marker of a style around a place, as SVG path data.
pub(super) fn marker(style: usize, x: f64, y: f64, radius: f64) -> String {
    let r = radius;
    let at = |dx: f64, dy: f64| format!("{:.1} {:.1}", x + dx * r, y + dy * r);
    let polygon = |points: &[(f64, f64)]| {
        let points: Vec<String> = points.iter().map(|(dx, dy)| at(*dx, *dy)).collect();
        format!("M{}Z", points.join("L"))
    };
    match shape(style) {
        0 => format!("M{}a{r:.1} {r:.1} 0 1 0 {:.1} 0a{r:.1} {r:.1} 0 1 0 {:.1} 0Z", at(-1.0, 0.0), 2.0 * r, -2.0 * r),
        1 => polygon(&[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]),
        2 => polygon(&[(0.0, -1.15), (1.1, 0.8), (-1.1, 0.8)]),
        3 => polygon(&[(0.0, -1.25), (1.25, 0.0), (0.0, 1.25), (-1.25, 0.0)]),
        4 => polygon(&[(0.0, 1.15), (1.1, -0.8), (-1.1, -0.8)]),
        5 => polygon(&[(0.0, -1.2), (1.15, -0.35), (0.7, 1.0), (-0.7, 1.0), (-1.15, -0.35)]),
        _ => {
            let arm = [(-0.4, -1.2), (0.4, -1.2), (0.4, -0.4), (1.2, -0.4), (1.2, 0.4), (0.4, 0.4)];
            let mut points: Vec<(f64, f64)> = arm.to_vec();
            points.extend(arm.iter().map(|(dx, dy)| (-dx, -dy)));
            polygon(&points)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generator_has_one_style_everywhere_and_no_two_of_a_study_the_same() {
        let imported: Vec<String> = (0..20).map(|number| format!("generator {number}")).collect();
        let all: Vec<String> = GENERATORS.iter().map(|name| (*name).to_owned()).chain(imported).collect();
        let mut styles: Vec<usize> = all.iter().map(|name| generator_style(name, &all)).collect();
        let look: Vec<(usize, usize)> = styles.iter().map(|style| (colour(*style), shape(*style))).collect();
        styles.sort_unstable();
        styles.dedup();
        assert_eq!(styles.len(), 26);
        assert!((0..26).all(|one| !look[..one].contains(&look[one])), "{look:?}");
        assert_eq!(generator_style("netdpsyn", &[]), generator_style("netdpsyn", &all));
        assert_eq!(generator_style("mine", &[]), generator_style("mine", &["netssm".to_owned(), "mine".to_owned()]));
    }
}
