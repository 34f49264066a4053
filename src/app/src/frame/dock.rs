//! [`Dock`]: where the panels of a lab stand, and how they are moved.

use egui::{Color32, Margin, Visuals, WidgetText};
use egui_tiles::{
    Behavior, Container, Linear, LinearDir, SimplificationOptions, TabState, Tabs, Tile, TileId, Tiles, Tree,
    UiResponse,
};

use crate::lab::{Lab, Layout, Panel};
use crate::theme;

/// The panels of one lab.
pub struct Dock {
    tree: Tree<&'static Panel>,
}

impl Dock {
    /// The panels as `layout` says; panels that it does not name become tabs behind the first one.
    pub fn new(lab: &str, panels: &'static [Panel], layout: &Layout) -> Self {
        let mut tiles = Tiles::default();
        let mut left: Vec<&'static Panel> = panels.iter().collect();
        let stated = insert(layout, &mut left, &mut tiles);
        let rest: Vec<TileId> = left.into_iter().map(|panel| tiles.insert_pane(panel)).collect();
        let root = match stated {
            Some(stated) if rest.is_empty() => stated,
            stated => tiles.insert_tab_tile(stated.into_iter().chain(rest).collect()),
        };
        Dock { tree: Tree::new(egui::Id::unique(("dock", lab)), root, tiles) }
    }

    /// Where the panels stand now.
    pub fn layout(&self) -> Layout {
        let root = self.tree.root().and_then(|root| read(root, &self.tree.tiles));
        root.unwrap_or(Layout::Tabs(0, Vec::new()))
    }

    /// Brings a panel to the front of its tabs.
    pub fn show(&mut self, id: &str) {
        self.tree.make_active(|_, tile| matches!(tile, Tile::Pane(panel) if panel.id == id));
    }

    /// Draws the panels.
    pub fn ui(&mut self, lab: &mut dyn Lab, ui: &mut egui::Ui) {
        match lab.panels() {
            [panel] => lab.ui(panel.id, ui),
            _ => self.tree.ui(&mut Panels { lab }, ui),
        }
    }
}

/// The layout of a tile; `None` for a tile that does not exist.
fn read(tile: TileId, tiles: &Tiles<&'static Panel>) -> Option<Layout> {
    let container = match tiles.get(tile)? {
        Tile::Pane(panel) => return Some(Layout::panel(panel.id)),
        Tile::Container(container) => container,
    };
    let children: Vec<(TileId, Layout)> =
        container.children().filter_map(|&child| Some((child, read(child, tiles)?))).collect();
    Some(match container {
        Container::Linear(linear) => {
            // Shares with two digits: the file says where panels stand, not to which pixel.
            let share = |id: TileId| (linear.shares[id] * 100.0).round() / 100.0;
            let parts = children.into_iter().map(|(id, part)| (share(id), part)).collect();
            if linear.dir == LinearDir::Horizontal { Layout::Row(parts) } else { Layout::Column(parts) }
        }
        Container::Tabs(tabs) if children.len() == 1 && tabs.children.len() == 1 => {
            children.into_iter().next()?.1
        }
        Container::Tabs(tabs) => {
            let front = children.iter().position(|(id, _)| tabs.active == Some(*id)).unwrap_or(0);
            Layout::Tabs(front, children.into_iter().map(|(_, part)| part).collect())
        }
        Container::Grid(_) => Layout::Tabs(0, children.into_iter().map(|(_, part)| part).collect()),
    })
}

/// Inserts the panels of `layout` that are still `left`.
fn insert(
    layout: &Layout,
    left: &mut Vec<&'static Panel>,
    tiles: &mut Tiles<&'static Panel>,
) -> Option<TileId> {
    match layout {
        Layout::Panel(id) => {
            let index = left.iter().position(|panel| panel.id == id)?;
            Some(tiles.insert_pane(left.remove(index)))
        }
        Layout::Row(parts) => linear(LinearDir::Horizontal, parts, left, tiles),
        Layout::Column(parts) => linear(LinearDir::Vertical, parts, left, tiles),
        Layout::Tabs(front, parts) => {
            let parts: Vec<TileId> = parts.iter().filter_map(|part| insert(part, left, tiles)).collect();
            let mut tabs = Tabs::new(parts);
            tabs.active = tabs.children.get(*front).or(tabs.children.first()).copied();
            (!tabs.children.is_empty()).then(|| tiles.insert_container(Container::Tabs(tabs)))
        }
    }
}

fn linear(
    dir: LinearDir,
    parts: &[(f32, Layout)],
    left: &mut Vec<&'static Panel>,
    tiles: &mut Tiles<&'static Panel>,
) -> Option<TileId> {
    let parts: Vec<(f32, TileId)> =
        parts.iter().filter_map(|(share, part)| Some((*share, insert(part, left, tiles)?))).collect();
    let mut linear = Linear::new(dir, parts.iter().map(|(_, id)| *id).collect());
    for &(share, id) in &parts {
        linear.shares.set_share(id, if share.is_finite() { share.clamp(0.05, 20.0) } else { 1.0 });
    }
    (!parts.is_empty()).then(|| tiles.insert_container(Container::Linear(linear)))
}

/// The behaviour of the panels for egui_tiles.
struct Panels<'a> {
    lab: &'a mut dyn Lab,
}

impl Behavior<&'static Panel> for Panels<'_> {
    fn pane_ui(&mut self, ui: &mut egui::Ui, _tile: TileId, panel: &mut &'static Panel) -> UiResponse {
        let frame = egui::Frame::new().inner_margin(Margin::symmetric(10, 8));
        frame.show(ui, |ui| self.lab.ui(panel.id, ui));
        UiResponse::None
    }

    fn tab_title_for_pane(&mut self, panel: &&'static Panel) -> WidgetText {
        panel.title.into()
    }

    fn on_tab_button(
        &mut self,
        tiles: &mut Tiles<&'static Panel>,
        tile: TileId,
        button: egui::Response,
    ) -> egui::Response {
        match tiles.get(tile) {
            Some(Tile::Pane(panel)) => button.on_hover_text(panel.help),
            _ => button,
        }
    }

    fn simplification_options(&self) -> SimplificationOptions {
        SimplificationOptions { all_panes_must_have_tabs: true, ..Default::default() }
    }

    fn tab_bar_color(&self, visuals: &Visuals) -> Color32 {
        theme::color(theme::of(visuals).palette().panel)
    }

    fn tab_text_color(
        &self,
        visuals: &Visuals,
        _tiles: &Tiles<&'static Panel>,
        _tile: TileId,
        state: &TabState,
    ) -> Color32 {
        let palette = theme::of(visuals).palette();
        theme::color(if state.active { palette.ink } else { palette.muted })
    }
}
