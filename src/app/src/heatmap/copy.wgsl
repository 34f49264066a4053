// A picture that was drawn before, pixel by pixel, into its place in the window.
//
// Draw: 6 vertices over the viewport, which has as many pixels as the picture.

@group(0) @binding(0) var picture: texture_2d<f32>;

struct Corner {
    @builtin(position) position: vec4f,
    @location(0) part: vec2f,  // 0 … 1 across and down
}

@vertex
fn corner(@builtin(vertex_index) vertex: u32) -> Corner {
    let part = vec2f(f32(vertex == 1u || vertex == 2u || vertex == 4u), f32(vertex == 2u || vertex >= 4u));
    return Corner(vec4f(2.0 * part.x - 1.0, 1.0 - 2.0 * part.y, 0.0, 1.0), part);
}

@fragment
fn colour(in: Corner) -> @location(0) vec4f {
    return textureLoad(picture, vec2u(in.part * vec2f(textureDimensions(picture))), 0);
}
