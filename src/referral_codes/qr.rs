//! A referral code's link as a QR picture, for print and tills.

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use png::{BitDepth, ColorType, Encoder};
use qrcode::render::svg;
use qrcode::{Color, EcLevel, QrCode};

use super::http::{find_named, trackable_link};
use crate::accounts::Caller;
use crate::web::error::ApiError;
use crate::web::extract::PathTexts;
use crate::web::state::App;

/// Width of a picture at least, in points or pixels.
const SIZE_MIN: u32 = 320;
/// What must stay white around the picture, in its squares.
const QUIET_ZONE: usize = 4;

/// `GET /v1/referral_codes/{code}/qr.svg`
pub async fn svg(State(app): State<App>, caller: Caller, path: PathTexts) -> Result<impl IntoResponse, ApiError> {
    let code = find(&app, &caller, &path).await?;
    let picture = code.render::<svg::Color<'_>>().min_dimensions(SIZE_MIN, SIZE_MIN).build();
    Ok(([(header::CONTENT_TYPE, "image/svg+xml")], picture))
}

/// `GET /v1/referral_codes/{code}/qr.png`
pub async fn png(State(app): State<App>, caller: Caller, path: PathTexts) -> Result<impl IntoResponse, ApiError> {
    let picture = draw(&find(&app, &caller, &path).await?).map_err(ApiError::internal)?;
    Ok(([(header::CONTENT_TYPE, "image/png")], picture))
}

async fn find(app: &App, caller: &Caller, path: &PathTexts) -> Result<QrCode, ApiError> {
    let found = find_named(&mut *app.pool.acquire().await?, caller.account.id, path).await?;
    let link = trackable_link(&app.public_url, &caller.account, found.code.as_str());
    // A link is far shorter than what fits.
    QrCode::with_error_correction_level(link, EcLevel::M).map_err(ApiError::internal)
}

/// The picture in black and white.
fn draw(code: &QrCode) -> Result<Vec<u8>, png::EncodingError> {
    let squares = code.width() + 2 * QUIET_ZONE;
    let scale = (SIZE_MIN as usize).div_ceil(squares);
    let size = squares * scale;
    let (colors, width) = (code.to_colors(), code.width());
    let is_dark = |x: usize, y: usize| {
        let square = |pixel: usize| (pixel / scale).checked_sub(QUIET_ZONE).filter(|square| *square < width);
        square(x).zip(square(y)).is_some_and(|(x, y)| colors[y * width + x] == Color::Dark)
    };
    let pixels: Vec<u8> =
        (0..size * size).map(|pixel| if is_dark(pixel % size, pixel / size) { 0 } else { u8::MAX }).collect();
    let mut picture = Vec::new();
    let size = u32::try_from(size).unwrap_or(SIZE_MIN);
    let mut encoder = Encoder::new(&mut picture, size, size);
    encoder.set_color(ColorType::Grayscale);
    encoder.set_depth(BitDepth::Eight);
    encoder.write_header()?.write_image_data(&pixels)?;
    Ok(picture)
}
