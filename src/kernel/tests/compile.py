"""How cells are compiled: by rustc alone where nothing but the cell has changed, and by cargo otherwise."""

import os
import tempfile
import unittest
from pathlib import Path

from conformance import OneKernel, result, run, text

ALONE = ["analysis", "cargo", "rustc", "linker", "load", "run", "reply"]
LOST = "The type of the variable {} was redefined, so was lost."
SHORT = "target/short/src/lib.rs"
BY_CARGO = ["analysis", "cargo", "run", "reply"]


class Compile(OneKernel):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.times = Path(cls.folder.name, "times")
        os.environ["RANKSCOPE_KERNEL_TIMES"] = str(cls.times)
        super().setUpClass()
        del os.environ["RANKSCOPE_KERNEL_TIMES"]

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.folder.cleanup()

    def steps(self, code, status="ok"):
        """The steps of a cell, and the messages that it publishes."""
        self.times.write_text("")
        reply, published = run(self.client, code)
        self.assertEqual(reply["status"], status, (code, reply, published))
        run(self.client, "")  # everything is written once the next cell is answered
        names = [line.split()[1] for line in self.times.read_text().splitlines()]
        return [name for name in names if name != "end"], published

    def crate(self, value):
        folder = Path(self.folder.name, "mine")
        (folder / "src").mkdir(parents=True, exist_ok=True)
        (folder / "Cargo.toml").write_text('[package]\nname = "mine"\nversion = "1.0.0"\nedition = "2024"\n')
        (folder / "src/lib.rs").write_text(f"pub fn value() -> u8 {{ {value} }}\n")
        return folder

    def test_cells_alone_with_dependencies_and_with_errors(self):
        (running,) = Path(os.environ["RANKSCOPE_KERNEL_RUNNING"]).glob(f"{self.manager.provisioner.pid}-*")
        for code in [
            "let kept = vec![1.0, 2.0];",
            "struct Own(u8); let own = Own(5);",
            "kept.len()",
            "own.0",
            'println!("{}", env!("CARGO_PKG_NAME"));',
            "Mask::causal()",
            "let number: u8 = \"7\".parse()?;",
            "rankscope::ndarray::arr2(&[[1.0, 2.0], [3.0, 4.0]]).dot(&rankscope::ndarray::arr1(&kept))",
        ]:
            self.assertEqual(self.steps(code)[0], ALONE, code)
            whole, short = [(running / "cells" / name).read_text() for name in ["src/lib.rs", SHORT]]
            self.assertEqual(whole.count("\n"), short.count("\n"))
            self.assertEqual(whole.split("run_user_code_")[1], short.split("run_user_code_")[1], "of this cell")
            self.assertNotIn("HashMap", short, "evcxr's code is the shared library's")
        self.assertEqual(text(self.steps('println!("{}", env!("CARGO_PKG_NAME"));')[1]), "ctx\n")
        self.assertEqual(result(self.steps("(kept.len(), own.0, number)")[1]), ["(2, 5, 7)"])
        # A type that is defined anew: the variable of the old one is lost, and evcxr learns it from the shared library.
        self.steps("type Alias = u8; let aliased: Alias = 1;")
        _, published = self.steps("type Alias = u16; 8")
        self.assertIn("type of the variable aliased was redefined", text(published, "stderr"))
        self.assertEqual(result(published), ["8"])
        self.assertIn("cannot find value", self.steps("aliased", "error")[1][-1][1]["evalue"])
        self.steps("struct Own(String); struct Other(u8); let other = Other(6);")
        _, published = self.steps("struct Own(Vec<u8>, u8); (kept.len(), other.0)")
        self.assertEqual(result(published), ["(2, 6)"])
        self.steps("let own = Own(vec![1], 2); let owns = vec![Own(vec![], 3)];")
        _, published = self.steps("struct Own(u16); other.0")
        self.assertEqual(sorted(text(published, "stderr").splitlines()), [LOST.format(name) for name in ("own", "owns")])
        self.assertEqual(result(published), ["6"])
        self.assertEqual(result(self.steps("struct Own(u16); let own = Own(500); own.0")[1]), ["500"])
        # An error is reported by cargo, after the attempt without cargo has failed as well.
        steps, _ = self.steps("let wrong: u8 = kept;", "error")
        self.assertIn("rustc", steps)
        self.assertEqual(self.steps("kept.len()")[0], ALONE)
        # A crate on the disk may change at any time: cargo looks.
        dependency = f':dep mine = {{ path = "{self.crate(3)}" }}'
        self.assertEqual(result(self.steps(f"{dependency}\nmine::value()")[1]), ["3"])
        steps, published = self.steps("(mine::value(), kept.len())")
        self.assertEqual((steps, result(published)), (BY_CARGO, ["(3, 2)"]))
        self.crate(4)
        self.assertEqual(result(self.steps("mine::value()")[1]), ["4"])

    def test_all_kinds_of_values(self):
        for code, expected in [
            ("1.5", "1.5"),
            ("-3", "-3"),
            ("7_u8", "7"),
            ("'c'", "'c'"),
            ("1 < 2", "true"),
            ("&&5", "5"),
            ("\"text\".to_owned()", '"text"'),
            ("vec![Some(1), None]", "[Some(1), None]"),
            ("2_f64.powf(0.5).sin().hypot(1.0) > 1.0", "true"),
            ("std::thread::spawn(|| { thread_local!(static T: std::cell::RefCell<Vec<u8>> = vec![3].into()); "
             "T.with(|t| t.borrow_mut().push(4)); T.with(|t| t.borrow().clone()) }).join().unwrap()", "[3, 4]"),
            ("std::panic::catch_unwind(|| panic!(\"caught\")).is_err()", "true"),
            ("unsafe extern \"C\" { safe fn getppid() -> i32; } getppid() > 0", "true"),
        ]:
            steps, published = self.steps(code)
            self.assertEqual((steps, result(published)), (ALONE, [expected]), code)
        self.assertEqual(self.steps("let unit = ();")[1], [])
        self.assertEqual(self.steps("unit")[1], [])
        # A library that a cell names itself has to be linked in; in a block, so that later cells do not.
        code = '{ #[link(name = "z")] unsafe extern "C" { safe fn zlibCompileFlags() -> u64; } zlibCompileFlags() > 0 }'
        if any(Path("/usr/lib").glob("**/libz.so")):
            steps, published = self.steps(code)
            self.assertEqual((steps, result(published)), (BY_CARGO, ["true"]))

    def test_cells_do_not_see_the_engines_programs(self):
        _, published = self.steps('std::env::var("PATH")?')
        self.assertNotIn("engine-tools", result(published)[0])
        _, published = self.steps('(std::env::var("CARGO").is_ok(), std::env::var("RUSTC").is_ok())')
        self.assertEqual(result(published), ["(false, false)"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
