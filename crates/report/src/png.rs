//! Whole figures as PNG, through resvg.

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};
use syntrace_base::error::{Error, Result};

/// Pixels of the PNG for each pixel of the drawing.
const SCALE: f32 = 2.0;
/// Largest side of a PNG, pixels.
const SIDE_MAX: f32 = 20_000.0;

/// Renders an SVG with a font of the system.
///
/// # Errors
/// `user` where the system has no font.
pub(super) fn render(svg: &str) -> Result<Vec<u8>> {
    let mut options = Options::default();
    let fonts = options.fontdb_mut();
    for path in super::font::files() {
        // A file that cannot be read is no font; without any the next lines say so.
        if let Ok(data) = std::fs::read(&path) {
            fonts.load_font_data(data);
        }
    }
    let Some(family) = fonts.faces().find_map(|face| face.families.first().map(|(name, _)| name.clone())) else {
        return Err(Error::user("no font was found, and a PNG needs one for its labels")
            .hint("install one (Debian, Ubuntu: apt-get install fonts-dejavu-core), or write an .svg"));
    };
    fonts.set_sans_serif_family(family.as_str());
    options.font_family = family;
    let failed = |what: String| Error::internal(format!("cannot render the figure: {what}"));
    let tree = Tree::from_str(svg, &options).map_err(|error| failed(error.to_string()))?;
    let size = tree.size();
    let scale = SCALE.min(SIDE_MAX / size.width().max(size.height()));
    let (width, height) = ((size.width() * scale).ceil() as u32, (size.height() * scale).ceil() as u32);
    let mut pixels = Pixmap::new(width, height).ok_or_else(|| failed(format!("{width} x {height} pixels")))?;
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixels.as_mut());
    pixels.encode_png().map_err(|error| failed(error.to_string()))
}
