"""What cells print and read: any bytes, under the cell that printed them, and never taken for the engine's messages."""

import os
import time
import unittest

from conformance import OneKernel, PATIENCE, messages, reply_to, result, run, start, text

# Lines that the engine and the process of the cells use as messages, now or formerly.
ENGINES = [
    "EVCXR_EXECUTION_COMPLETE", "EVCXR_PANIC_NOTIFICATION", "EVCXR_ERROR_OCCURRED", "EVCXR_BEGIN_CONTENT text/plain",
    "EVCXR_END_CONTENT", "EVCXR_VARIABLE_CHANGED_TYPE:kept", "EVCXR_INPUT_REQUEST:name", "LOAD_AND_RUN a b",
    '\x01rankscope:{"kind":"panic"}', '{"kind":"display","data":{"text/plain":"1"}}',
]


def literal(line):
    return '"' + line.replace("\\", "\\\\").replace('"', '\\"').replace("\x01", "\\u{1}").replace("{", "{{").replace("}", "}}").replace("\\u{{1}}", "\\u{1}") + '"'


class Streams(OneKernel):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        reply, _ = run(cls.client, "use std::io::{self, BufRead as _, Read as _, Write as _}; use std::process::Command; let kept = 17;")
        assert reply["status"] == "ok", reply

    def shows(self, code, out, err=""):
        """A cell shows exactly `out` and `err`, and the next cell still works."""
        published = self.run_ok(code)
        self.assertEqual((text(published), text(published, "stderr")), (out, err), code)
        self.assertEqual([kind for kind, _ in published if kind not in ("stream", "execute_result")], [])
        self.assertEqual(text(self.run_ok('println!("{kept}");')), "17\n")

    def test_bytes_that_are_no_text(self):
        self.shows(r'io::stdout().write_all(b"a\xffb\n")?;', "a\ufffdb\n")
        self.shows(r'io::stdout().write_all(b"\xe2\x82")?;', "\ufffd")
        self.shows(r'io::stderr().write_all(b"\xfe")?;', "", "\ufffd")
        self.shows(r'''Command::new("sh").args(["-c", "printf '\\377\\n'; printf '\\376' >&2"]).status()?;''', "\ufffd\n", "\ufffd")

    def test_lines_that_look_like_the_engines_own(self):
        for line in ENGINES:
            for code in (f"println!({literal(line)});", f'println!("{{}}", String::from({literal(line).replace("{{", "{").replace("}}", "}")}));'):
                self.shows(code, line + "\n")
        lines = "\n".join(ENGINES) + "\n"
        escaped = lines.replace("\\", "\\\\").replace('"', '\\"').replace("\x01", "\\u{1}").replace("\n", "\\n")
        self.shows(f'io::stdout().write_all("{escaped}".as_bytes())?;', lines)
        self.shows(f'Command::new("printf").args(["%s", "{escaped}"]).status()?;', lines)
        self.shows(f'eprint!("{{}}", "{escaped}");', "", lines)
        self.shows(f'io::stderr().write_all("{escaped}".as_bytes())?;', "", lines)

    def test_words_of_the_engine_after_a_panic_that_was_caught(self):
        code = 'let new = 5; let _ = std::panic::catch_unwind(|| panic!("inside")); println!("EVCXR_PANIC_NOTIFICATION");'
        published = self.run_ok(code)
        self.assertEqual(text(published), "EVCXR_PANIC_NOTIFICATION\n")
        self.assertIn("inside", text(published, "stderr"))
        self.assertEqual(result(self.run_ok("new + kept")), ["22"])
        reply, published = run(self.client, 'println!("EVCXR_PANIC_NOTIFICATION"); panic!("outside")')
        self.assertEqual((reply["ename"], reply["evalue"]), ("Panic", "outside"))
        self.assertEqual(text(published), "EVCXR_PANIC_NOTIFICATION\n")
        self.assertEqual(result(self.run_ok("kept")), ["17"])

    def test_a_variable_whose_type_is_another_now(self):
        self.run_ok("mod a { pub struct Point; } mod b { pub struct Point; } use a::Point; let point: Point = Point;")
        published = self.run_ok("use b::Point; kept")
        self.assertIn("variable point was redefined", text(published, "stderr"))
        self.assertEqual(run(self.client, "point")[0]["ename"], "CompileError")
        self.assertEqual(result(self.run_ok("kept")), ["17"])

    def test_a_value_that_moves_variables(self):
        self.run_ok('let name = String::from("a\\nb"); let mask = Mask::causal();')
        published = self.run_ok('println!("before"); (name, kept)')
        self.assertEqual([content.get("text") or content["data"]["text/plain"] for _, content in published], ["before\n", '("a\\nb", 17)'])
        published = self.run_ok("{ let moved = mask; moved }")
        self.assertEqual([kind for kind, _ in published], ["execute_result"])
        self.assertIn("<svg", published[0][1]["data"]["text/html"])
        self.assertEqual(result(self.run_ok('format!("{:?}",&(kept))')), ['"17"'])

    def test_pieces_of_lines_and_long_ones(self):
        self.shows(r'print!("0 %\r50 %\r"); print!("100 %\r\n"); io::stdout().write_all(b"no end")?;', "0 %\r50 %\r100 %\r\nno end")
        self.shows(r'print!("a\0b");', "a\0b")
        self.shows(r'println!("{}", "é".repeat(1_000_000));', "é" * 1_000_000 + "\n")
        self.shows(r'for line in 0..20_000 { println!("{line}"); }', "".join(f"{line}\n" for line in range(20_000)))

    def test_programs_that_a_cell_starts_are_in_order_with_its_displays(self):
        code = 'Command::new("echo").arg("one").status()?; eprint!("two"); Command::new("echo").arg("three").status()?; display(&Mask::causal()); print!("four");'
        published = self.run_ok(code)
        shown = [content.get("text", kind) for kind, content in published]
        self.assertEqual(shown, ["one\n", "two", "three\n", "display_data", "four"])

    def test_a_thread_that_prints_when_its_cell_is_over(self):
        request = self.client.execute(
            'std::thread::spawn(|| { std::thread::sleep(std::time::Duration::from_millis(700)); println!("late"); });')
        self.assertEqual(reply_to(self.client, request)["status"], "ok")
        self.assertEqual(text(messages(self.client, request)), "")
        late = self.client.get_iopub_msg(timeout=PATIENCE)
        self.assertEqual((late["content"], late["parent_header"]["msg_id"]), ({"name": "stdout", "text": "late\n"}, request))

    def test_a_thread_that_prints_while_another_cell_runs(self):
        request = self.client.execute(
            'std::thread::spawn(|| for tick in 0..40 { std::thread::sleep(std::time::Duration::from_millis(100)); '
            'if tick % 2 == 0 { print!("t") } else { eprint!("t") } });')
        self.assertEqual(reply_to(self.client, request)["status"], "ok")
        other = self.client.execute('println!("mine"); std::thread::sleep(std::time::Duration::from_secs(6)); println!("too");')
        shown = {request: "", other: ""}
        while True:
            message = self.client.get_iopub_msg(timeout=PATIENCE)
            parent = message["parent_header"]["msg_id"]
            if message["msg_type"] == "stream":
                shown[parent] += message["content"]["text"]
            if parent == other and message["content"].get("execution_state") == "idle":
                break
        reply_to(self.client, other)
        self.assertEqual(shown, {request: 40 * "t", other: "mine\ntoo\n"})

    def test_last_words_of_a_process(self):
        manager, client = start()
        try:
            reply, published = run(client, 'print!("last words"); std::process::abort();')
            self.assertEqual((reply["ename"], text(published)), ("Crash", "last words"))
            for code in ('println!("{}", 1 + 1);', r'std::io::Write::write_all(&mut std::io::stdout(), b"2\n")?;'):
                self.assertEqual(text(run(client, code)[1]), "2\n")
            display = run(client, "display(&Mask::causal());")[1]
            self.assertEqual([kind for kind, _ in display], ["display_data"])
        finally:
            client.stop_channels()
            manager.shutdown_kernel()

    def test_input_where_nobody_is_asked(self):
        code = "let mut line = String::new(); (io::stdin().read_line(&mut line)?, line)"
        self.assertEqual(result(self.run_ok(code, allow_stdin=False)), ['(0, "")'])
        self.assertEqual(result(self.run_ok('input("name: ")', allow_stdin=False)), ['""'])
        self.assertEqual(result(self.run_ok('io::stdin().lines().count()', allow_stdin=False)), ["0"])
        # A program that a cell starts cannot ask, and does not wait.
        self.assertEqual(result(self.run_ok('Command::new("cat").status()?.success()', allow_stdin=True)), ["true"])

    def answer(self, prompt, line):
        question = self.client.get_stdin_msg(timeout=PATIENCE)
        self.assertEqual(question["content"], {"prompt": prompt, "password": False})
        self.client.input(line)

    def test_input_from_the_front_end(self):
        code = 'let mut lines = String::new(); for _ in 0..2 { io::stdin().read_line(&mut lines)?; } lines + &input("third: ")'
        request = self.client.execute(code, allow_stdin=True)
        for prompt, line in [("", "one é"), ("", ""), ("third: ", "three")]:
            self.answer(prompt, line)
        self.assertEqual(reply_to(self.client, request)["status"], "ok")
        self.assertEqual(result(messages(self.client, request)), ['"one é\\n\\nthree"'])

    def test_an_interrupt_while_a_cell_waits_for_input_keeps_every_variable(self):
        for code in ("let mut line = String::new(); io::stdin().read_line(&mut line)?;",
                     "let mut line = String::new(); io::stdin().read_line(&mut line).unwrap();",
                     "let line = io::stdin().lines().next();  let line = line.unwrap().unwrap();",
                     'let line = input("name: ");'):
            request = self.client.execute(code, allow_stdin=True)
            self.client.get_stdin_msg(timeout=PATIENCE)
            began = time.monotonic()
            self.manager.interrupt_kernel()
            reply = reply_to(self.client, request)
            self.assertLess(time.monotonic() - began, 2.5)
            self.assertEqual(reply.get("ename"), "Interrupted", (code, reply))
            self.assertIn("kept", reply["evalue"])
            messages(self.client, request)
            self.assertEqual(result(self.run_ok("kept")), ["17"])
        # An answer that comes too late does not answer the next question.
        self.client.input("too late")
        request = self.client.execute('input("now: ")', allow_stdin=True)
        self.answer("now: ", "in time")
        reply_to(self.client, request)
        self.assertEqual(result(messages(self.client, request)), ['"in time"'])

    def test_the_environment_of_cells_is_what_jupyter_gave(self):
        variables = "std::env::vars().map(|(name, _)| name).collect::<Vec<_>>().join(\" \")"
        names = set(result(self.run_ok(variables))[0].strip('"').split())
        self.assertEqual({name for name in names if name.startswith(("LD_", "DYLD_", "CARGO"))}, {
            name for name in os.environ if name.startswith(("LD_", "DYLD_", "CARGO"))})
        self.assertNotIn("RANKSCOPE_KERNEL_CELLS", names)


if __name__ == "__main__":
    unittest.main(verbosity=2)
