//! The lab as a person meets it: through the accessibility tree, and through its pixels.

use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use egui::accesskit::Role;
use egui::{Color32, Key, Modifiers, Rect};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};
use egui_kittest::wgpu::WgpuTestRenderer;
use image::RgbaImage;
use rankscope::Run;
use rankscope::array::to_npy;
use rankscope::figure::style::Theme;
use rankscope::mask::{MASKS, Mask};
use rankscope::ndarray::arr3;
use rankscope::numbers::short;

use super::engine;
use crate::args::Args;
use crate::frame::Workbench;
use crate::lab::{Lab, Stamp, State};
use crate::labs::model::Open;
use crate::labs::model::answer::{News, Pass, Piece, Shown};
use crate::labs::model::state::{Edit, Explorer, Look, Order, Side};
use crate::layout::Head;
use crate::{format, headless, heatmap, theme};

type Window = Harness<'static, Workbench>;

fn window(arguments: &[&str]) -> Window {
    // Tests that name no model use the one whose heads and tokens they know.
    let mut args = Args::parse_from([&["rankscope-app"], arguments].concat());
    if !arguments.contains(&"--model") {
        args.model = "glass-en".to_owned();
    }
    args.lab = Some("model".to_owned());
    let render = headless::render_state(egui_wgpu::RendererOptions::PREDICTABLE)
        .expect("an adapter: install mesa-vulkan-drivers");
    let app = Workbench::new(&render, &args, None, || {}).unwrap();
    let mut window = Harness::builder()
        .with_size([1280.0, 800.0])
        .allow_missing_glyphs()
        .with_render_cursor(false)
        .with_context_setup(|ctx| theme::install(ctx, egui::Theme::Dark))
        .renderer(WgpuTestRenderer::from_render_state(render))
        .build_ui_state(|ui, app: &mut Workbench| app.ui(ui), app);
    settle(&mut window);
    window
}

/// The open lab.
fn lab(window: &mut Window) -> &mut Open {
    let lab = window.state_mut().lab_mut().expect("an open lab");
    lab.as_any().downcast_mut().expect("the model explorer")
}

/// The results of the first reading.
fn shown(window: &mut Window) -> &Shown {
    lab(window).answer.of(Side::Left)
}

/// Its attention as asked for.
fn chosen(window: &mut Window) -> Arc<Pass> {
    shown(window).pass().expect("a pass").clone()
}

fn selected(window: &mut Window) -> Head {
    let lab = lab(window);
    lab.answer.selected(&lab.state)
}

/// The columns of the rank panel.
fn columns(window: &mut Window) -> Vec<(String, Pass)> {
    let at = selected(window);
    shown(window).columns(at).into_iter().map(|(name, pass)| (name, pass.clone())).collect()
}

/// Makes an edit and waits for its answer.
fn edit(window: &mut Window, edit: Edit) {
    lab(window).edit(edit);
    settle(window);
}

/// Frames until the model's work is done.
fn settle(window: &mut Window) {
    for _ in 0..3000 {
        window.step();
        if window.state().is_settled() {
            window.run_steps(3);
            return;
        }
        window.state().wait(Duration::from_millis(100));
    }
    panic!("the model never finished");
}

/// Clicks a control and waits for the answer.
fn click(window: &mut Window, label: &str) {
    window.get_by_label(label).click();
    settle(window);
}

/// Every text in the window.
fn texts(window: &Window) -> Vec<String> {
    let nodes = window.root().children_recursive();
    nodes.flat_map(|node| [node.accesskit_node().label(), node.accesskit_node().value()]).flatten().collect()
}

fn shows(window: &Window, part: &str) -> bool {
    texts(window).iter().any(|text| text.contains(part))
}

fn retype(window: &mut Window, text: &str) {
    window.get_by_role(Role::TextInput).focus();
    window.step();
    window.key_press_modifiers(Modifiers::COMMAND, Key::A);
    window.key_press(Key::Backspace);
    window.step();
    if !text.is_empty() {
        window.get_by_role(Role::TextInput).type_text(text);
    }
    settle(window);
}

