//! How the shader lab is drawn.

use egui::{Align2, Grid, RichText, ScrollArea, TextEdit, WidgetInfo, pos2, vec2};
use rankscope::device::gpu::BindingKind;
use rankscope::numbers::short;
use rankscope::ops::bench::SIZES;

use super::highlight::{Colours, layout};
use super::state::{Edit, Found, LIMIT, MOST_SECONDS, SIZE, Shader, kernels};
use super::worker::Numbers;
use crate::lab::{Desk, Layout, Panel, View as Draws};
use crate::labs::controls::slider;
use crate::theme;
use crate::widget::number::Number;

/// Room for the names of the sliders.
const NAMES: f32 = 72.0;

/// The view remembers nothing.
#[derive(Default)]
pub struct View;

impl Draws for View {
    type State = Shader;

    const PANELS: &'static [Panel] = &[
        Panel {
            id: "kernels",
            title: "Kernels",
            help: "Ladders: several ways to compute one operation, from the plain formula upwards; each rung changes one thing.",
        },
        Panel {
            id: "source",
            title: "Source",
            help: "WGSL, the shading language of WebGPU (w3.org/TR/WGSL). It is checked while you type, by naga, which also compiles it.",
        },
        Panel {
            id: "kernel",
            title: "This kernel",
            help: "What the rung changes from the one before, and what the host binds by name: a changed source keeps these buffers and parameters.",
        },
        Panel {
            id: "result",
            title: "Result",
            help: "The largest |got − want| / max(1, |want|), where want is computed in f64 on the CPU; the least time of several calls. A process of its own runs the kernel: an endless loop or a lost device ends that process alone.",
        },
    ];

    fn layout() -> Layout {
        let right = Layout::column([(0.42, Layout::panel("result")), (0.58, Layout::panel("kernel"))]);
        Layout::row([(0.13, Layout::panel("kernels")), (0.64, Layout::panel("source")), (0.23, right)])
    }

    fn ui(&mut self, id: &str, desk: &mut Desk<'_, Shader>, ui: &mut egui::Ui) {
        match id {
            "kernels" => list(desk, ui),
            "source" => source(desk, ui),
            "kernel" => about(desk, ui),
            _ => result(desk, ui),
        }
    }
}

fn list(desk: &mut Desk<'_, Shader>, ui: &mut egui::Ui) {
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        let mut last = "";
        for (ladder, variant) in kernels() {
            if ladder.op != last {
                ui.add_space(if last.is_empty() { 0.0 } else { 6.0 });
                ui.label(RichText::new(ladder.op.replace('_', " ")).strong()).on_hover_text(ladder.rule);
                last = ladder.op;
            }
            let is_chosen =
                (desk.state.op.as_str(), desk.state.variant.as_str()) == (ladder.op, variant.name);
            let row = ui.selectable_label(is_chosen, format!("    {}", variant.name));
            if row.on_hover_text(variant.changes).clicked() && !is_chosen {
                desk.edit(Edit::Kernel { op: ladder.op.to_owned(), variant: variant.name.to_owned() });
            }
        }
    });
}

/// The change that the chosen rung makes, and its bindings.
fn about(desk: &Desk<'_, Shader>, ui: &mut egui::Ui) {
    let (Ok((ladder, variant)), Ok(kernel)) = (desk.state.rung(), desk.state.kernel()) else { return };
    let wrapped = |text: String, ui: &mut egui::Ui| drop(ui.add(egui::Label::new(text).wrap()));
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        wrapped(format!("What it changes: {}.", variant.changes.trim_end_matches('.')), ui);
        for (name, text) in
            [("Slower", variant.slower), ("Takes", variant.limits), ("The host's choice", ladder.rule)]
        {
            if !text.is_empty() {
                wrapped(format!("{name}: {text}"), ui);
            }
        }
        let Ok(reflection) = kernel.reflect() else { return };
        let [x, y, z] = reflection.workgroup_size;
        wrapped(format!("Workgroup: {x} × {y} × {z} invocations"), ui);
        ui.add_space(4.0);
        Grid::new("buffers").striped(true).spacing([16.0, 3.0]).show(ui, |ui| {
            for binding in &reflection.bindings {
                let kind = match binding.kind {
                    BindingKind::Uniform => "parameters",
                    BindingKind::Read => "input",
                    BindingKind::ReadWrite => "output",
                };
                ui.label(format!("binding {}", binding.slot));
                ui.label(RichText::new(&binding.name).monospace());
                ui.label(RichText::new(kind).weak());
                ui.end_row();
            }
        });
    });
}

