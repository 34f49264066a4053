//! Package managers: one table, and the commands that follow from it.

use crate::machine::{Machine, Os};
use crate::requirement::Packages;

/// One row of the table.
pub struct Manager {
    /// The program by which it is recognised.
    pub program: &'static str,
    /// The operating system on which it is used.
    pub os: Os,
    /// The command that renews its lists, if it does not do so by itself.
    pub refresh: Option<&'static str>,
    /// The command that installs the packages named after it, without questions.
    pub install: &'static str,
    /// Whether it must run as root.
    pub as_root: bool,
    /// Its column in the table of requirements.
    pub packages: fn(&Packages) -> &'static str,
}

/// In the order in which they are looked for.
pub const MANAGERS: &[Manager] = &[
    Manager {
        program: "apt-get",
        os: Os::Linux,
        refresh: Some("apt-get update -q"),
        // By `env`, because sudo drops variables.
        install: "env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends",
        as_root: true,
        packages: |packages| packages.apt,
    },
    Manager {
        program: "dnf",
        os: Os::Linux,
        refresh: None,
        install: "dnf install -y",
        as_root: true,
        packages: |packages| packages.dnf,
    },
    Manager {
        program: "pacman",
        os: Os::Linux,
        refresh: None,
        install: "pacman -S --needed --noconfirm",
        as_root: true,
        packages: |packages| packages.pacman,
    },
    Manager {
        program: "brew",
        os: Os::Mac,
        refresh: None,
        install: "brew install",
        as_root: false,
        packages: |packages| packages.brew,
    },
];

impl Manager {
    /// The first package manager of the table that this machine has.
    pub fn of(machine: &dyn Machine) -> Option<&'static Manager> {
        MANAGERS.iter().find(|row| row.os == machine.os() && machine.program(row.program).is_some())
    }

    /// The command that renews the lists, word by word.
    pub fn refresh_command(&self, rights: Rights) -> Option<Vec<String>> {
        self.refresh.map(|command| words(&[rights.prefix(), command]))
    }

    /// The command that installs `packages`, word by word; each is named once.
    pub fn install_command(&self, rights: Rights, packages: &[&str]) -> Vec<String> {
        let mut command = words(&[rights.prefix(), self.install]);
        for package in packages.iter().flat_map(|names| names.split_whitespace()) {
            if !command.iter().any(|word| word == package) {
                command.push(package.into());
            }
        }
        command
    }
}

fn words(parts: &[&str]) -> Vec<String> {
    parts.iter().flat_map(|part| part.split_whitespace()).map(str::to_owned).collect()
}

/// With which rights a package manager can be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// This process's own rights are enough.
    Own,
    /// Through sudo, which may ask for a password.
    Sudo,
    /// Through sudo, which must not ask, since there is nobody to answer.
    SilentSudo,
    /// Root is needed, and this process cannot become root.
    None,
}

impl Rights {
    /// The rights that `manager` gets on this machine.
    pub fn of(machine: &dyn Machine, manager: &Manager, somebody_answers: bool) -> Self {
        let is_root = || machine.output(&["id", "-u"]).is_some_and(|user| user.trim() == "0");
        if !manager.as_root || is_root() {
            Rights::Own
        } else if machine.program("sudo").is_none() {
            Rights::None
        } else if somebody_answers {
            Rights::Sudo
        } else {
            Rights::SilentSudo
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Rights::Own | Rights::None => "",
            Rights::Sudo => "sudo",
            Rights::SilentSudo => "sudo -n",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::fake::Fake;

    #[test]
    fn the_table_decides_the_order_and_the_system() {
        let found = |os, programs: &[&str]| {
            Manager::of(&Fake::new(os).with_programs(programs)).map(|manager| manager.program)
        };
        assert_eq!(found(Os::Linux, &["pacman", "dnf", "apt-get"]), Some("apt-get"));
        assert_eq!(found(Os::Linux, &["pacman", "dnf"]), Some("dnf"));
        assert_eq!(found(Os::Linux, &["brew"]), None);
        assert_eq!(found(Os::Mac, &["brew", "apt-get"]), Some("brew"));
        assert_eq!(found(Os::Windows, &["apt-get", "brew"]), None);
    }

    #[test]
    fn the_commands_of_each_manager() {
        let install = |manager: &Manager| manager.install_command(Rights::Own, &["one two", "three", "two"]);
        let expected = [
            "env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends one two three",
            "dnf install -y one two three",
            "pacman -S --needed --noconfirm one two three",
            "brew install one two three",
        ];
        assert_eq!(MANAGERS.iter().map(|manager| install(manager).join(" ")).collect::<Vec<_>>(), expected);
        let refresh = |rights| MANAGERS[0].refresh_command(rights).unwrap().join(" ");
        assert_eq!(refresh(Rights::Sudo), "sudo apt-get update -q");
        assert_eq!(refresh(Rights::SilentSudo), "sudo -n apt-get update -q");
        assert!(MANAGERS[1..].iter().all(|manager| manager.refresh_command(Rights::Own).is_none()));
    }

    #[test]
    fn sudo_is_used_only_where_it_is_needed_and_there() {
        let [apt, .., brew] = MANAGERS else { panic!("apt is first, brew is last") };
        let user = || Fake::new(Os::Linux).with_output("id -u", "1000\n");
        let root = Fake::new(Os::Linux).with_output("id -u", "0\n").with_programs(&["sudo"]);
        assert_eq!(Rights::of(&root, apt, true), Rights::Own);
        assert_eq!(Rights::of(&user(), apt, true), Rights::None);
        assert_eq!(Rights::of(&user(), brew, true), Rights::Own);
        assert_eq!(Rights::of(&user().with_programs(&["sudo"]), apt, true), Rights::Sudo);
        assert_eq!(Rights::of(&user().with_programs(&["sudo"]), apt, false), Rights::SilentSudo);
    }
}