#[test]
fn the_first_view_shows_tokens_heads_and_ranks() {
    let window = window(&[]);
    assert!(window.state().banners().is_empty(), "{:?}", window.state().banners());
    for text in
        ["Alice", "Layer 1, head 1", "effective rank", "condition number", "decoder.1.self_attention.weights"]
    {
        assert!(shows(&window, text), "{text:?} is not in {:?}", texts(&window));
    }
}

#[test]
fn another_mask_gives_other_numbers_beside_those_as_trained() {
    let mut window = window(&[]);
    click(&mut window, "bidirectional");
    let at = selected(&mut window);
    let (trained, chosen) = (shown(&mut window).trained.clone().unwrap(), chosen(&mut window));
    assert_eq!([&trained, &chosen].map(|pass| pass.mask(0).to_string()), ["causal", "bidirectional"]);
    let effective = [trained, chosen].map(|pass| short(pass.report(at).unwrap().effective_rank));
    assert_ne!(effective[0], effective[1]);
    for number in effective {
        assert!(texts(&window).contains(&number), "{number}");
    }
    assert!(shows(&window, "trained under another mask (causal)"));
}

#[test]
fn two_texts_are_never_compared() {
    let mut window = window(&["--mask", "bidirectional"]);
    assert_eq!(columns(&mut window).len(), 2);
    let mut other = self::window(&["--mask", "bidirectional", "--text", "the white rabbit"]);
    let pass = chosen(&mut other);
    put(&mut window, pass.clone());
    let columns = columns(&mut window);
    assert!(columns.len() == 1 && columns[0].1.tokens.ids == pass.tokens.ids);
}

/// Shows a pass as if it had been computed.
fn put(window: &mut Window, pass: Arc<Pass>) {
    let news = News { side: Side::Left, piece: Piece::Chosen(pass) };
    lab(window).answer.take(news, Stamp::default());
}

#[test]
fn a_report_stays_until_the_next_is_there_and_the_next_mask_waits_for_it() {
    let mut window = window(&["--mask", "prefix:3"]);
    let whole = chosen(&mut window);
    let masks = vec![Mask::prefix(5); whole.layers()].into();
    let mut bare = Pass { masks, ..(*whole).clone() };
    let reports = std::mem::take(&mut bare.reports);
    bare.reports = vec![None; reports.len()];
    put(&mut window, Arc::new(bare.clone()));
    assert_eq!(*columns(&mut window)[1].1.mask(0), Mask::prefix(3));
    put(&mut window, Arc::new(Pass { reports, ..bare }));
    assert_eq!(*columns(&mut window)[1].1.mask(0), Mask::prefix(5));
    // While a slider is dragged, the first pass that a computation tells may be replaced by the next mask: it has the
    // report of the selected head.
    let (state, mut engine) = (Explorer::default(), engine());
    let mut first = None;
    let mut tell = |news: News| {
        if let (None, Piece::Chosen(pass)) = (&first, news.piece) {
            first = Some(pass);
        }
    };
    state.compute(&mut engine, &Run::default(), &mut tell).unwrap();
    assert!(first.unwrap().report(state.selected).is_some());
}

#[test]
fn typing_changes_the_tokens() {
    let mut window = window(&[]);
    let before = shown(&mut window).tokens.clone().unwrap();
    retype(&mut window, "the rabbit");
    let after = shown(&mut window).tokens.clone().unwrap();
    assert_ne!(before.ids, after.ids);
    assert!(shows(&window, &format!("{} tokens", after.ids.len())));
    assert_eq!(chosen(&mut window).tokens.ids, after.ids);
}

#[test]
fn an_empty_text_shows_a_banner_and_the_next_text_removes_it() {
    let mut window = window(&[]);
    retype(&mut window, "");
    assert!(shows(&window, "text is empty"), "{:?}", window.state().banners());
    assert!(shown(&mut window).pass().is_some(), "the old result stays");
    retype(&mut window, "once more");
    assert!(window.state().banners().is_empty());
}

#[test]
fn a_text_beyond_the_context_is_counted() {
    let mut window = window(&["--text", &"rabbit ".repeat(200)]);
    let banner = window.state().banners()[0].clone();
    assert!(banner.contains("number of tokens is") && banner.contains("at most 128"), "{banner}");
    window.get_by_label("Dismiss").click();
    window.run_steps(3);
    assert!(window.state().banners().is_empty());
}

