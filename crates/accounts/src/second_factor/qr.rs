//! A picture of a text for cameras: a QR code as a PNG.

use base64::{Engine, prelude::BASE64_STANDARD};
use png::{BitDepth, ColorType, Encoder};
use qrcodegen::{QrCode, QrCodeEcc};
use secrecy::SecretString;
use zeroize::Zeroizing;

/// Pixels of a module's side.
const SCALE: usize = 6;
/// Modules of the white border on each side, as the standard asks for.
const BORDER: usize = 4;

/// The picture as a data URI; `None` where the text is too long for one.
pub fn data_uri(text: &str) -> Option<SecretString> {
    let picture = Zeroizing::new(png(text)?);
    let encoded = Zeroizing::new(BASE64_STANDARD.encode(&*picture));
    Some(SecretString::from(format!("data:image/png;base64,{}", *encoded)))
}

/// One bit a pixel, white is 1.
fn png(text: &str) -> Option<Vec<u8>> {
    let code = QrCode::encode_text(text, QrCodeEcc::Medium).ok()?;
    let modules = usize::try_from(code.size()).ok()?.checked_add(BORDER.checked_mul(2)?)?;
    let side = modules.checked_mul(SCALE)?;
    let row_bytes = side.div_ceil(8);
    let mut pixels = Zeroizing::new(Vec::with_capacity(row_bytes.checked_mul(side)?));
    for module_row in 0..modules {
        let mut row = Zeroizing::new(vec![0_u8; row_bytes]);
        for x in 0..side {
            if !is_dark(&code, x / SCALE, module_row)
                && let Some(byte) = row.get_mut(x / 8)
            {
                *byte |= 0x80 >> (x % 8);
            }
        }
        for _ in 0..SCALE {
            pixels.extend_from_slice(&row);
        }
    }
    let side = u32::try_from(side).ok()?;
    let mut picture = Vec::new();
    let mut encoder = Encoder::new(&mut picture, side, side);
    encoder.set_color(ColorType::Grayscale);
    encoder.set_depth(BitDepth::One);
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(&pixels).ok()?;
    writer.finish().ok()?;
    Some(picture)
}

/// Whether a module is dark, counted with the border.
fn is_dark(code: &QrCode, x: usize, y: usize) -> bool {
    let within = |place: usize| place.checked_sub(BORDER).and_then(|place| i32::try_from(place).ok());
    // Outside of the code everything is light.
    within(x).zip(within(y)).is_some_and(|(x, y)| code.get_module(x, y))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// The picture's modules, read back from its file.
    fn read(picture: &[u8]) -> Vec<Vec<bool>> {
        let mut reader = png::Decoder::new(Cursor::new(picture)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((frame.color_type, frame.bit_depth), (ColorType::Grayscale, BitDepth::One));
        assert_eq!(frame.width, frame.height);
        let side = usize::try_from(frame.width).unwrap();
        assert_eq!(side % SCALE, 0);
        let dark = |x: usize, y: usize| pixels[y * frame.line_size + x / 8] & (0x80 >> (x % 8)) == 0;
        let modules = |y: usize| (0..side / SCALE).map(|x| dark(x * SCALE + SCALE / 2, y)).collect();
        // Each row of pixels is that of its module.
        for y in 0..side {
            for x in 0..side {
                assert_eq!(dark(x, y), dark(x / SCALE * SCALE, y / SCALE * SCALE), "{x} {y}");
            }
        }
        (0..side / SCALE).map(|y| modules(y * SCALE)).collect()
    }

    #[test]
    fn the_picture_is_the_code_with_a_border() {
        let text = "otpauth://totp/Tollgate:ann%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
        let code = QrCode::encode_text(text, QrCodeEcc::Medium).unwrap();
        let modules = read(&png(text).unwrap());
        let size = usize::try_from(code.size()).unwrap();
        assert_eq!(modules.len(), size + 2 * BORDER);
        for (y, row) in modules.iter().enumerate() {
            for (x, dark) in row.iter().enumerate() {
                let inside = (BORDER..BORDER + size).contains(&x) && (BORDER..BORDER + size).contains(&y);
                let there = inside
                    && code
                        .get_module(i32::try_from(x - BORDER).unwrap(), i32::try_from(y - BORDER).unwrap());
                assert_eq!(*dark, there, "{x} {y}");
            }
        }
        // One of the three squares by which cameras find it.
        let corner: String =
            modules[BORDER].iter().skip(BORDER).take(8).map(|dark| if *dark { '#' } else { ' ' }).collect();
        assert_eq!(corner, "####### ");
    }

    #[test]
    fn what_is_too_long_has_none() {
        assert!(png(&"x".repeat(3_000)).is_none());
        assert!(png(&"x".repeat(1_000)).is_some());
    }
}
