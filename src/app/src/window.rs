//! The window on a display.

use anyhow::{Result, anyhow, bail};
use eframe::{CreationContext, Frame, NativeOptions};
use egui::ViewportBuilder;

use crate::app::App;
use crate::args::Args;
use crate::{graphics, theme};

struct Window(App);

impl eframe::App for Window {
    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut Frame) {
        self.0.ui(ui);
    }
}

const INSTEAD: &str = "to draw the window into a picture instead, use --screenshot FILE.png";

/// Opens the window and stays until it is closed.
///
/// # Errors
/// Where there is no display or no graphics adapter, each named.
pub fn run(args: &Args) -> Result<()> {
    if let Some(problem) = missing_display() {
        bail!("{problem}; {INSTEAD}");
    }
    let options = NativeOptions {
        viewport: ViewportBuilder::default()
            .with_title("rankscope")
            .with_inner_size(args.size.to_vec2())
            .with_min_inner_size([800.0, 560.0]),
        wgpu_options: graphics::configuration(),
        persist_window: false,
        ..Default::default()
    };
    let scale = args.scale;
    let args = args.clone();
    let open = move |context: &CreationContext<'_>| {
        let render = context.wgpu_render_state.as_ref().ok_or(graphics::NO_ADAPTER)?;
        if scale != 1.0 {
            context.egui_ctx.set_zoom_factor(scale);
        }
        theme::install(&context.egui_ctx, args.theme.into());
        let wake = context.egui_ctx.clone();
        let app = App::new(render, &args, move || wake.request_repaint())?;
        Ok(Box::new(Window(app)) as Box<dyn eframe::App>)
    };
    eframe::run_native("rankscope", options, Box::new(open)).map_err(|error| anyhow!(explain(&error)))
}

/// What is missing for a window; `None` if nothing is.
fn missing_display() -> Option<&'static str> {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let unix = cfg!(all(unix, not(target_os = "macos")));
    let missing = unix && !set("DISPLAY") && !set("WAYLAND_DISPLAY") && !set("WAYLAND_SOCKET");
    missing.then_some("no display (neither DISPLAY nor WAYLAND_DISPLAY is set)")
}

fn explain(error: &eframe::Error) -> String {
    match error {
        eframe::Error::Wgpu(error) => graphics::explain(error),
        eframe::Error::AppCreation(error) => error.to_string(),
        eframe::Error::WinitEventLoop(error) => {
            // The system's message follows the place in the source.
            let text = error.to_string();
            let words = text.rsplit(": ").next().unwrap_or(&text);
            format!("the display cannot be opened: {words}; {INSTEAD}")
        }
        other => format!("the window cannot be opened: {}", other.to_string().replace('\n', " ")),
    }
}