fn source(desk: &mut Desk<'_, Shader>, ui: &mut egui::Ui) {
    let problem = desk.answer.problem.get().and_then(Option::as_ref);
    ui.horizontal_wrapped(|ui| {
        let is_changed = desk.state.source.is_some();
        let run = ui.add_enabled(problem.is_none(), egui::Button::new("Run"));
        if run.on_hover_text("Runs the shipped source, then this one, against the CPU").clicked() {
            desk.edit(Edit::Run);
        }
        if ui.add_enabled(is_changed, egui::Button::new("Shipped source")).clicked() {
            desk.edit(Edit::Reset);
        }
        match problem {
            Some(problem) => {
                let place = problem.line.map_or_else(String::new, |line| format!("line {line}: "));
                ui.colored_label(ui.visuals().error_fg_color, place + &problem.message);
            }
            None if is_changed => drop(ui.label(RichText::new("changed; no mistake found").weak())),
            None => drop(ui.label(RichText::new("as shipped").weak())),
        }
    });
    let line = problem.and_then(|problem| problem.line);
    let text = desk.state.source().to_owned();
    if let Some(changed) = editor(&text, line, ui) {
        desk.edit(Edit::Source(changed));
    }
}

/// The source with line numbers, and the wrong line marked; returns the typed text.
fn editor(source: &str, wrong: Option<usize>, ui: &mut egui::Ui) -> Option<String> {
    const NUMBERS: f32 = 40.0;
    let palette = theme::palette(ui);
    let (muted, red) = (theme::color(palette.muted), ui.visuals().error_fg_color);
    let dark = ui.visuals().dark_mode;
    let pick = |light: [u8; 3], darker: [u8; 3]| theme::color(if dark { darker } else { light });
    let colours = Colours {
        ink: theme::color(palette.ink),
        comment: muted,
        word: pick([130, 60, 140], [205, 155, 215]),
        kind: pick([0, 95, 135], [125, 190, 225]),
        number: pick([150, 80, 0], [225, 175, 115]),
    };
    let font = theme::mono(13.0);
    let mut text = source.to_owned();
    let mut layouter = |ui: &egui::Ui, buffer: &dyn egui::TextBuffer, _: f32| {
        ui.fonts_mut(|fonts| fonts.layout_job(layout(buffer.as_str(), font.clone(), &colours)))
    };
    let shown = ScrollArea::both().auto_shrink(false).show(ui, |ui| {
        ui.horizontal_top(|ui| {
            ui.add_space(NUMBERS);
            let field = TextEdit::multiline(&mut text)
                .code_editor()
                .desired_width(f32::INFINITY)
                .margin(vec2(4.0, 2.0))
                .frame(egui::Frame::NONE)
                .layouter(&mut layouter);
            let output = field.show(ui);
            for (at, row) in (1..).zip(&output.galley.rows) {
                let place = row.rect().translate(output.galley_pos.to_vec2());
                let is_wrong = wrong == Some(at);
                if is_wrong {
                    let whole = egui::Rect::from_x_y_ranges(ui.clip_rect().x_range(), place.y_range());
                    ui.painter().rect_filled(whole, 0.0, red.gamma_multiply(0.15));
                }
                let color = if is_wrong { red } else { muted };
                let end = pos2(place.left() - 10.0, place.center().y);
                let small = theme::mono(theme::SMALL);
                ui.painter().text(end, Align2::RIGHT_CENTER, at.to_string(), small, color);
            }
            output.response.response
        })
        .inner
    });
    let response = shown.inner;
    response.widget_info(|| {
        let mut info = WidgetInfo::labeled(egui::Role::MultilineTextInput, true, "WGSL source");
        info.current_text_value = Some(source.to_owned());
        info
    });
    response.changed().then_some(text)
}

