//! The window without a window system: frames into a picture.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use egui::{Event, RawInput, Rect, ViewportId};
use egui_kittest::TestRenderer;
use egui_kittest::wgpu::WgpuTestRenderer;
use egui_wgpu::{RenderState, RendererOptions};
use image::RgbaImage;

use crate::app::App;
use crate::args::Args;
use crate::{graphics, theme};

/// How long a picture waits for the model.
const PATIENCE: Duration = Duration::from_secs(300);

/// A window that nobody sees.
pub struct Headless {
    /// What it shows.
    pub app: App,
    ctx: egui::Context,
    renderer: WgpuTestRenderer,
    args: Args,
    output: Option<egui::FullOutput>,
}

impl Headless {
    /// Opens it.
    ///
    /// # Errors
    /// Where there is no graphics adapter, or the device asked for does not exist.
    pub fn open(args: &Args) -> Result<Self> {
        let render = render_state()?;
        let ctx = egui::Context::default();
        ctx.add_font_provider(std::sync::Arc::new(egui_system_font_provider::SystemFontProvider::new()));
        theme::install(&ctx, args.theme.into());
        let app = App::new(&render, args, || {})?;
        ctx.all_styles_mut(|style| {
            style.visuals.text_cursor.blink = false;
            style.animation_time = 0.0;
        });
        let renderer = WgpuTestRenderer::from_render_state(render);
        Ok(Headless { app, ctx, renderer, args: args.clone(), output: None })
    }

    /// Runs one frame with `events`, without drawing; how long the interface's own work took.
    pub fn frame(&mut self, events: Vec<Event>) -> Duration {
        let start = Instant::now();
        let mut input = RawInput {
            screen_rect: Some(Rect::from_min_size(egui::Pos2::ZERO, self.args.size.to_vec2())),
            events,
            ..Default::default()
        };
        if let Some(viewport) = input.viewports.get_mut(&ViewportId::ROOT) {
            viewport.native_pixels_per_point = Some(self.args.scale);
        }
        let mut output = self.ctx.run_ui(input, |ui| self.app.ui(ui));
        self.ctx.tessellate(output.shapes.clone(), output.pixels_per_point);
        let took = start.elapsed();
        self.renderer.handle_delta(&mut output.textures_delta);
        self.output = Some(output);
        took
    }

    /// Runs frames until the model's work is done and the layout has come to rest.
    ///
    /// # Errors
    /// After five minutes.
    pub fn settle(&mut self) -> Result<()> {
        let start = Instant::now();
        while !self.app.is_settled() {
            if start.elapsed() > PATIENCE {
                bail!("the model did not finish within {} s", PATIENCE.as_secs());
            }
            self.frame(Vec::new());
            self.app.wait(Duration::from_millis(20));
        }
        for _ in 0..4 {
            self.frame(Vec::new());
        }
        Ok(())
    }

    /// What the last frame looks like.
    ///
    /// # Errors
    /// What the driver objects to.
    pub fn picture(&mut self) -> Result<RgbaImage> {
        let output = self.output.as_ref().ok_or_else(|| anyhow!("no frame has been run"))?;
        self.renderer.render(&self.ctx, output).map_err(|problem| anyhow!("drawing failed: {problem}"))
    }
}

/// The graphics device without a window.
pub fn render_state() -> Result<RenderState> {
    let configuration = graphics::configuration();
    let instance = pollster::block_on(configuration.wgpu_setup.new_instance());
    let options = RendererOptions::PREDICTABLE;
    pollster::block_on(RenderState::create(&configuration, &instance, None, options))
        .map_err(|error| anyhow!(graphics::explain(&error)))
}

/// Draws the view that `args` describe into `path`; the file is complete or not there.
///
/// # Errors
/// As above, and where the file cannot be written. What the window would show in a banner (no such
/// model, a text too long) is an error here.
pub fn screenshot(args: &Args, path: &Path) -> Result<()> {
    let mut window = Headless::open(args)?;
    window.settle()?;
    if let Some(banner) = window.app.banners.first() {
        bail!("{}", banner.text);
    }
    let picture = window.picture()?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let aside = folder.join(format!(".{}.part", path.file_name().unwrap_or_default().to_string_lossy()));
    let written = picture
        .save_with_format(&aside, image::ImageFormat::Png)
        .map_err(anyhow::Error::from)
        .and_then(|()| Ok(std::fs::rename(&aside, path)?));
    if written.is_err() {
        let _ = std::fs::remove_file(&aside);
    }
    written.with_context(|| format!("{}: cannot be written", path.display()))
}
