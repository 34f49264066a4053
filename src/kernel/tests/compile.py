"""How cells are compiled: by rustc alone where nothing but the cell has changed, and by cargo otherwise."""

import os
import tempfile
import unittest
from pathlib import Path

from conformance import result, run, start, text

ALONE = ["analysis", "cargo", "rustc", "linker", "load", "run", "reply"]
BY_CARGO = ["analysis", "cargo", "run", "reply"]


class Compile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.times = Path(cls.folder.name, "times")
        os.environ["RANKSCOPE_KERNEL_TIMES"] = str(cls.times)
        cls.manager, cls.client = start()
        del os.environ["RANKSCOPE_KERNEL_TIMES"]

    @classmethod
    def tearDownClass(cls):
        cls.client.stop_channels()
        cls.manager.shutdown_kernel()
        cls.folder.cleanup()

    def steps(self, code, status="ok"):
        """What a cell goes through, and what it publishes."""
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
        self.assertEqual(text(self.steps('println!("{}", env!("CARGO_PKG_NAME"));')[1]), "ctx\n")
        self.assertEqual(result(self.steps("(kept.len(), own.0, number)")[1]), ["(2, 5, 7)"])
        # An error is cargo's own, and each attempt at the cell is made twice.
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

    def test_cells_do_not_see_the_engines_programs(self):
        _, published = self.steps('std::env::var("PATH")?')
        self.assertNotIn("engine-tools", result(published)[0])
        _, published = self.steps('(std::env::var("CARGO").is_ok(), std::env::var("RUSTC").is_ok())')
        self.assertEqual(result(published), ["(false, false)"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
