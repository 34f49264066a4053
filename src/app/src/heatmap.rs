//! Attention weights on the screen: a paint callback whose shader reads the storage buffers themselves.
//!
//! Each picture is drawn into a texture when its numbers or its size change, and copied from there in every frame: pointing
//! and scrolling cost a copy.

mod matrix;
mod scale;

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Weak};

use bytemuck::{Pod, Zeroable};
use egui::{Rect, Rgba, Vec2};
use egui_wgpu::{CallbackResources, CallbackTrait, RenderState, ScreenDescriptor};
use rankscope::figure::style::Theme;
use wgpu::util::DeviceExt;

pub use matrix::{Colours, Matrix, NO_NUMBER};
pub use scale::Scale;

use crate::layout::Head;
use crate::{graphics, theme};

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
    let (label, usage) = (Some(label), wgpu::BufferUsages::STORAGE);
    device.create_buffer_init(&wgpu::util::BufferInitDescriptor { label, contents: bytes, usage })
}

/// Which part of the pass a picture shows.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// Heads, each at its place in rows of `columns` columns: size and pitch of a cell in points.
    Wall { cell: Vec2, pitch: Vec2, columns: usize, places: Arc<[(usize, Head)]> },
    /// One head over the whole picture.
    One(Head),
}

/// The source of a picture's numbers.
#[derive(Clone, Debug)]
pub enum Source {
    /// Weights that are on the graphics device.
    Weights(Arc<Buffers>, Scale),
    /// Numbers that are uploaded when they are first drawn.
    Matrix(Arc<Matrix>, Colours),
}

impl Source {
    /// The identity of the numbers: another one for other numbers.
    fn data(&self) -> Weak<dyn Any + Send + Sync> {
        match self {
            Source::Weights(buffers, _) => Arc::downgrade(&(buffers.clone() as Arc<dyn Any + Send + Sync>)),
            Source::Matrix(matrix, _) => Arc::downgrade(&(matrix.clone() as Arc<dyn Any + Send + Sync>)),
        }
    }

    fn buffers(&self, device: &wgpu::Device) -> Arc<Buffers> {
        match self {
            Source::Weights(buffers, _) => buffers.clone(),
            Source::Matrix(matrix, colours) => {
                let (queries, keys) = matrix.dim();
                let weights = upload(device, "matrix", bytemuck::cast_slice(&matrix.places(*colours)));
                let allowed = upload(device, "entries", bytemuck::cast_slice(&matrix.bits()));
                Arc::new(Buffers { layers: vec![weights], allowed: vec![allowed], heads: 1, queries, keys })
            }
        }
    }

    /// The colours with which a matrix was turned into places on the colour map before its upload.
    fn colours(&self) -> Option<Colours> {
        match self {
            Source::Weights(..) => None,
            Source::Matrix(_, colours) => Some(*colours),
        }
    }

    /// The scale that the shader applies; the numbers of a matrix are places on the colour map already.
    fn scale(&self) -> Scale {
        match self {
            Source::Weights(_, scale) => *scale,
            Source::Matrix(..) => Scale::Linear,
        }
    }
}

/// A picture, drawn where it is added to a painter.
pub struct Picture {
    /// The place in the window; each place has a picture of its own.
    pub id: egui::Id,
    /// The numbers.
    pub source: Source,
    /// The part of the numbers to draw.
    pub part: Part,
    /// The theme, for its colours.
    pub theme: Theme,
    /// 0 … 1: how far a stale picture fades into the background.
    pub fade: f32,
    /// Where it is drawn, in points.
    pub rect: Rect,
}

#[repr(C)]
#[derive(Clone, Copy, PartialEq, Pod, Zeroable)]
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
    wrong: [f32; 4],
    period: f32,
    columns: u32,
    spare: [f32; 2],
}

/// The pipelines, the colour maps and a slot for each picture, kept with egui's renderer.
struct Shared {
    pipeline: wgpu::RenderPipeline,
    copy: wgpu::RenderPipeline,
    format: wgpu::TextureFormat,
    /// Light and dark: sequential, diverging.
    colours: [[wgpu::Buffer; 2]; 2],
    slots: HashMap<egui::Id, Slot>,
}

struct Slot {
    data: Weak<dyn Any + Send + Sync>,
    colours: Option<Colours>,
    buffers: Arc<Buffers>,
    theme: Theme,
    parameters: wgpu::Buffer,
    layers: Vec<wgpu::BindGroup>,
    kept: Option<Kept>,
}