#[test]
fn a_model_that_is_not_there_is_named() {
    let window = window(&["--model", "nowhere-7b"]);
    assert!(shows(&window, "nowhere-7b"));
    assert!(window.state().banners()[0].contains("nowhere-7b"));
}

#[test]
fn a_prefix_longer_than_the_text_is_named_until_another_mask_is_chosen() {
    let mut window = window(&["--mask", "prefix:99"]);
    assert!(window.state().banners()[0].contains("prefix is 99"), "{:?}", window.state().banners());
    click(&mut window, "window");
    assert!(window.state().banners().is_empty(), "{:?}", window.state().banners());
}

#[test]
fn any_writing_can_be_typed() {
    let mut window = window(&[]);
    for text in ["爱丽丝开始觉得累了", "🙂👩‍👩‍👧 e\u{301}", "\u{202e}\u{0}", "مرحبا"]
    {
        retype(&mut window, text);
        assert!(window.state().banners().is_empty(), "{text:?}: {:?}", window.state().banners());
        assert!(lab(&mut window).length() > 1);
    }
}

#[test]
fn arrows_move_the_selected_head_and_stop_at_the_edge() {
    let mut window = window(&[]);
    window.key_press(Key::ArrowDown);
    window.key_press(Key::ArrowRight);
    window.key_press(Key::ArrowRight);
    window.run_steps(3);
    assert_eq!(selected(&mut window), Head { layer: 2, head: 3 });
    assert!(shows(&window, "Layer 2, head 3") && shows(&window, "decoder.2.self_attention.weights"));
    (0..9).for_each(|_| window.key_press(Key::ArrowUp));
    window.run_steps(3);
    assert_eq!(selected(&mut window), Head { layer: 0, head: 3 });
}

#[test]
fn every_mask_of_the_registry_can_be_clicked() {
    let mut window = window(&[]);
    for kind in MASKS {
        if window.query_by_label(kind.name).is_none() {
            window.get_by_label("More masks").click();
            window.run_steps(3);
        }
        click(&mut window, kind.name);
        assert!(window.state().banners().is_empty(), "{}: {:?}", kind.name, window.state().banners());
        let shown = chosen(&mut window).mask(0).to_string();
        assert_eq!(shown.split('(').next(), Some(kind.name));
    }
}

#[test]
fn the_pointer_reads_the_exact_value() {
    let mut window = window(&[]);
    let rect = matrix(&window);
    let count = lab(&mut window).length();
    let (query, key) = (count - 1, 1);
    let cell = crate::layout::entry_rect(rect, count, count, (query, key));
    window.hover_at(cell.center());
    window.run_steps(2);
    let weight = chosen(&mut window).weight(selected(&mut window), query, key);
    assert!(shows(&window, &format::exact(weight.unwrap())), "{:?}", texts(&window));
}

fn matrix(window: &Window) -> Rect {
    window.get_by_label_contains("Attention weights of layer").rect()
}

/// The wall's part of a picture of the window.
fn wall(picture: &RgbaImage, window: &Window) -> RgbaImage {
    let rect = window.get_by_label_contains("All heads, selected").rect();
    let (x, y) = (rect.left() as u32, rect.top() as u32);
    image::imageops::crop_imm(picture, x, y, rect.width() as u32, rect.height() as u32).to_image()
}

/// The share of the entries above the diagonal that have a colour of the hatch.
fn hatched(picture: &RgbaImage, rect: Rect, count: usize) -> f64 {
    let palette = Theme::Dark.palette();
    let hatch = [0.12, 0.55].map(|part| theme::mix(palette.panel, palette.hatch, part));
    let is_hatch = |pixel: &image::Rgba<u8>| {
        let [red, green, blue, _] = pixel.0;
        hatch.contains(&Color32::from_rgb(red, green, blue))
    };
    let above = (0..count).flat_map(|query| (query + 1..count).map(move |key| (query, key)));
    let middles = above.map(|at| crate::layout::entry_rect(rect, count, count, at).center());
    let pixels: Vec<bool> = middles.map(|at| is_hatch(picture.get_pixel(at.x as u32, at.y as u32))).collect();
    pixels.iter().filter(|&&hatched| hatched).count() as f64 / pixels.len() as f64
}

