//! QR codes that bring a phone to the server (identity.md 5.6): the texts iTAK and ATAK read, and their pictures for a
//! terminal, a PNG and an SVG file. A text for ATAK holds an enrolment token: whoever sees it can enrol.
use qrcode::{Color, EcLevel, QrCode, render::svg, render::unicode::Dense1x2};

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum QrError {
    #[error("the text is too long for a QR code: {0}")]
    Text(qrcode::types::QrError),
    #[error("the picture could not be written: {0}")]
    Png(#[from] png::EncodingError),
}

/// What iTAK reads: it then asks for user and password and enrols.
pub fn itak(name: &str, host: &str, port: u16) -> String {
    // A comma separates.
    format!("{},{host},{port},SSL", name.replace(',', " "))
}

/// What ATAK from 5.1 on opens. Without a token it asks for the password.
pub fn atak(host: &str, user: &str, token: Option<&str>) -> String {
    let link = format!("tak://com.atakmap.app/enroll?host={}&username={}", encoded(host), encoded(user));
    token.map_or_else(|| link.clone(), |token| format!("{link}&token={}", encoded(token)))
}

fn encoded(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// The code of a text.
///
/// # Errors
/// [`QrError::Text`].
pub fn code(text: &str) -> Result<QrCode, QrError> {
    QrCode::with_error_correction_level(text, EcLevel::M).map_err(QrError::Text)
}

/// Blocks for a terminal with light letters on dark ground, two rows a line: what is light in the code is printed.
pub fn terminal(code: &QrCode) -> String {
    code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).quiet_zone(true).build()
}

/// Pixels of a module.
const SCALE: usize = 8;
/// Modules of white around it.
const QUIET: usize = 4;

/// A PNG, black and white.
///
/// # Errors
/// [`QrError::Png`].
pub fn png(code: &QrCode) -> Result<Vec<u8>, QrError> {
    let width = code.width();
    let side = (width + 2 * QUIET) * SCALE;
    let colors = code.to_colors();
    let dark = |x: usize, y: usize| {
        let at = (x / SCALE).checked_sub(QUIET).zip((y / SCALE).checked_sub(QUIET));
        at.is_some_and(|(x, y)| x < width && y < width && colors[y * width + x] == Color::Dark)
    };
    let row = |y| (0..side).map(move |x| if dark(x, y) { 0_u8 } else { 255 });
    let pixels: Vec<u8> = (0..side).flat_map(row).collect();
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, side as u32, side as u32);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header()?.write_image_data(&pixels)?;
    Ok(file)
}

/// An SVG.
pub fn svg(code: &QrCode) -> String {
    code.render::<svg::Color<'_>>().quiet_zone(true).min_dimensions(256, 256).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_those_the_clients_read() {
        assert_eq!(
            itak("FTS_tak.example.org", "tak.example.org", 8089),
            "FTS_tak.example.org,tak.example.org,8089,SSL"
        );
        assert_eq!(itak("a,b", "h", 1), "a b,h,1,SSL");
        let link = "tak://com.atakmap.app/enroll?host=tak.example.org&username=alice%40x";
        assert_eq!(atak("tak.example.org", "alice@x", None), link);
        assert_eq!(atak("tak.example.org", "alice@x", Some("et_a-b")), format!("{link}&token=et_a-b"));
    }

    #[test]
    fn pictures_have_the_code_and_white_around_it() {
        let code = code("tak://com.atakmap.app/enroll?host=tak.example.org&username=alice&token=et_x").unwrap();
        let file = png(&code).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(&file)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        let side = (code.width() + 8) * 8;
        assert_eq!((info.width as usize, info.height as usize), (side, side));
        // The first module of a code is dark, what is around it is not.
        assert_eq!((pixels[0], pixels[side * 32 + 32], pixels[side * 31 + 31]), (255, 0, 255));
        assert!(svg(&code).starts_with("<?xml") && svg(&code).contains("<svg"));
        let blocks = terminal(&code);
        assert!(blocks.lines().count() >= code.width() / 2, "{blocks}");
        assert!(
            blocks.lines().next().is_some_and(|l| l.chars().all(|c| c == '█')),
            "the quiet zone is light: {blocks}"
        );
        assert!(super::code(&"x".repeat(5_000)).is_err());
    }
}
