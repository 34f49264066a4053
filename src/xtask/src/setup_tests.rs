//! The reports, questions and commands of set-up, on machines made of maps.

use super::*;
use crate::machine::Os;
use crate::machine::fake::Fake;

/// Somebody who always gives the same answer, or nobody.
struct Listener {
    answer: Option<bool>,
    heard: Vec<String>,
    questions: usize,
}

impl User for Listener {
    fn say(&mut self, line: &str) {
        self.heard.push(line.into());
    }

    fn is_there(&self) -> bool {
        self.answer.is_some()
    }

    fn agrees(&mut self, _question: &str) -> bool {
        self.questions += 1;
        self.answer.expect("nobody may be asked where nobody is")
    }
}

fn listener(answer: Option<bool>) -> Listener {
    Listener { answer, heard: Vec::new(), questions: 0 }
}

const ASK: Args = Args { yes: false, dry_run: false };
const YES: Args = Args { yes: true, dry_run: false };
const DRY: Args = Args { yes: false, dry_run: true };

const DRIVER: &str = r#"{"ICD": {"library_path": "/usr/lib/libvulkan_lvp.so"}}"#;
const LIBRARIES: [&str; 9] = [
    "libX11.so.6",
    "libX11-xcb.so.1",
    "libxcb.so.1",
    "libXcursor.so.1",
    "libXi.so.6",
    "libXrandr.so.2",
    "libxkbcommon.so.0",
    "libxkbcommon-x11.so.0",
    "libwayland-client.so.0",
];

/// A machine with apt, used by root, that has everything but a Vulkan driver, libXi and libXcursor; the next
/// installation adds them.
fn nearly_complete() -> Fake {
    let there = LIBRARIES.iter().filter(|name| !["libXi.so.6", "libXcursor.so.1"].contains(name));
    let machine = Fake::new(Os::Linux)
        .with_programs(&["cc", "pkg-config", "python3", "apt-get"])
        .with_output("id -u", "0\n")
        .with_output("pkg-config --exists openblas", "")
        .with_output("python3 -c import ensurepip, venv", "")
        .with_file("/usr/lib/libvulkan.so.1", "")
        .arriving("/usr/share/vulkan/icd.d/lvp_icd.json", DRIVER)
        .arriving("/usr/lib/libvulkan_lvp.so", "")
        .arriving("/usr/lib/libXi.so.6", "")
        .arriving("/usr/lib/libXcursor.so.1", "");
    there.fold(machine, |machine, name| machine.with_file(&format!("/usr/lib/{name}"), ""))
}

fn complete() -> Fake {
    let machine = nearly_complete();
    machine.files.borrow_mut().extend(machine.arriving.clone());
    machine
}

const UPDATE: &str = "apt-get update -q";
const INSTALL: &str = "env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
                       mesa-vulkan-drivers libxcursor1 libxi6";

#[test]
fn a_complete_machine_is_left_alone() {
    let (machine, mut user) = (complete(), listener(Some(true)));
    set_up(&machine, &mut user, &ASK).unwrap();
    assert_eq!(user.heard, ["Set-up: nothing is missing."]);
    assert_eq!(user.questions, 0);
    assert!(machine.installed.borrow().is_empty());
}

#[test]
fn what_is_missing_is_named_asked_for_once_and_installed() {
    let (machine, mut user) = (nearly_complete(), listener(Some(true)));
    set_up(&machine, &mut user, &ASK).unwrap();
    assert_eq!(
        user.heard,
        [
            "Set-up: this is missing.",
            "  Vulkan driver       no driver that can be loaded",
            "  window system       libXcursor.so.1, libXi.so.6",
            "To install it:",
            &format!("  {UPDATE}"),
            &format!("  {INSTALL}"),
        ]
    );
    assert_eq!(user.questions, 1);
    assert_eq!(*machine.installed.borrow(), [UPDATE, INSTALL]);
    set_up(&machine, &mut user, &ASK).unwrap();
    assert_eq!(machine.installed.borrow().len(), 2, "the second set-up has nothing to do");
}

#[test]
fn nobody_is_asked_with_yes_or_without_a_terminal() {
    for (args, answer) in [(YES, Some(false)), (YES, None), (ASK, None)] {
        let (machine, mut user) = (nearly_complete(), listener(answer));
        set_up(&machine, &mut user, &args).unwrap();
        assert_eq!(user.questions, 0);
        assert_eq!(*machine.installed.borrow(), [UPDATE, INSTALL]);
    }
}

#[test]
fn a_refusal_and_a_dry_run_install_nothing() {
    let (machine, mut user) = (nearly_complete(), listener(Some(false)));
    let error = set_up(&machine, &mut user, &ASK).unwrap_err();
    assert_eq!(error.to_string(), "nothing was installed; the lines above do it by hand");
    set_up(&machine, &mut user, &DRY).unwrap();
    assert_eq!(user.questions, 1);
    assert!(machine.installed.borrow().is_empty());
}