fn result(desk: &mut Desk<'_, Shader>, ui: &mut egui::Ui) {
    ui.spacing_mut().slider_width = (ui.available_width() - NAMES - 70.0).clamp(60.0, 170.0);
    let size = Number::new("size n", desk.state.size, 1..=1024, SIZE).name_width(NAMES);
    slider(size.help(SIZES).logarithmic(), Edit::Size, desk, ui);
    let limit = Number::new("ends after", desk.state.limit, 1..=MOST_SECONDS.min(60), LIMIT).unit(" s");
    let help = "A run that takes longer is ended, and its process with it.";
    slider(limit.help(help).name_width(NAMES), Edit::Limit, desk, ui);
    ui.add_space(6.0);
    let Some(found) = desk.answer.found.get() else {
        let text = "Run compares the kernel with the CPU, in f64, and measures its time.";
        ui.add(egui::Label::new(RichText::new(text).weak()).wrap());
        return;
    };
    ui.scope(|ui| {
        ui.multiply_opacity(1.0 - desk.fade(&desk.answer.found));
        numbers(found, desk.is_steady, ui);
        if let Some(failure) = &found.failure {
            ui.add(egui::Label::new(RichText::new(failure).color(ui.visuals().error_fg_color)).wrap());
        }
        ui.add_space(6.0);
        ui.add(egui::Label::new(RichText::new(&found.device).weak()).wrap());
    });
}

/// The rows of the table of numbers: what each is, and its hint.
const ROWS: [(&str, &str); 5] = [
    ("result", "right if the error is rounding"),
    ("largest error", "|got − want| / max(1, |want|)"),
    ("rounding up to", "the largest error that rounding explains"),
    ("time, µs", "the least of several calls"),
    ("gflop/s", "operations that the formula asks for"),
];

/// The numbers of one source, row by row: as shown, and to the last digit.
fn column(all: &Numbers, is_steady: bool) -> [(String, String); ROWS.len()] {
    let time = |value: f64| if is_steady { "–".to_owned() } else { short(value) };
    let verdict = if all.is_right() { "right" } else { "wrong" };
    let error = match all.max_error {
        Some(error) => (short(error), format!("{error:e}")),
        None => ("not a number".to_owned(), "a NaN or an infinity among the results".to_owned()),
    };
    let clock = if all.by_gpu_clock { "by the GPU's clock" } else { "wall time" };
    [
        (verdict.to_owned(), format!("{:?}", all.max_error)),
        error,
        (short(all.tolerance), format!("{:e}", all.tolerance)),
        (time(all.micros), clock.to_owned()),
        (time(all.gflops), all.gflops.to_string()),
    ]
}

fn numbers(found: &Found, is_steady: bool, ui: &mut egui::Ui) {
    let sources: Vec<(&str, &Numbers)> = [("shipped", &found.shipped), ("changed", &found.changed)]
        .into_iter()
        .filter_map(|(name, numbers)| Some((name, numbers.as_ref()?)))
        .collect();
    if sources.is_empty() {
        return;
    }
    Grid::new("numbers").striped(true).spacing([20.0, 6.0]).show(ui, |ui| {
        ui.label("");
        sources.iter().for_each(|(name, _)| drop(ui.label(RichText::new(*name).strong())));
        ui.end_row();
        let columns: Vec<_> = sources.iter().map(|(_, all)| column(all, is_steady)).collect();
        for (row, (name, help)) in ROWS.into_iter().enumerate() {
            ui.label(name).on_hover_text(help);
            for column in &columns {
                let (shown, exact) = &column[row];
                ui.label(RichText::new(shown).monospace()).on_hover_text(exact);
            }
            ui.end_row();
        }
    });
    if let [(_, shipped), (_, changed)] = sources[..]
        && !is_steady
    {
        let factor = shipped.micros / changed.micros;
        let words = if factor >= 1.0 {
            format!("{} × as fast", short(factor))
        } else {
            format!("{} × as slow", short(1.0 / factor))
        };
        ui.label(RichText::new(format!("changed against shipped: {words}")).strong());
    }
}
