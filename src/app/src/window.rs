//! The window on a display.

use anyhow::{Result, anyhow, bail};
use eframe::{CreationContext, Frame, NativeOptions};
use egui::ViewportBuilder;

use crate::args::Args;
use crate::frame::Workbench;
use crate::{graphics, theme};

/// The window, and what it was drawn in last.
struct Window(Workbench, Option<egui::Context>);

impl eframe::App for Window {
    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut Frame) {
        self.0.ui(ui);
        self.1 = Some(ui.ctx().clone());
    }

    fn on_exit(&mut self) {
        if let Some(ctx) = &self.1 {
            self.0.close(ctx);
        }
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
    let args = args.clone();
    let open = move |context: &CreationContext<'_>| {
        let render = context.wgpu_render_state.as_ref().ok_or(graphics::NO_ADAPTER)?;
        theme::install(&context.egui_ctx, args.theme().into());
        let wake = context.egui_ctx.clone();
        let home = dirs::data_dir().map(|data| data.join("rankscope/app"));
        let app = Workbench::new(render, &args, home, move || wake.request_repaint())?;
        app.dress(&context.egui_ctx);
        Ok(Box::new(Window(app, None)) as Box<dyn eframe::App>)
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
