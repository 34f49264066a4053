//! The requirements of rankscope: one table, with a row for each thing that can be missing.

use crate::check::Check;
use crate::machine::Os;

/// The packages that contain a requirement, by package manager; several are separated by spaces.
pub struct Packages {
    /// Debian, Ubuntu.
    pub apt: &'static str,
    /// Fedora.
    pub dnf: &'static str,
    /// Arch.
    pub pacman: &'static str,
    /// Homebrew on macOS; empty where only Linux has the requirement.
    pub brew: &'static str,
}

/// One row of the table.
pub struct Requirement {
    /// The heading under which it is reported; rows that follow each other may share one.
    pub what: &'static str,
    /// The systems that need it.
    pub on: &'static [Os],
    /// How to check whether it is installed.
    pub check: Check,
    /// The packages that install it.
    pub packages: Packages,
    /// What to install if the machine has no package manager of the table.
    pub by_hand: &'static str,
    /// Whether everything except notebooks works without it.
    pub optional: bool,
}

const EVERYWHERE: &[Os] = &[Os::Linux, Os::Mac, Os::Windows];
const LINUX: &[Os] = &[Os::Linux];

/// All requirements, in the order in which they are reported.
pub const REQUIREMENTS: &[Requirement] = &[
    Requirement {
        what: "C compiler",
        on: LINUX,
        check: Check::Program(&["cc", "gcc", "clang"]),
        packages: Packages { apt: "gcc libc6-dev", dnf: "gcc", pacman: "gcc", brew: "" },
        by_hand: "a C compiler (gcc or clang) with the C library's headers",
        optional: false,
    },
    Requirement {
        what: "pkg-config",
        on: LINUX,
        check: Check::Program(&["pkg-config", "pkgconf"]),
        packages: Packages { apt: "pkg-config", dnf: "pkgconf-pkg-config", pacman: "pkgconf", brew: "" },
        by_hand: "pkg-config",
        optional: false,
    },
    Requirement {
        what: "OpenBLAS",
        on: EVERYWHERE,
        check: Check::OpenBlas,
        packages: Packages {
            apt: "libopenblas-dev",
            dnf: "openblas-devel",
            pacman: "openblas",
            brew: "openblas",
        },
        by_hand: "OpenBLAS with its development files \
                  (Windows: vcpkg install openblas:x64-windows, with VCPKG_ROOT set to vcpkg's folder)",
        optional: false,
    },
    Requirement {
        what: "Vulkan loader",
        on: LINUX,
        check: Check::Library("libvulkan.so.1"),
        packages: Packages { apt: "libvulkan1", dnf: "vulkan-loader", pacman: "vulkan-icd-loader", brew: "" },
        by_hand: "the Vulkan loader (libvulkan.so.1)",
        optional: false,
    },
    Requirement {
        what: "Vulkan driver",
        on: LINUX,
        check: Check::VulkanDriver,
        // Mesa's packages hold its software driver too, so this is enough on a machine without a GPU.
        packages: Packages {
            apt: "mesa-vulkan-drivers",
            dnf: "mesa-vulkan-drivers",
            pacman: "vulkan-swrast",
            brew: "",
        },
        by_hand: "a Vulkan driver: your GPU's, or Mesa's software driver (lavapipe)",
        optional: false,
    },
    window_library("libX11.so.6", "libx11-6", "libX11", "libx11"),
    window_library("libX11-xcb.so.1", "libx11-xcb1", "libX11-xcb", "libx11"),
    window_library("libxcb.so.1", "libxcb1", "libxcb", "libxcb"),
    window_library("libXcursor.so.1", "libxcursor1", "libXcursor", "libxcursor"),
    window_library("libXi.so.6", "libxi6", "libXi", "libxi"),
    window_library("libXrandr.so.2", "libxrandr2", "libXrandr", "libxrandr"),
    window_library("libxkbcommon.so.0", "libxkbcommon0", "libxkbcommon", "libxkbcommon"),
    window_library("libxkbcommon-x11.so.0", "libxkbcommon-x11-0", "libxkbcommon-x11", "libxkbcommon-x11"),
    window_library("libwayland-client.so.0", "libwayland-client0", "libwayland-client", "wayland"),
    Requirement {
        what: "Python 3 with venv",
        on: EVERYWHERE,
        check: Check::PythonVenv,
        packages: Packages {
            apt: "python3 python3-venv",
            dnf: "python3 python3-pip",
            pacman: "python python-pip",
            brew: "python",
        },
        by_hand: "Python 3 with venv and pip",
        optional: true,
    },
];

/// A library that the app loads when it opens its window.
const fn window_library(
    file: &'static str,
    apt: &'static str,
    dnf: &'static str,
    pacman: &'static str,
) -> Requirement {
    Requirement {
        what: "window system",
        on: LINUX,
        check: Check::Library(file),
        packages: Packages { apt, dnf, pacman, brew: "" },
        by_hand: file,
        optional: false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_row_can_be_installed_on_every_system_that_needs_it() {
        for row in REQUIREMENTS {
            let Packages { apt, dnf, pacman, brew } = row.packages;
            assert!(!row.by_hand.is_empty(), "{}", row.what);
            if row.on.contains(&Os::Linux) {
                assert!([apt, dnf, pacman].iter().all(|names| !names.is_empty()), "{}", row.by_hand);
            }
            if row.on.contains(&Os::Mac) {
                assert!(!brew.is_empty(), "{}", row.what);
            }
        }
    }

    #[test]
    fn rows_of_one_heading_stand_together_and_no_two_look_for_the_same() {
        let mut headings: Vec<_> = REQUIREMENTS.iter().map(|row| row.what).collect();
        headings.dedup();
        assert_eq!(headings.len(), headings.iter().collect::<BTreeSet<_>>().len());
        let checks: BTreeSet<_> = REQUIREMENTS.iter().map(|row| format!("{:?}", row.check)).collect();
        assert_eq!(checks.len(), REQUIREMENTS.len());
    }
}
