//! The window without a window system: frames into a picture.

use std::io::Cursor;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use egui::{Event, RawInput, Rect, ViewportId};
use egui_kittest::TestRenderer;
use egui_kittest::wgpu::WgpuTestRenderer;
use egui_wgpu::{RenderState, RendererOptions, ScreenDescriptor};
use image::RgbaImage;

use crate::args::Args;
use crate::frame::Workbench;
use crate::labs::model::Open;
use crate::{graphics, theme};

/// How long a picture waits for the numbers.
const PATIENCE: Duration = Duration::from_secs(300);

/// A window without a display.
pub struct Headless {
    /// The window's content.
    pub app: Workbench,
    ctx: egui::Context,
    renderer: WgpuTestRenderer,
    render: RenderState,
    /// The texture that [`draw`](Self::draw) draws into.
    target: wgpu::TextureView,
    /// The graphics adapter.
    pub adapter: String,
    args: Args,
    output: Option<egui::FullOutput>,
    /// The triangles of the last frame.
    shapes: Vec<egui::ClippedPrimitive>,
}

impl Headless {
    /// Opens the window.
    ///
    /// # Errors
    /// Where there is no graphics adapter, the device asked for does not exist, or it cannot hold a
    /// picture of this size.
    pub fn open(args: &Args) -> Result<Self> {
        Headless::open_with(args, RendererOptions::PREDICTABLE)
    }

    /// As [`open`](Self::open), with other options of the renderer.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(args: &Args, options: RendererOptions) -> Result<Self> {
        let render = render_state(options)?;
        fits(args, render.device.limits().max_texture_dimension_2d)?;
        let ctx = egui::Context::default();
        ctx.add_font_provider(std::sync::Arc::new(egui_system_font_provider::SystemFontProvider::new()));
        theme::install(&ctx, args.theme().into());
        let app = Workbench::new(&render, args, None, || {})?;
        ctx.all_styles_mut(|style| {
            style.visuals.text_cursor.blink = false;
            style.animation_time = 0.0;
        });
        let adapter = render.adapter.get_info();
        let adapter = format!("{} ({:?}, {:?})", adapter.name, adapter.device_type, adapter.backend);
        let (format, usage) = (render.target_format, wgpu::TextureUsages::empty());
        let target = graphics::target(&render.device, "window", pixels(args), format, usage);
        let renderer = WgpuTestRenderer::from_render_state(render.clone());
        let (args, output, shapes) = (args.clone(), None, Vec::new());
        Ok(Headless { app, ctx, renderer, render, target, adapter, args, output, shapes })
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
        self.shapes = self.ctx.tessellate(output.shapes.clone(), output.pixels_per_point);
        let took = start.elapsed();
        self.renderer.handle_delta(&mut output.textures_delta);
        self.output = Some(output);
        took
    }

    /// Runs frames until the computation is done and the layout has come to rest.
    ///
    /// # Errors
    /// After five minutes.
    pub fn settle(&mut self) -> Result<()> {
        let start = Instant::now();
        while !self.app.is_settled() {
            if start.elapsed() > PATIENCE {
                bail!("the computation did not finish within {} s", PATIENCE.as_secs());
            }
            self.frame(Vec::new());
            self.app.wait(Duration::from_millis(20));
        }
        for _ in 0..4 {
            self.frame(Vec::new());
        }
        Ok(())
    }

    /// The model explorer, where it is in front.
    pub fn model(&mut self) -> Option<&mut Open> {
        self.app.lab_mut()?.as_any().downcast_mut()
    }

    /// Draws the last frame as a window does, and waits for the graphics device; the picture stays there.
    ///
    /// # Errors
    /// Errors of the graphics driver.
    pub fn draw(&mut self) -> Result<()> {
        let output = self.output.as_ref().ok_or_else(|| anyhow!("no frame has been run"))?;
        let RenderState { device, queue, renderer, .. } = &self.render;
        let screen = ScreenDescriptor {
            size_in_pixels: pixels(&self.args),
            pixels_per_point: output.pixels_per_point,
        };
        let [r, g, b, a] = self.ground().to_normalized_gamma_f32().map(f64::from);
        let load = wgpu::LoadOp::Clear(wgpu::Color { r, g, b, a });
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut renderer = renderer.write();
        let before = renderer.update_buffers(device, queue, &mut encoder, &self.shapes, &screen);
        let pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
            color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                view: &self.target,
                depth_slice: None,
                resolve_target: None,
                ops: wgpu::Operations { load, store: wgpu::StoreOp::Store },
            })],
            ..Default::default()
        });
        renderer.render(&mut pass.forget_lifetime(), &self.shapes, &screen);
        queue.submit(before.into_iter().chain([encoder.finish()]));
        device.poll(wgpu::PollType::wait_indefinitely())?;
        Ok(())
    }

    /// The last frame as an image.
    ///
    /// # Errors
    /// Errors of the graphics driver.
    pub fn picture(&mut self) -> Result<RgbaImage> {
        let output = self.output.as_ref().ok_or_else(|| anyhow!("no frame has been run"))?;
        let drawn = self.renderer.render(&self.ctx, output);
        let mut picture = drawn.map_err(|problem| anyhow!("drawing failed: {problem}"))?;
        let ground = self.ground().to_array();
        for pixel in picture.pixels_mut() {
            let behind = 255 - u16::from(pixel[3]);
            for (channel, ground) in pixel.0.iter_mut().zip(ground) {
                *channel += ((u16::from(ground) * behind + 127) / 255) as u8;
            }
        }
        Ok(picture)
    }

    fn ground(&self) -> egui::Color32 {
        theme::ground(&self.ctx.style_of(self.ctx.theme()).visuals)
    }
}

