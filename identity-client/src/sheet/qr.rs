//! QR codes in a terminal: two modules in each character, one above the other.

use qrcode::{Color, EcLevel, QrCode};
use zeroize::Zeroizing;

/// Modules of light around the code.
const QUIET: usize = 4;

/// What a terminal writes with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ink {
    /// Light on a dark ground, as most terminals do.
    #[default]
    Light,
    /// Dark on a light ground, as paper does.
    Dark,
}

/// Draws `text`; `None` if it is too long.
pub(super) fn draw(text: &str, ink: Ink) -> Option<Zeroizing<String>> {
    let code = QrCode::with_error_correction_level(text.as_bytes(), EcLevel::M).ok()?;
    let width = code.width();
    let colors = Zeroizing::new(
        code.to_colors()
            .into_iter()
            .map(|color| color == Color::Dark)
            .collect::<Vec<bool>>(),
    );
    let side = width.saturating_add(2 * QUIET);
    let is_dark = |x: usize, y: usize| {
        let inside = |it: usize| it.checked_sub(QUIET).filter(|it| *it < width);
        let place = inside(x).zip(inside(y));
        place.is_some_and(|(x, y)| colors.get(y * width + x).copied().unwrap_or(false))
    };
    // A row below the last, where the number of rows is odd, is ground.
    let is_inked = |x: usize, y: usize| y < side && is_dark(x, y) == (ink == Ink::Dark);
    let mut out = Zeroizing::new(String::with_capacity(side * side * 2));
    for y in (0..side).step_by(2) {
        for x in 0..side {
            out.push(match (is_inked(x, y), is_inked(x, y + 1)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            });
        }
        out.push('\n');
    }
    Some(out)
}
