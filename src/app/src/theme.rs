//! Colours, fonts and spacing of the window, from the library's palette.

use egui::epaint::text::{FontInsert, FontPriority, InsertFontFamily};
use egui::style::ScrollStyle;
use egui::{Color32, CornerRadius, FontData, FontFamily, FontId, Stroke, TextStyle, Visuals, vec2};
use rankscope::figure::style::{self, Kind, Marker, Palette, Rgb};

use crate::format;

/// The library's theme for the one that egui shows.
pub fn of(visuals: &Visuals) -> style::Theme {
    if visuals.dark_mode { style::Theme::Dark } else { style::Theme::Light }
}

/// The greys and the accent of the theme in use.
pub fn palette(ui: &egui::Ui) -> &'static Palette {
    of(ui.visuals()).palette()
}

/// The colour behind everything. The window is cleared to it: painting it costs a software renderer half of a frame.
pub fn ground(visuals: &Visuals) -> Color32 {
    color(of(visuals).palette().background)
}

/// As a colour of egui.
pub fn color([red, green, blue]: Rgb) -> Color32 {
    Color32::from_rgb(red, green, blue)
}

/// Size of the smallest text: nothing is smaller.
pub const SMALL: f32 = 12.0;

/// Numbers that stand in columns, and labels of tokens.
pub fn mono(size: f32) -> FontId {
    FontId::new(size, FontFamily::Monospace)
}

/// Running text.
pub fn text(size: f32) -> FontId {
    FontId::new(size, FontFamily::Proportional)
}

/// A token as it can be shown, in at most `limit` characters: a character that no font has is shown by its number.
pub fn label(ui: &egui::Ui, piece: &str, limit: usize) -> String {
    format::cut(&parts(ui, piece), limit)
}

/// As [`label`], and at most `width` points wide in the size of labels.
pub fn label_within(ui: &egui::Ui, piece: &str, limit: usize, width: f32) -> String {
    let parts = parts(ui, piece);
    let fits = |label: &String| {
        ui.painter().layout_no_wrap(label.clone(), text(13.0), Color32::WHITE).size().x <= width
    };
    (1..=limit).rev().map(|limit| format::cut(&parts, limit)).find(fits).unwrap_or_else(|| "…".to_owned())
}

fn parts(ui: &egui::Ui, piece: &str) -> Vec<String> {
    let font = text(13.0);
    // Laying it out first makes egui ask the system for a font.
    drop(ui.painter().layout_no_wrap(piece.to_owned(), font.clone(), Color32::WHITE));
    format::parts(piece, |c| ui.fonts_mut(|fonts| fonts.has_glyph(&font, c)))
}

/// A scroll bar that is always seen where there is more than fits.
pub fn scroll_bar() -> ScrollStyle {
    ScrollStyle { foreground_color: true, bar_width: 5.0, ..ScrollStyle::solid() }
}

/// Faces for what egui's own lack: arrows and mathematics, then Chinese and Japanese; a system's fonts come after them.
const FACES: [(&str, &[u8]); 2] = [
    ("DejaVu Sans", include_bytes!("../../../assets/fonts/DejaVuSans-rankscope.ttf")),
    ("Droid Sans Fallback", include_bytes!("../../../assets/fonts/DroidSansFallback-rankscope.ttf")),
];

/// Gives `ctx` the two themes and the faces, and shows `theme`.
pub fn install(ctx: &egui::Context, theme: egui::Theme) {
    for (name, bytes) in FACES {
        let families = [FontFamily::Proportional, FontFamily::Monospace]
            .map(|family| InsertFontFamily { family, priority: FontPriority::Lowest });
        ctx.add_font(FontInsert::new(name, FontData::from_static(bytes), families.into()));
    }
    for (which, palette, mut visuals) in [
        (egui::Theme::Dark, style::Theme::Dark.palette(), Visuals::dark()),
        (egui::Theme::Light, style::Theme::Light.palette(), Visuals::light()),
    ] {
        dress(&mut visuals, palette);
        ctx.set_visuals_of(which, visuals);
    }
    ctx.all_styles_mut(|style| {
        for (name, font) in [
            (TextStyle::Small, text(SMALL)),
            (TextStyle::Body, text(14.0)),
            (TextStyle::Button, text(14.0)),
            (TextStyle::Heading, text(17.0)),
            (TextStyle::Monospace, mono(13.0)),
        ] {
            style.text_styles.insert(name, font);
        }
        style.spacing.item_spacing = vec2(8.0, 6.0);
        style.spacing.button_padding = vec2(8.0, 4.0);
        style.spacing.interact_size.y = 24.0;
        style.spacing.slider_width = 170.0;
    });
    ctx.set_theme(theme);
}