#[test]
fn the_window_s_own_gpu_computes_the_same_numbers() {
    let short = ["--text", "the white rabbit", "--device"];
    let [cpu, gpu] = ["cpu", "gpu"].map(|device| window(&[&short[..], &[device]].concat()));
    let (banners, device) = (gpu.state().banners(), gpu.state().device().0);
    assert!(device.starts_with("gpu") && banners.is_empty(), "{banners:?} {device}");
    let at = Head { layer: 3, head: 2 };
    let [cpu, gpu] = [cpu, gpu].map(|mut window| chosen(&mut window));
    let pairs = cpu.matrix(at).unwrap().iter().zip(gpu.matrix(at).unwrap());
    assert!(pairs.clone().count() > 8 && pairs.clone().all(|(a, b)| (a - b).abs() < 1e-4));
    assert_eq!(cpu.report(at).unwrap().columns_90, gpu.report(at).unwrap().columns_90);
}

#[test]
fn masked_entries_are_hatched_and_masks_look_different() {
    let mut window = window(&["--mask", "causal"]);
    let causal = window.render().unwrap();
    let causal_wall = wall(&causal, &window);
    assert_eq!(hatched(&causal, matrix(&window), lab(&mut window).length()), 1.0);
    click(&mut window, "bidirectional");
    window.hover_at(egui::pos2(1.0, 1.0));
    window.run_steps(2);
    let bidirectional = window.render().unwrap();
    assert_eq!(hatched(&bidirectional, matrix(&window), lab(&mut window).length()), 0.0);
    assert!(causal_wall != wall(&bidirectional, &window));
}

fn temporary(name: &str) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("rankscope-app-{}-{name}", std::process::id()))
}

/// A table of weights with the names of its tokens: causal, three positions.
fn saved(name: &str) -> std::path::PathBuf {
    let path = temporary(name);
    std::fs::write(&path, ",the,cat,sat\nthe,1,0,0\ncat,0.25,0.75,0\nsat,0.5,0.125,0.375\n").unwrap();
    path
}

#[test]
fn weights_from_a_file_are_shown_with_their_tokens_their_checks_and_their_ranks() {
    let path = saved("mine.csv");
    let mut window = window(&["--attention", path.to_str().unwrap()]);
    assert!(window.state().banners().is_empty(), "{:?}", window.state().banners());
    for text in
        ["the", "cat", "sat", "Layer 0, head 0", "as saved", "mine.csv", "exactly 0 for every later key"]
    {
        assert!(shows(&window, text), "{text:?} is not in {:?}", texts(&window));
    }
    let pass = chosen(&mut window);
    let at = Head { layer: 0, head: 0 };
    assert_eq!((pass.weight(at, 2, 1), pass.report(at).unwrap().exact_rank), (Some(0.125), Some(3)));
    let picture = window.render().unwrap();
    assert_eq!(hatched(&picture, matrix(&window), 3), 1.0);
    edit(&mut window, Edit::Model(Side::Left, "glass-en".to_owned()));
    assert!(shows(&window, "Alice") && window.state().banners().is_empty());
}

#[test]
fn what_is_no_number_is_drawn_in_its_colour_and_said_and_the_other_heads_have_ranks() {
    let path = temporary("nan.npy");
    let values = arr3(&[[[1.0, 0.0], [0.25, 0.75]], [[1.0, 0.0], [f64::NAN, 1.0]]]);
    std::fs::write(&path, to_npy(&values)).unwrap();
    let mut window = window(&["--attention", path.to_str().unwrap()]);
    assert!(window.state().banners().is_empty(), "{:?}", window.state().banners());
    for text in ["No ranks.", "entry (1, 0) is NaN", "1 of 2 heads without ranks"] {
        assert!(shows(&window, text), "{text:?} is not in {:?}", texts(&window));
    }
    let pass = chosen(&mut window);
    let heads = [0, 1].map(|head| pass.report(Head { layer: 0, head }).map(|report| report.exact_rank));
    assert_eq!(heads, [Some(Some(2)), None]);
    let picture = window.render().unwrap();
    let wrong = picture.pixels().filter(|pixel| pixel.0[..3] == heatmap::WRONG.to_array()[..3]).count();
    assert!(wrong > 1000, "{wrong} pixels");
}

