//! Attention weights on the screen: a paint callback whose shader reads the storage buffers themselves.

mod scale;

use std::sync::Arc;

use bytemuck::{Pod, Zeroable};
use egui::{Rect, Rgba};
use egui_wgpu::{CallbackResources, CallbackTrait, RenderState, ScreenDescriptor};
use rankscope::figure::style::Theme;
use wgpu::util::DeviceExt;

pub use scale::Scale;

use crate::layout::Head;
use crate::theme;

/// The buffers of one pass: what the shader reads.
#[derive(Debug)]
pub struct Buffers {
    /// Weights of each layer, `[H, T, S]` f32.
    pub layers: Vec<wgpu::Buffer>,
    /// Who may attend to whom in each layer, `[T, ⌈S/32⌉]` words, or `[H, T, ⌈S/32⌉]`.
    pub allowed: Vec<wgpu::Buffer>,
    /// H.
    pub heads: usize,
    /// T.
    pub queries: usize,
    /// S.
    pub keys: usize,
}

/// A storage buffer holding `bytes`, which the shader reads.
pub fn upload(device: &wgpu::Device, label: &str, bytes: &[u8]) -> wgpu::Buffer {
    let usage = wgpu::BufferUsages::STORAGE;
    device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
        label: Some(label),
        contents: bytes,
        usage,
    })
}

/// Which part of the pass a picture shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Part {
    /// Every head: side and pitch of a cell in points.
    Wall { cell: f32, pitch: f32 },
    /// One head over the whole picture.
    One(Head),
}

/// A picture of weights, drawn where it is added to a painter.
pub struct Picture {
    /// What to read.
    pub buffers: Arc<Buffers>,
    /// What of it to draw.
    pub part: Part,
    /// How a weight becomes a colour.
    pub scale: Scale,
    /// Which colours.
    pub theme: Theme,
    /// 0 … 1: how far a stale picture fades into the background.
    pub fade: f32,
    /// Where it is drawn, in points.
    pub rect: Rect,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Parameters {
    viewport: [f32; 2],
    cell: [f32; 2],
    pitch: [f32; 2],
    heads: u32,
    queries: u32,
    keys: u32,
    single: u32,
    scale: u32,
    fade: f32,
    hatch: [f32; 4],
    lines: [f32; 4],
    background: [f32; 4],
    period: f32,
    spare: [f32; 3],
}

/// The pipeline and the two slots, kept with egui's renderer.
struct Shared {
    pipeline: wgpu::RenderPipeline,
    colours: [wgpu::Buffer; 2],
    slots: [Option<Slot>; 2],
}

struct Slot {
    buffers: Arc<Buffers>,
    theme: Theme,
    parameters: wgpu::Buffer,
    layers: Vec<wgpu::BindGroup>,
}

/// Makes the pipeline; call once for each renderer, before the first picture.
pub fn install(render: &RenderState) {
    let device = &render.device;
    let module = device.create_shader_module(wgpu::include_wgsl!("heatmap.wgsl"));
    let pipeline = device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
        label: Some("heatmap"),
        layout: None,
        vertex: wgpu::VertexState {
            module: &module,
            entry_point: Some("corner"),
            compilation_options: Default::default(),
            buffers: &[],
        },
        fragment: Some(wgpu::FragmentState {
            module: &module,
            entry_point: Some("colour"),
            compilation_options: Default::default(),
            targets: &[Some(render.target_format.into())],
        }),
        primitive: wgpu::PrimitiveState::default(),
        depth_stencil: None,
        multisample: wgpu::MultisampleState::default(),
        multiview_mask: None,
        cache: None,
    });
    let colours = [Theme::Light, Theme::Dark].map(|theme| {
        let packed: Vec<u32> = theme
            .sequential()
            .table()
            .iter()
            .map(|&[red, green, blue]| u32::from_le_bytes([red, green, blue, 255]))
            .collect();
        upload(device, "colours", bytemuck::cast_slice(&packed))
    });
    let shared = Shared { pipeline, colours, slots: [None, None] };
    render.renderer.write().callback_resources.insert(shared);
}

impl Picture {
    fn slot(&self) -> usize {
        usize::from(matches!(self.part, Part::One(_)))
    }

    fn parameters(&self, pixels_per_point: f32) -> Parameters {
        let palette = self.theme.palette();
        let viewport = [self.rect.width(), self.rect.height()].map(|side| (side * pixels_per_point).round());
        let (cell, pitch) = match self.part {
            Part::Wall { cell, pitch } => ([cell * pixels_per_point; 2], [pitch * pixels_per_point; 2]),
            Part::One(_) => (viewport, [0.0; 2]),
        };
        Parameters {
            viewport,
            cell,
            pitch,
            heads: self.buffers.heads as u32,
            queries: self.buffers.queries as u32,
            keys: self.buffers.keys as u32,
            single: self.slot() as u32,
            scale: self.scale as u32,
            fade: self.fade,
            hatch: channels(theme::mix(palette.panel, palette.hatch, 0.12)),
            lines: channels(theme::mix(palette.panel, palette.hatch, 0.55)),
            background: channels(theme::color(palette.background)),
            period: (5.0 * pixels_per_point).round().max(4.0),
            spare: [0.0; 3],
        }
    }
}

