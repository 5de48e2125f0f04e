//! What glyphs a page shows, and where.

use std::collections::HashMap;

use hayro_interpret::font::{Glyph as Drawn, GlyphRun};
use hayro_interpret::hayro_cmap::BfString;
use hayro_interpret::hayro_syntax::Pdf;
use hayro_interpret::hayro_syntax::page::Page;
use hayro_interpret::kurbo::{Affine, BezPath, Point, Rect, Vec2};
use hayro_interpret::{
    BlendMode, ClipPath, Context, Device, DrawMode, DrawProps, Image, ImageDrawProps, InterpreterCache,
    InterpreterSettings, SoftMask, interpret_page,
};
use unicode_normalization::UnicodeNormalization;

use crate::knowledge::parse::{FailureCode, ParseFailure};

/// A page that shows fewer glyphs than this for each hidden one is a picture with recognised text behind it.
const SCAN_SHARE: usize = 4;
/// Bytes a glyph costs beside its text, so that a page of empty glyphs meets the limit too.
const GLYPH_COST: usize = 1;

/// One glyph, in points from the page's top left corner.
#[derive(Debug, Clone)]
pub struct Glyph {
    /// What it reads.
    pub text: String,
    /// Where it begins.
    pub x: f64,
    /// Where it ends.
    pub end: f64,
    /// Its baseline, from the top.
    pub y: f64,
    /// The size of its type.
    pub size: f64,
    /// How its type looks.
    pub face: Face,
}

/// How a type looks, as far as it tells what a text is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Face {
    /// Bold.
    pub bold: bool,
    /// All letters equally wide: program text.
    pub mono: bool,
}

/// The glyphs of a page in the order they are drawn, which is the order of reading in all that is made by programs of
/// our time, and the page's height.
///
/// # Errors
/// `TooLarge` above `budget` bytes of text.
pub fn of_page<'a>(
    page: &Page<'a>,
    pdf: &'a Pdf,
    cache: &InterpreterCache<'a>,
    settings: &InterpreterSettings,
    budget: usize,
) -> Result<(Vec<Glyph>, f64), ParseFailure> {
    let (width, height) = page.render_dimensions();
    let bounds = Rect::new(0.0, 0.0, f64::from(width), f64::from(height));
    let t = page.initial_transform(true).as_coeffs();
    let mut context = Context::new(Affine::new(t), bounds, cache, pdf.xref(), settings.clone());
    let mut ear = Ear { bounds, budget, ..Ear::default() };
    interpret_page(page, &mut context, &mut ear);
    if ear.over_budget {
        return Err(ParseFailure::new(
            FailureCode::TooLarge,
            "The PDF holds more text than is read. Split it and upload the parts.",
        ));
    }
    // Recognised text lies unseen behind a scanned page; elsewhere unseen text is not for people, so not for a model.
    let is_scan = ear.hidden.len() > SCAN_SHARE * ear.shown.len();
    let mut glyphs = ear.shown;
    if is_scan {
        glyphs.extend(ear.hidden);
    }
    Ok((glyphs, f64::from(height)))
}

/// Hears glyphs and ignores everything else that is drawn.
#[derive(Default)]
struct Ear {
    bounds: Rect,
    shown: Vec<Glyph>,
    hidden: Vec<Glyph>,
    budget: usize,
    over_budget: bool,
    faces: HashMap<u128, Face>,
}

impl<'a> Device<'a> for Ear {
    fn draw_glyph_run(&mut self, run: &GlyphRun<'_, 'a>, props: DrawProps<'a>, mode: &DrawMode) {
        for glyph in run.glyphs() {
            if self.over_budget {
                return;
            }
            let place = props.transform * glyph.transform();
            self.hear(glyph, place, matches!(mode, DrawMode::Invisible));
        }
    }

    fn draw_path(&mut self, _: &BezPath, _: DrawProps<'a>, _: &DrawMode) {}
    fn push_clip_path(&mut self, _: &ClipPath) {}
    fn push_transparency_group(&mut self, _: f32, _: Option<SoftMask<'a>>, _: BlendMode) {}
    fn draw_image(&mut self, _: Image<'a, '_>, _: ImageDrawProps<'a>) {}
    fn pop_clip(&mut self) {}
    fn pop_transparency_group(&mut self) {}
}

impl Ear {
    fn hear(&mut self, glyph: &Drawn<'_>, place: Affine, hidden: bool) {
        let Some(text) = reading(glyph) else { return };
        self.budget = match self.budget.checked_sub(text.len() + GLYPH_COST) {
            Some(left) => left,
            None => {
                self.over_budget = true;
                return;
            }
        };
        let width = match glyph {
            Drawn::Outline(outline) => outline.advance_width(),
            Drawn::Type3(type3) => type3.advance_width(),
        };
        // Glyph space has a thousand units to the size of the type.
        let width = f64::from(width.filter(|width| width.is_finite()).unwrap_or(500.0));
        let start = place * Point::ZERO;
        let along = vector(place, width, 0.0);
        let size = vector(place, 0.0, 1000.0).hypot();
        let finite = start.is_finite() && along.is_finite() && size.is_finite();
        if !finite || size < 1.0 || !self.bounds.inflate(2.0, 2.0).contains(start) {
            return;
        }
        // Text set sideways or aslant is a watermark, a stamp or the label of an axis.
        if along.y.abs() > along.x.abs() && along.hypot() > 0.1 {
            return;
        }
        let face = self.face(glyph);
        let (x, end) = (start.x.min(start.x + along.x), start.x.max(start.x + along.x));
        let glyph = Glyph { text, x, end, y: start.y, size, face };
        if hidden { self.hidden.push(glyph) } else { self.shown.push(glyph) }
    }

    fn face(&mut self, glyph: &Drawn<'_>) -> Face {
        let Drawn::Outline(outline) = glyph else { return Face::default() };
        let Some(font) = outline.font_data() else { return Face::default() };
        *self.faces.entry(font.cache_key).or_insert_with(|| {
            let name = font.postscript_name.as_deref().unwrap_or_default().to_lowercase();
            let named = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
            Face {
                bold: font.weight.is_some_and(|weight| weight >= 600) || named(&["bold", "black", "heavy", "semibold"]),
                mono: font.is_monospace || named(&["mono", "courier", "consol", "typewriter", "cmtt"]),
            }
        })
    }
}

fn vector(place: Affine, x: f64, y: f64) -> Vec2 {
    place * Point::new(x, y) - place * Point::ZERO
}

/// What a glyph reads, ligatures and Arabic letter forms taken apart. Private-use and unmapped glyphs read nothing.
fn reading(glyph: &Drawn<'_>) -> Option<String> {
    let text = match glyph.as_unicode()? {
        BfString::Char(c) => c.to_string(),
        BfString::String(text) => text,
    };
    let text = match text.chars().next()? {
        '\u{FB00}'..='\u{FDFF}' | '\u{FE70}'..='\u{FEFC}' => text.nfkc().collect(),
        // The bullets of the Symbol and Wingdings fonts.
        '\u{F0B7}' | '\u{F0A7}' | '\u{F0D8}' | '\u{F0FC}' | '\u{F076}' => "•".to_owned(),
        '\u{E000}'..='\u{F8FF}' => return None,
        '\u{A0}' => " ".to_owned(),
        _ => text,
    };
    (!text.is_empty() && !text.starts_with(|c: char| c.is_control() && c != '\t')).then_some(text)
}