/// A picture as it was drawn last.
struct Kept {
    /// The parameters and the part with which it was drawn.
    of: (Parameters, Part),
    /// Its texture; `None` where it is larger than a texture may be, and drawn anew in every frame.
    texture: Option<wgpu::BindGroup>,
}

/// Makes the pipeline; call once for each renderer, before the first picture.
pub fn install(render: &RenderState) {
    let (device, format) = (&render.device, render.target_format);
    let pipeline = pipeline(device, wgpu::include_wgsl!("heatmap/heatmap.wgsl"), format);
    let copy = self::pipeline(device, wgpu::include_wgsl!("heatmap/copy.wgsl"), format);
    let colours = [Theme::Light, Theme::Dark].map(|theme| {
        [theme.sequential(), theme.diverging()].map(|map| {
            let bytes = (0..256).map(|step| map.at(f64::from(step) / 255.0));
            let packed: Vec<u32> =
                bytes.map(|[red, green, blue]| u32::from_le_bytes([red, green, blue, 255])).collect();
            upload(device, "colours", bytemuck::cast_slice(&packed))
        })
    });
    let shared = Shared { pipeline, copy, format, colours, slots: HashMap::new() };
    render.renderer.write().callback_resources.insert(shared);
}

fn pipeline(
    device: &wgpu::Device,
    module: wgpu::ShaderModuleDescriptor<'_>,
    format: wgpu::TextureFormat,
) -> wgpu::RenderPipeline {
    let module = device.create_shader_module(module);
    device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
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
            targets: &[Some(wgpu::ColorTargetState {
                format,
                blend: Some(wgpu::BlendState::PREMULTIPLIED_ALPHA_BLENDING), // between heads there is nothing
                write_mask: wgpu::ColorWrites::ALL,
            })],
        }),
        primitive: wgpu::PrimitiveState::default(),
        depth_stencil: None,
        multisample: wgpu::MultisampleState::default(),
        multiview_mask: None,
        cache: None,
    })
}

impl Picture {
    fn parameters(&self, buffers: &Buffers, pixels_per_point: f32) -> Parameters {
        let palette = self.theme.palette();
        let viewport = [self.rect.width(), self.rect.height()].map(|side| (side * pixels_per_point).round());
        let pixels = |size: Vec2| [size.x * pixels_per_point, size.y * pixels_per_point];
        let (cell, pitch, columns) = match &self.part {
            Part::Wall { cell, pitch, columns, .. } => (pixels(*cell), pixels(*pitch), *columns),
            Part::One(_) => (viewport, [0.0; 2], 1),
        };
        Parameters {
            viewport,
            cell,
            pitch,
            heads: buffers.heads as u32,
            queries: buffers.queries as u32,
            keys: buffers.keys as u32,
            single: u32::from(matches!(self.part, Part::One(_))),
            scale: self.source.scale() as u32,
            fade: self.fade,
            hatch: channels(theme::mix(palette.panel, palette.hatch, 0.12)),
            lines: channels(theme::mix(palette.panel, palette.hatch, 0.55)),
            background: channels(theme::color(palette.background)),
            wrong: channels(WRONG),
            period: (5.0 * pixels_per_point).round().max(4.0),
            columns: columns.max(1) as u32,
            spare: [0.0; 2],
        }
    }

    /// Draws its heads.
    fn draw(&self, pipeline: &wgpu::RenderPipeline, slot: &Slot, pass: &mut wgpu::RenderPass<'_>) {
        pass.set_pipeline(pipeline);
        let heads = slot.buffers.heads as u32;
        let one;
        let places = match &self.part {
            Part::Wall { places, .. } => &places[..],
            Part::One(at) => {
                one = [(0, *at)];
                &one[..]
            }
        };
        for &(place, at) in places {
            let Some(group) = slot.layers.get(at.layer) else { continue };
            let instance = place as u32 * heads + at.head as u32;
            pass.set_bind_group(0, group, &[]);
            pass.draw(0..6, instance..instance + 1);
        }
    }
}