fn dress(visuals: &mut Visuals, palette: &Palette) {
    let [background, panel, ink, muted, grid, accent] =
        [palette.background, palette.panel, palette.ink, palette.muted, palette.grid, palette.accent]
            .map(color);
    visuals.panel_fill = background;
    visuals.window_fill = panel;
    visuals.extreme_bg_color = panel;
    visuals.faint_bg_color = panel;
    visuals.override_text_color = Some(ink);
    visuals.weak_text_color = Some(muted);
    visuals.hyperlink_color = accent;
    visuals.window_stroke = Stroke::new(1.0, grid);
    visuals.selection.bg_fill = mix(palette.background, palette.accent, 0.30);
    visuals.selection.stroke = Stroke::new(1.0, ink);
    visuals.slider_trailing_fill = true;
    let widgets = &mut visuals.widgets;
    widgets.noninteractive.bg_stroke = Stroke::new(1.0, grid);
    widgets.noninteractive.fg_stroke = Stroke::new(1.0, ink);
    for (state, strength) in [
        (&mut widgets.inactive, 0.08),
        (&mut widgets.hovered, 0.16),
        (&mut widgets.active, 0.24),
        (&mut widgets.open, 0.12),
    ] {
        let fill = mix(palette.panel, palette.muted, strength);
        (state.bg_fill, state.weak_bg_fill) = (fill, fill);
        state.bg_stroke = Stroke::new(1.0, grid);
        state.fg_stroke = Stroke::new(1.0, ink);
        state.corner_radius = CornerRadius::same(4);
        state.expansion = 0.0;
    }
    widgets.hovered.bg_stroke = Stroke::new(1.0, muted);
    widgets.active.bg_stroke = Stroke::new(1.0, accent);
}

/// `part` of the way from one colour to another.
pub fn mix(from: Rgb, to: Rgb, part: f32) -> Color32 {
    let channel = |i: usize| (f32::from(from[i]) * (1.0 - part) + f32::from(to[i]) * part).round() as u8;
    Color32::from_rgb(channel(0), channel(1), channel(2))
}

/// A kind's colour, lightened on dark ground so that thin lines and text of it stay legible.
pub fn kind_color(ui: &egui::Ui, kind: Kind) -> Color32 {
    if ui.visuals().dark_mode { mix(kind.color(), [255; 3], 0.25) } else { color(kind.color()) }
}

/// Draws a kind's marker: the same shape as in the plots.
pub fn marker(painter: &egui::Painter, center: egui::Pos2, radius: f32, kind: Kind, fill: Color32) {
    let at = |x: f32, y: f32| center + vec2(x, y) * radius;
    let points = match kind.marker() {
        Marker::Circle => {
            painter.circle_filled(center, radius, fill);
            return;
        }
        Marker::Cross => {
            let stroke = Stroke::new(1.5, fill);
            painter.line_segment([at(-0.8, -0.8), at(0.8, 0.8)], stroke);
            painter.line_segment([at(-0.8, 0.8), at(0.8, -0.8)], stroke);
            return;
        }
        Marker::Square => vec![at(-0.8, -0.8), at(0.8, -0.8), at(0.8, 0.8), at(-0.8, 0.8)],
        Marker::Diamond => vec![at(0.0, -1.1), at(1.1, 0.0), at(0.0, 1.1), at(-1.1, 0.0)],
        Marker::Triangle => vec![at(0.0, -1.0), at(1.0, 0.8), at(-1.0, 0.8)],
        Marker::TriangleDown => vec![at(0.0, 1.0), at(-1.0, -0.8), at(1.0, -0.8)],
    };
    painter.add(egui::Shape::convex_polygon(points, fill, Stroke::NONE));
}