#[test]
fn a_user_goes_through_sudo_or_is_told_what_root_should_run() {
    let mut machine = nearly_complete().with_output("id -u", "1000\n");
    let mut user = listener(Some(true));
    let error = set_up(&machine, &mut user, &YES).unwrap_err().to_string();
    assert_eq!(error, "installing needs root, and there is no sudo: run the lines above as root");
    assert_eq!(user.heard.last(), Some(&format!("  {INSTALL}")));

    machine = machine.with_programs(&["sudo"]);
    set_up(&machine, &mut user, &YES).unwrap();
    assert_eq!(*machine.installed.borrow(), [format!("sudo {UPDATE}"), format!("sudo {INSTALL}")]);
}

#[test]
fn old_lists_are_tried_but_a_failed_installation_is_an_error() {
    let (mut machine, mut user) = (nearly_complete(), listener(None));
    machine.refusing.extend([UPDATE.into(), INSTALL.into()]);
    let error = set_up(&machine, &mut user, &YES).unwrap_err();
    assert_eq!(error.to_string(), format!("this failed: {INSTALL}"));
    assert!(user.heard.iter().any(|line| line.starts_with("The package lists could not be renewed")));

    machine.refusing.remove(INSTALL);
    set_up(&machine, &mut user, &YES).unwrap();
}

#[test]
fn what_an_installation_did_not_bring_is_named() {
    let mut machine = nearly_complete();
    machine.arriving.remove(std::path::Path::new("/usr/lib/libXi.so.6"));
    let error = set_up(&machine, &mut listener(None), &YES).unwrap_err();
    assert_eq!(error.to_string(), "still missing: window system (libXi.so.6)");
}

#[test]
fn what_no_package_mends_is_an_error_and_installs_nothing() {
    let machine = complete().with_var("VK_DRIVER_FILES", "/gone.json");
    let error = set_up(&machine, &mut listener(Some(true)), &YES).unwrap_err().to_string();
    assert!(error.starts_with("still missing: Vulkan driver (VK_DRIVER_FILES is set to"), "{error}");
    assert!(machine.installed.borrow().is_empty());
}

#[test]
fn everything_but_pulling_models_works_without_python() {
    let mut machine = complete();
    machine.programs.remove("python3");
    let mut user = listener(Some(false));
    set_up(&machine, &mut user, &ASK).unwrap();
    assert_eq!(
        user.heard[1..3],
        ["  Python 3 with venv  python3", "                      (only notebooks and their tests need it)"]
    );
    assert!(user.heard.last().unwrap().starts_with("Going on without it: nothing was installed"));
}

#[test]
fn without_a_package_manager_the_things_are_named() {
    let mut machine = nearly_complete();
    machine.programs.remove("apt-get");
    let mut user = listener(None);
    let error = set_up(&machine, &mut user, &YES).unwrap_err().to_string();
    assert!(error.starts_with("found none of the package managers apt-get, dnf, pacman:"), "{error}");
    assert_eq!(
        user.heard[3..],
        [
            "Please install:",
            "  a Vulkan driver: your GPU's, or Mesa's software driver (lavapipe)",
            "  libXcursor.so.1",
            "  libXi.so.6"
        ]
    );

    let mut user = listener(None);
    let error = set_up(&Fake::new(Os::Windows), &mut user, &YES).unwrap_err().to_string();
    assert!(error.starts_with("packages are not installed for you on this system:"), "{error}");
    assert!(user.heard.iter().any(|line| line.contains("vcpkg install openblas:x64-windows")));
}

#[test]
fn a_bare_debian_gets_everything_in_one_command() {
    let machine = Fake::new(Os::Linux).with_programs(&["apt-get"]).with_output("id -u", "0\n");
    let mut user = listener(None);
    set_up(&machine, &mut user, &DRY).unwrap();
    let packages = "gcc libc6-dev pkg-config libopenblas-dev libvulkan1 mesa-vulkan-drivers libx11-6 \
                    libx11-xcb1 libxcb1 libxcursor1 libxi6 libxrandr2 libxkbcommon0 libxkbcommon-x11-0 \
                    libwayland-client0 python3 python3-venv";
    let line = user.heard.last().unwrap();
    assert!(line.ends_with(&format!("--no-install-recommends {packages}")), "{line}");
}

#[test]
fn long_lists_are_filled_into_lines() {
    assert_eq!(filled(&["libXi.so.6"]), ["libXi.so.6"]);
    let lines = filled(&LIBRARIES);
    assert!(lines.len() == 3 && lines.iter().all(|line| line.len() <= 71), "{lines:?}");
    assert_eq!(lines.join(" "), LIBRARIES.join(", "));
}

#[test]
fn only_an_answer_is_an_agreement() {
    assert!(["\n", "y\n", "Yes \r\n"].into_iter().all(means_yes));
    assert!(!["", "y", "n\n", "yellow\n"].into_iter().any(means_yes));
}