/// The graphics device without a window.
pub fn render_state(options: RendererOptions) -> Result<RenderState> {
    let configuration = graphics::configuration();
    let instance = pollster::block_on(configuration.wgpu_setup.new_instance());
    pollster::block_on(RenderState::create(&configuration, &instance, None, options))
        .map_err(|error| anyhow!(graphics::explain(&error)))
}

/// What a lab computes with in a test: the CPU, and the graphics device without a window.
#[cfg(test)]
pub fn machine() -> crate::lab::Machine {
    let (device, window) = (rankscope::Device::Cpu, predictable().device);
    crate::lab::Machine { device, window, wake: std::sync::Arc::new(|| {}) }
}

/// The graphics device of a test.
#[cfg(test)]
pub fn predictable() -> RenderState {
    render_state(RendererOptions::PREDICTABLE).expect("an adapter: install mesa-vulkan-drivers")
}

/// Width and height of a picture.
fn pixels(args: &Args) -> [u32; 2] {
    [args.size.width, args.size.height].map(|side| (f32::from(side) * args.scale).round() as u32)
}

/// Whether a picture's sides are at most `limit` pixels.
fn fits(args: &Args, limit: u32) -> Result<()> {
    let Args { size, scale, .. } = args;
    let [width, height] = pixels(args);
    if width.max(height) > limit {
        bail!(
            "--size {size} at --scale {scale} is {width}x{height} pixels, \
             expected sides of at most {limit} pixels, the graphics device's limit"
        );
    }
    Ok(())
}

/// Draws the view that `args` describe into `path`; the file is complete or not there.
///
/// # Errors
/// As [`Headless::open`], and if the file cannot be written. Some faults that the window would show in a banner (no
/// such model, a text too long) or correct (no such layer or head) are errors here.
pub fn screenshot(args: &Args, path: &Path) -> Result<()> {
    let mut window = Headless::open(args)?;
    window.settle()?;
    without_banners(&window.app)?;
    if let Some(model) = window.model() {
        model.check(args)?;
    }
    let picture = window.picture()?;
    window.app.hear_objections();
    without_banners(&window.app)?;
    let mut png = Cursor::new(Vec::new());
    picture.write_to(&mut png, image::ImageFormat::Png)?;
    Ok(rankscope::figure::save(path, png.into_inner())?)
}

/// An error with the first banner, if there is one.
pub fn without_banners(app: &Workbench) -> Result<()> {
    app.banners().first().map_or(Ok(()), |text| bail!("{text}"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn error(arguments: &[&str]) -> String {
        let args = Args::parse_from([&["rankscope-app"], arguments].concat());
        let folder = std::env::temp_dir();
        let path = folder.join("rankscope-app-no-picture.png");
        let text = screenshot(&args, &path).unwrap_err().to_string();
        assert!(!path.exists());
        text
    }

    #[test]
    fn what_cannot_be_drawn_is_named_in_one_line() {
        let cases: [(&[&str], &str); 5] = [
            (&["--size", "8192x8191", "--scale", "4"], "--size 8192x8191 at --scale 4 is 32768x32764 pixels"),
            (&["--head", "9"], "--head is 9, expected less than 4, as many as english-gpt has"),
            (&["--layer", "99"], "--layer is 99, expected less than 4"),
            (&["--mask", "foo"], "foo"),
            (&["--attention", "nowhere.npz"], "nowhere.npz: no such file"),
        ];
        for (arguments, part) in cases {
            let text = error(arguments);
            assert!(text.contains(part) && !text.contains('\n'), "{text}");
        }
    }
}
