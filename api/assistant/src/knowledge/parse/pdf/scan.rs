//! The pictures of scanned pages, for a program that recognises text in pictures.
//!
//! Only pictures are drawn: a page that is a scan shows nothing else that can be read.

use std::io;

use hayro_interpret::hayro_syntax::Pdf;
use hayro_interpret::hayro_syntax::page::Page;
use hayro_interpret::kurbo::{Affine, BezPath, Point, Rect};
use hayro_interpret::{
    BlendMode, ClipPath, Context, Device, DrawMode, DrawProps, Image, ImageData, ImageDrawProps, InterpreterCache,
    InterpreterSettings, LumaData, SoftMask, font::GlyphRun, interpret_page,
};

use crate::knowledge::parse::archive::damaged;
use crate::knowledge::parse::collect::too_complex;
use crate::knowledge::parse::{ParseFailure, ParseLimits};

/// Dots to a point: 300 to an inch, which recognition is made for.
const SCALE: f64 = 300.0 / 72.0;
/// Larger pages are drawn smaller.
const LONGEST_SIDE: f64 = 5_000.0;
/// Recognising this many takes most of an hour.
const MOST_PAGES: usize = 500;
const WHITE: u8 = 255;

/// Hands over a picture in grey of every page that has one, as a portable graymap, by the page's number.
///
/// # Errors
/// `Damaged`; `TooComplex` where there are too many pages.
pub fn pictures(
    bytes: &[u8],
    limits: &ParseLimits,
    each: &mut dyn FnMut(&str, &[u8]) -> io::Result<()>,
) -> Result<(), ParseFailure> {
    super::bombs::refuse(bytes, limits.unpacked_bytes)?;
    let pdf = Pdf::new(bytes.to_vec()).map_err(|_| damaged())?;
    let pages = pdf.pages();
    if pages.len() > MOST_PAGES {
        return Err(too_complex(format!("more than {MOST_PAGES} scanned pages")));
    }
    for (number, page) in (1..).zip(pages.iter()) {
        if let Some(canvas) = Canvas::of(page, &pdf) {
            // Nobody listens any more: there is nobody to tell.
            each(&u32::to_string(&number), &canvas.graymap()).map_err(|_| damaged())?;
        }
    }
    Ok(())
}

/// A page as dots of grey.
struct Canvas {
    width: usize,
    height: usize,
    dots: Vec<u8>,
    drawn: bool,
}

impl Canvas {
    /// The page's pictures; `None` where it has none.
    fn of<'a>(page: &Page<'a>, pdf: &'a Pdf) -> Option<Self> {
        let (width, height) = page.render_dimensions();
        let longest = f64::from(width.max(height));
        let scale = SCALE.min(LONGEST_SIDE / longest.max(1.0));
        let size = |side: f32| (f64::from(side) * scale).round().clamp(1.0, LONGEST_SIDE) as usize;
        let (width, height) = (size(width), size(height));
        let mut canvas = Self { width, height, dots: vec![WHITE; width * height], drawn: false };
        let cache = InterpreterCache::new();
        let start = Affine::scale(scale) * Affine::new(page.initial_transform(true).as_coeffs());
        let bounds = Rect::new(0.0, 0.0, width as f64, height as f64);
        let mut context = Context::new(start, bounds, &cache, pdf.xref(), InterpreterSettings::default());
        interpret_page(page, &mut context, &mut canvas);
        canvas.drawn.then_some(canvas)
    }

    fn graymap(&self) -> Vec<u8> {
        let mut file = format!("P5\n{} {}\n255\n", self.width, self.height).into_bytes();
        file.extend_from_slice(&self.dots);
        file
    }

    /// Draws a picture: for each dot, the mean of the picture at four places within it.
    fn draw(&mut self, place: Affine, width: u32, height: u32, ink: impl Fn(usize) -> Option<u8>) {
        let bounds = place.transform_rect_bbox(Rect::new(0.0, 0.0, f64::from(width), f64::from(height)));
        if width == 0 || height == 0 || !bounds.is_finite() || place.determinant().abs() < 1e-12 {
            return;
        }
        let back = place.inverse();
        let within = |from: f64, to: f64, size: usize| {
            let end = (to.ceil().max(0.0) as usize).min(size);
            (from.floor().max(0.0) as usize).min(end)..end
        };
        for y in within(bounds.y0, bounds.y1, self.height) {
            for x in within(bounds.x0, bounds.x1, self.width) {
                let places = [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)];
                let inks = places.into_iter().filter_map(|(right, down)| {
                    let at = back * Point::new(x as f64 + right, y as f64 + down);
                    let inside = at.x >= 0.0 && at.y >= 0.0 && at.x < f64::from(width) && at.y < f64::from(height);
                    inside.then(|| ink(at.y as usize * width as usize + at.x as usize)).flatten()
                });
                let (sum, count) = inks.fold((0u32, 0u32), |(sum, count), ink| (sum + u32::from(ink), count + 1));
                if let Some(mean) = sum.checked_div(count) {
                    self.dots[y * self.width + x] = mean as u8;
                    self.drawn = true;
                }
            }
        }
    }
}

impl<'a> Device<'a> for Canvas {
    fn draw_image(&mut self, image: Image<'a, '_>, props: ImageDrawProps<'a>) {
        match image {
            Image::Raster(raster) => raster.with_rgba(
                |image, alpha| {
                    let (sx, sy) = image.scale_factors();
                    let place = props.transform * Affine::scale_non_uniform(f64::from(sx), f64::from(sy));
                    let (width, height) = (image.width(), image.height());
                    let alpha = alpha.filter(|alpha| (alpha.width, alpha.height) == (width, height));
                    self.draw(place, width, height, |at| grey(&image, alpha.as_ref(), at));
                },
                None,
            ),
            // Where a mask lets ink through there is ink; of what colour matters little.
            Image::Stencil(stencil) => stencil.with_stencil(
                |mask, _| {
                    let (sx, sy) = mask.scale_factors;
                    let place = props.transform * Affine::scale_non_uniform(f64::from(sx), f64::from(sy));
                    let ink = |at: usize| mask.data.get(at).filter(|through| **through > 127).map(|_| 0);
                    self.draw(place, mask.width, mask.height, ink);
                },
                None,
            ),
        }
    }

    fn draw_glyph_run(&mut self, _: &GlyphRun<'_, 'a>, _: DrawProps<'a>, _: &DrawMode) {}
    fn draw_path(&mut self, _: &BezPath, _: DrawProps<'a>, _: &DrawMode) {}
    fn push_clip_path(&mut self, _: &ClipPath) {}
    fn push_transparency_group(&mut self, _: f32, _: Option<SoftMask<'a>>, _: BlendMode) {}
    fn pop_clip(&mut self) {}
    fn pop_transparency_group(&mut self) {}
}

/// The grey of a dot, on white paper.
fn grey(image: &ImageData, alpha: Option<&LumaData>, at: usize) -> Option<u8> {
    let grey = match image {
        ImageData::Luma(luma) => u32::from(*luma.data.get(at)?),
        ImageData::Rgb(rgb) => match rgb.data.get(3 * at..3 * at + 3)? {
            // ITU-R BT.601.
            [r, g, b] => (299 * u32::from(*r) + 587 * u32::from(*g) + 114 * u32::from(*b)) / 1000,
            _ => return None,
        },
    };
    let shown = alpha.and_then(|alpha| alpha.data.get(at)).map_or(255, |alpha| u32::from(*alpha));
    Some(((grey * shown + u32::from(WHITE) * (255 - shown)) / 255) as u8)
}
