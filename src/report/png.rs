//! Raster pictures: nPrint bits, and whole figures through resvg.

use super::palette::BIT_COLORS;
use crate::encoding::NprintImage;
use crate::error::{Error, Result};
use resvg::tiny_skia::{Pixmap, PremultipliedColorU8, Transform};
use resvg::usvg::{Options, Tree};

/// Pixels of the PNG for each pixel of the drawing.
const SCALE: f32 = 2.0;
/// Largest side of a PNG, pixels.
const SIDE_MAX: f32 = 20_000.0;
/// Bits of an nPrint row.
const BITS: u32 = 1088;

/// A PNG of the first rows of an image in the report's colours; each row is `repeat` pixels high.
pub(super) fn bits_png(image: &NprintImage, rows: usize, repeat: usize) -> Result<Vec<u8>> {
    let failed = |what: &str| Error::internal(format!("cannot draw an nPrint image: {what}"));
    let mut pixels = Pixmap::new(BITS, (rows * repeat) as u32).ok_or_else(|| failed("no rows"))?;
    let colours = BIT_COLORS.map(|[red, green, blue]| PremultipliedColorU8::from_rgba(red, green, blue, 255));
    let [one, zero, absent] = colours;
    for (index, line) in pixels.pixels_mut().chunks_mut(BITS as usize).enumerate() {
        let row = image.rows.get(index / repeat.max(1));
        for (bit, pixel) in line.iter_mut().enumerate() {
            let colour = match row.map_or(-1, |row| row.cell(bit)) {
                1 => one,
                0 => zero,
                _ => absent,
            };
            *pixel = colour.ok_or_else(|| failed("no colour"))?;
        }
    }
    pixels.encode_png().map_err(|error| failed(&error.to_string()))
}

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
        return Err(Error::user("no font was found, and a PNG without its labels would say nothing")
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

/// Bytes as a data URI.
pub(super) fn data_uri(media_type: &str, bytes: &[u8]) -> String {
    format!("data:{media_type};base64,{}", base64(bytes))
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let number = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let digit = DIGITS[(number >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4648, section 10.
    #[test]
    fn base64_has_its_published_examples() {
        let cases =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE=")];
        for (bytes, text) in cases {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
