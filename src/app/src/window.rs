//! The window on a display.

use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use eframe::{CreationContext, Frame, NativeOptions};
use egui::{ViewportBuilder, ViewportCommand};

use crate::args::Args;
use crate::device::Computing;
use crate::frame::Workbench;
use crate::{graphics, theme};

/// The window.
struct Window {
    app: Workbench,
    /// The egui context of the last frame.
    ctx: Option<egui::Context>,
}

impl eframe::App for Window {
    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut Frame) {
        self.app.ui(ui);
        self.ctx = Some(ui.ctx().clone());
        if self.app.computing().loss().is_some() {
            ui.ctx().send_viewport_cmd(ViewportCommand::Close);
        }
    }

    fn clear_color(&self, visuals: &egui::Visuals) -> [f32; 4] {
        theme::ground(visuals).to_normalized_gamma_f32()
    }

    fn on_exit(&mut self) {
        if let Some(ctx) = &self.ctx {
            self.app.close(ctx);
        }
    }
}

/// A window that lasted this long did not lose its device by opening.
const LASTING: Duration = Duration::from_secs(20);

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
        dithering: false, // there are no gradients outside the heatmaps, which egui does not draw
        ..Default::default()
    };
    let (args, opened) = (args.clone(), Instant::now());
    let (of_window, devices) = (args.clone(), Arc::<OnceLock<Computing>>::default());
    let told = devices.clone();
    let open = move |context: &CreationContext<'_>| {
        let render = context.wgpu_render_state.as_ref().ok_or(graphics::NO_ADAPTER)?;
        theme::install(&context.egui_ctx, args.theme().into());
        let wake = context.egui_ctx.clone();
        let home = dirs::data_dir().map(|data| data.join("rankscope/app"));
        let app = Workbench::new(render, &args, home, move || wake.request_repaint())?;
        app.dress(&context.egui_ctx);
        let _ = told.set(app.computing().clone());
        Ok(Box::new(Window { app, ctx: None }) as Box<dyn eframe::App>)
    };
    panic::set_hook(Box::new(say));
    // winit panics where the window is destroyed under it, and egui where the graphics device is.
    let ended =
        panic::catch_unwind(AssertUnwindSafe(|| eframe::run_native("rankscope", options, Box::new(open))));
    match (devices.get().and_then(Computing::loss), ended) {
        (Some(loss), _) => open_again(&of_window, &loss, opened.elapsed()),
        (None, Ok(Ok(()))) => Ok(()),
        (None, Ok(Err(error))) => bail!(explain(&error)),
        (None, Err(_)) => bail!("the window ended unexpectedly; {KEPT}"),
    }
}

const KEPT: &str = "what was open is kept, and is there again at the next start";

/// Prints one line in place of a trace; nothing for the libraries that draw the window: its end is reported anyway.
fn say(panic: &PanicHookInfo<'_>) {
    let drawing = |file: &str| file.contains("winit-") || file.contains("egui-wgpu-");
    let Some(place) = panic.location().filter(|place| !drawing(place.file())) else { return };
    let text = graphics::one_line(panic.payload_as_str().unwrap_or("a panic"));
    eprintln!("rankscope-app: {text} at {}:{}", place.file(), place.line());
}

/// A device that was lost does not come back, so the program starts again, and says why.
///
/// # Errors
/// If the lost window was itself opened after a loss, and did not last; if the program cannot be started.
fn open_again(args: &Args, loss: &str, lasted: Duration) -> Result<()> {
    if args.lost.is_some() && lasted < LASTING {
        bail!("{loss} twice in a row; {KEPT}");
    }
    let mut again = Command::new(std::env::current_exe()?);
    again.arg("--lost").arg(loss).arg("--size").arg(args.size.to_string());
    if let Some(device) = args.device {
        again.arg("--device").arg(device.to_string());
    }
    // The new program replaces this process, whose window is dead.
    #[cfg(unix)]
    {
        Err(std::os::unix::process::CommandExt::exec(&mut again).into())
    }
    #[cfg(not(unix))]
    {
        Ok(drop(again.spawn()?))
    }
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