/// egui blends in gamma space, so a colour's bytes go to the target as they are.
fn channels(color: egui::Color32) -> [f32; 4] {
    let [red, green, blue, alpha] = color.to_array().map(|byte| f32::from(byte) / 255.0);
    Rgba::from_rgba_premultiplied(red, green, blue, alpha).to_array()
}

impl Shared {
    fn bind(&self, device: &wgpu::Device, picture: &Picture) -> Slot {
        let parameters = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("heatmap parameters"),
            size: size_of::<Parameters>() as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let buffers = &picture.buffers;
        let colours = &self.colours[usize::from(picture.theme == Theme::Dark)];
        let layers = buffers.layers.iter().zip(&buffers.allowed).map(|(weights, allowed)| {
            let bound = [&parameters, weights, allowed, colours];
            let entries: Vec<_> = (0..)
                .zip(bound)
                .map(|(binding, buffer)| wgpu::BindGroupEntry {
                    binding,
                    resource: buffer.as_entire_binding(),
                })
                .collect();
            device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some("heatmap"),
                layout: &self.pipeline.get_bind_group_layout(0),
                entries: &entries,
            })
        });
        let layers = layers.collect();
        Slot { buffers: buffers.clone(), theme: picture.theme, parameters, layers }
    }
}

impl CallbackTrait for Picture {
    fn prepare(
        &self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        screen: &ScreenDescriptor,
        _encoder: &mut wgpu::CommandEncoder,
        resources: &mut CallbackResources,
    ) -> Vec<wgpu::CommandBuffer> {
        if let Some(shared) = resources.get_mut::<Shared>() {
            let fits = |slot: &Slot| Arc::ptr_eq(&slot.buffers, &self.buffers) && slot.theme == self.theme;
            if !shared.slots[self.slot()].as_ref().is_some_and(fits) {
                shared.slots[self.slot()] = Some(shared.bind(device, self));
            }
            if let Some(slot) = &shared.slots[self.slot()] {
                let parameters = self.parameters(screen.pixels_per_point);
                queue.write_buffer(&slot.parameters, 0, bytemuck::bytes_of(&parameters));
            }
        }
        Vec::new()
    }

    fn paint(
        &self,
        _info: egui::PaintCallbackInfo,
        pass: &mut wgpu::RenderPass<'static>,
        resources: &CallbackResources,
    ) {
        let Some(shared) = resources.get::<Shared>() else { return };
        let Some(slot) = &shared.slots[self.slot()] else { return };
        pass.set_pipeline(&shared.pipeline);
        let heads = self.buffers.heads as u32;
        for (layer, group) in (0u32..).zip(&slot.layers) {
            let instances = match self.part {
                Part::Wall { .. } => layer * heads..(layer + 1) * heads,
                Part::One(at) if at.layer as u32 == layer => {
                    let instance = layer * heads + at.head as u32;
                    instance..instance + 1
                }
                Part::One(_) => continue,
            };
            pass.set_bind_group(0, group, &[]);
            pass.draw(0..6, instances);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shader_and_its_parameters_agree() {
        let source = include_str!("heatmap.wgsl");
        let module = naga::front::wgsl::parse_str(source).expect("valid WGSL");
        let layout = module
            .types
            .iter()
            .find(|(_, kind)| kind.name.as_deref() == Some("Parameters"))
            .and_then(|(_, kind)| match &kind.inner {
                naga::TypeInner::Struct { members, span } => Some((members.clone(), *span)),
                _ => None,
            })
            .expect("a struct Parameters");
        let host = [
            ("viewport", std::mem::offset_of!(Parameters, viewport)),
            ("cell", std::mem::offset_of!(Parameters, cell)),
            ("pitch", std::mem::offset_of!(Parameters, pitch)),
            ("heads", std::mem::offset_of!(Parameters, heads)),
            ("queries", std::mem::offset_of!(Parameters, queries)),
            ("keys", std::mem::offset_of!(Parameters, keys)),
            ("single", std::mem::offset_of!(Parameters, single)),
            ("scale", std::mem::offset_of!(Parameters, scale)),
            ("fade", std::mem::offset_of!(Parameters, fade)),
            ("hatch", std::mem::offset_of!(Parameters, hatch)),
            ("lines", std::mem::offset_of!(Parameters, lines)),
            ("background", std::mem::offset_of!(Parameters, background)),
            ("period", std::mem::offset_of!(Parameters, period)),
        ];
        for (name, offset) in host {
            let member = layout.0.iter().find(|member| member.name.as_deref() == Some(name));
            assert_eq!(member.map(|member| member.offset as usize), Some(offset), "{name}");
        }
        assert_eq!(layout.1 as usize, size_of::<Parameters>());
    }
}