/// The colour of entries that are not numbers.
pub const WRONG: egui::Color32 = egui::Color32::from_rgb(0xd0, 0x2f, 0x9a);

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
        let buffers = picture.source.buffers(device);
        let is_diverging = matches!(picture.source.colours(), Some(Colours::Difference(_)));
        let colours = &self.colours[usize::from(picture.theme == Theme::Dark)][usize::from(is_diverging)];
        let layers = buffers.layers.iter().zip(&buffers.allowed).map(|(weights, allowed)| {
            let resources = [&parameters, weights, allowed, colours].map(wgpu::Buffer::as_entire_binding);
            let entry = |(binding, resource)| wgpu::BindGroupEntry { binding, resource };
            let entries: Vec<_> = (0..).zip(resources).map(entry).collect();
            device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some("heatmap"),
                layout: &self.pipeline.get_bind_group_layout(0),
                entries: &entries,
            })
        });
        let layers = layers.collect();
        let (data, colours) = (picture.source.data(), picture.source.colours());
        Slot { data, colours, buffers, theme: picture.theme, parameters, layers, kept: None }
    }

    /// A texture of `[width, height]` pixels with `picture` in it, to be copied; `None` where it would be too large.
    fn draw(
        &self,
        device: &wgpu::Device,
        encoder: &mut wgpu::CommandEncoder,
        picture: &Picture,
        slot: &Slot,
        [width, height]: [f32; 2],
    ) -> Option<wgpu::BindGroup> {
        let most = device.limits().max_texture_dimension_2d as f32;
        if !(width >= 1.0 && height >= 1.0 && width <= most && height <= most) {
            return None;
        }
        let (size, usage) = ([width as u32, height as u32], wgpu::TextureUsages::TEXTURE_BINDING);
        let view = graphics::target(device, "heatmap", size, self.format, usage);
        let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
            label: Some("heatmap"),
            color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                view: &view,
                depth_slice: None,
                resolve_target: None,
                ops: wgpu::Operations {
                    load: wgpu::LoadOp::Clear(wgpu::Color::TRANSPARENT),
                    store: wgpu::StoreOp::Store,
                },
            })],
            ..Default::default()
        });
        picture.draw(&self.pipeline, slot, &mut pass);
        drop(pass);
        Some(device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("heatmap"),
            layout: &self.copy.get_bind_group_layout(0),
            entries: &[wgpu::BindGroupEntry {
                binding: 0,
                resource: wgpu::BindingResource::TextureView(&view),
            }],
        }))
    }
}

impl CallbackTrait for Picture {
    fn prepare(
        &self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        screen: &ScreenDescriptor,
        encoder: &mut wgpu::CommandEncoder,
        resources: &mut CallbackResources,
    ) -> Vec<wgpu::CommandBuffer> {
        if let Some(shared) = resources.get_mut::<Shared>() {
            shared.slots.retain(|_, slot| slot.data.strong_count() > 0);
            let fits = |slot: &Slot| {
                slot.data.ptr_eq(&self.source.data())
                    && (slot.theme, slot.colours) == (self.theme, self.source.colours())
            };
            if !shared.slots.get(&self.id).is_some_and(fits) {
                let slot = shared.bind(device, self);
                shared.slots.insert(self.id, slot);
            }
            if let Some(mut slot) = shared.slots.remove(&self.id) {
                let of = (self.parameters(&slot.buffers, screen.pixels_per_point), self.part.clone());
                if slot.kept.as_ref().is_none_or(|kept| kept.of != of) {
                    queue.write_buffer(&slot.parameters, 0, bytemuck::bytes_of(&of.0));
                    let texture = shared.draw(device, encoder, self, &slot, of.0.viewport);
                    slot.kept = Some(Kept { of, texture });
                }
                shared.slots.insert(self.id, slot);
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
        let Some(slot) = shared.slots.get(&self.id) else { return };
        match slot.kept.as_ref().and_then(|kept| kept.texture.as_ref()) {
            Some(texture) => {
                pass.set_pipeline(&shared.copy);
                pass.set_bind_group(0, texture, &[]);
                pass.draw(0..6, 0..1);
            }
            None => self.draw(&shared.pipeline, slot, pass),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shader_and_its_parameters_agree() {
        let source = include_str!("heatmap/heatmap.wgsl");
        let module = naga::front::wgsl::parse_str(source).expect("valid WGSL");
        let found = module.types.iter().find(|(_, kind)| kind.name.as_deref() == Some("Parameters"));
        let Some(naga::TypeInner::Struct { members, span }) = found.map(|(_, kind)| &kind.inner) else {
            panic!("no struct Parameters")
        };
        macro_rules! offsets {
            ($($field:ident)*) => { [$((stringify!($field), std::mem::offset_of!(Parameters, $field))),*] };
        }
        let host = offsets!(viewport cell pitch heads queries keys single scale fade hatch lines background
                            wrong period columns);
        for (name, offset) in host {
            let member = members.iter().find(|member| member.name.as_deref() == Some(name));
            assert_eq!(member.map(|member| member.offset as usize), Some(offset), "{name}");
        }
        assert_eq!(*span as usize, size_of::<Parameters>());
    }
}
