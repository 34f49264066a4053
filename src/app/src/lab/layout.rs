//! Where the panels of a lab stand: a small tree that lesson files store.

use serde::{Deserialize, Serialize};

/// Panels side by side, one above the other, or behind tabs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// One panel, by its id.
    Panel(String),
    /// Side by side, each with its share of the width.
    Row(Vec<(f32, Layout)>),
    /// One above the other, each with its share of the height.
    Column(Vec<(f32, Layout)>),
    /// Behind tabs: the number of the one in front, and all.
    Tabs(usize, Vec<Layout>),
}

impl Layout {
    /// The panel `id`.
    pub fn panel(id: &str) -> Layout {
        Layout::Panel(id.to_owned())
    }

    /// Side by side: `Layout::row([(1.0, Layout::panel("mask")), (2.0, Layout::panel("weights"))])`.
    pub fn row<const N: usize>(parts: [(f32, Layout); N]) -> Layout {
        Layout::Row(parts.into())
    }

    /// One above the other.
    pub fn column<const N: usize>(parts: [(f32, Layout); N]) -> Layout {
        Layout::Column(parts.into())
    }

    /// Behind tabs.
    pub fn tabs<const N: usize>(ids: [&str; N]) -> Layout {
        Layout::Tabs(0, ids.into_iter().map(Layout::panel).collect())
    }

    /// The ids of its panels, from left to right and from top to bottom.
    pub fn panels(&self) -> Vec<&str> {
        match self {
            Layout::Panel(id) => vec![id],
            Layout::Row(parts) | Layout::Column(parts) => {
                parts.iter().flat_map(|(_, part)| part.panels()).collect()
            }
            Layout::Tabs(_, parts) => parts.iter().flat_map(Layout::panels).collect(),
        }
    }
}