fn drop_file(window: &mut Window, path: std::path::PathBuf) {
    assert!(lab(window).dropped(&path));
    settle(window);
}

#[test]
fn a_dropped_file_is_opened_and_what_is_wrong_with_it_stands_in_a_banner() {
    let mut window = window(&[]);
    drop_file(&mut window, saved("dropped.csv"));
    assert!(shows(&window, "as saved") && window.state().banners().is_empty());
    let broken = temporary("broken.csv");
    std::fs::write(&broken, "1,0\nnone,1\n").unwrap();
    drop_file(&mut window, broken);
    let banner = window.state().banners()[0].clone();
    assert!(banner.contains("none"), "{banner}");
    drop_file(&mut window, temporary("nowhere.npz"));
    assert!(window.state().banners()[0].contains("no such file"), "{:?}", window.state().banners());
}

#[test]
fn a_click_ablates_the_selected_head_and_undo_brings_it_back() {
    let mut window = window(&[]);
    click(&mut window, "Ablate L1 H1");
    assert!(shows(&window, "nats from as trained") && shows(&window, "ablated"));
    let at = selected(&mut window);
    let pass = chosen(&mut window);
    assert!(pass.ablated[pass.index(at)] && pass.ablated.iter().filter(|&&is| is).count() == 1);
    assert!(lab(&mut window).undo());
    settle(&mut window);
    assert!(!shows(&window, "nats from as trained"));
}

#[test]
fn rank_k_replay_says_its_caveat_and_moves_the_prediction() {
    let mut window = window(&[]);
    click(&mut window, "all heads");
    assert!(shows(&window, "is no attention") && shows(&window, "nats from as trained"));
    let (at, pass) = (selected(&mut window), chosen(&mut window));
    assert_eq!(pass.report(at).unwrap().numerical_rank_f32, 1);
    click(&mut window, "full");
    assert!(!shows(&window, "is no attention"));
}

#[test]
fn two_matrices_have_one_cursor() {
    let mut window = window(&[]);
    click(&mut window, "Compare");
    edit(&mut window, Edit::Mask(Side::Right, "bidirectional".to_owned()));
    let count = lab(&mut window).length();
    let rect = window.get_by_label_contains("A: Attention weights of layer").rect();
    window.hover_at(crate::layout::entry_rect(rect, count, count, (count - 1, 1)).center());
    window.run_steps(3);
    let at = selected(&mut window);
    for side in Side::BOTH {
        let weight = lab(&mut window).answer.of(side).pass().unwrap().weight(at, count - 1, 1).unwrap();
        assert!(shows(&window, &format::exact(weight)), "{side:?}");
    }
    click(&mut window, "Close B");
    assert!(shows(&window, "Compare"));
}

#[test]
fn the_model_writes_a_token_when_asked_and_the_wall_follows() {
    let mut window = window(&[]);
    let before = chosen(&mut window).buffers.keys;
    click(&mut window, "Write a token");
    assert_eq!(chosen(&mut window).buffers.keys, before + 1);
    click(&mut window, "Erase");
    assert_eq!(chosen(&mut window).buffers.keys, before);
}

#[test]
fn the_wall_uses_its_room_in_every_look_and_order() {
    let mut window = window(&[]);
    for step in [Edit::Look(Look::Arcs), Edit::Order(Order::LargestFirst), Edit::Look(Look::Heatmaps)] {
        edit(&mut window, step);
        let [red, green, blue] = Theme::Dark.palette().background;
        let ground = image::Rgba([red, green, blue, 255]);
        let picture = window.render().unwrap();
        let pixels = wall(&picture, &window);
        let empty = pixels.pixels().filter(|pixel| **pixel == ground).count() as f64;
        let share = empty / f64::from(pixels.width() * pixels.height());
        assert!(share < 0.5, "{share}");
    }
}
