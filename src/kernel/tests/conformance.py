"""Jupyter's own conformance suite, and exchanges with the kernel that the suite does not test."""

import hashlib
import json
import os
import shutil
import tempfile
import time
import unittest
from pathlib import Path

import jupyter_kernel_test as suite
from jupyter_client.manager import start_new_kernel

from common import KERNEL, PATIENCE

suite.TIMEOUT = PATIENCE


def start():
    """A kernel whose engine is warm: a cell that is sent at once may be answered before that."""
    manager, client = start_new_kernel(kernel_name=KERNEL, startup_timeout=PATIENCE)
    (folder,) = Path(os.environ["RANKSCOPE_KERNEL_RUNNING"]).glob(f"{manager.provisioner.pid}-*")
    deadline = time.monotonic() + PATIENCE
    while json.loads((folder / "state.json").read_text())["state"] != "ready":
        assert time.monotonic() < deadline, "the engine is not ready"
        time.sleep(0.1)
    reply, _ = run(client, "1")
    assert reply["status"] == "ok", reply
    return manager, client


def messages(client, request):
    """The messages published for a request, up to its `idle`."""
    published = []
    while True:
        message = client.get_iopub_msg(timeout=PATIENCE)
        if message["parent_header"].get("msg_id") != request:
            continue
        if message["content"].get("execution_state") == "idle":
            return published
        published.append((message["msg_type"], message["content"]))


def reply_to(client, request):
    while True:
        message = client.get_shell_msg(timeout=PATIENCE)
        if message["parent_header"].get("msg_id") == request:
            return message["content"]


def run(client, code, **options):
    """The reply to a cell, and its published messages without its state and its input."""
    request = client.execute(code, **options)
    reply = reply_to(client, request)
    published = messages(client, request)
    return reply, [(kind, content) for kind, content in published if kind not in ("status", "execute_input")]


def text(published, name="stdout"):
    return "".join(content["text"] for kind, content in published if kind == "stream" and content["name"] == name)


def result(published):
    return [content["data"]["text/plain"] for kind, content in published if kind == "execute_result"]


class Conformance(suite.KernelTests):
    kernel_name = KERNEL
    language_name = "rust"
    file_extension = ".rs"
    code_hello_world = 'println!("hello, world");'
    code_stderr = 'eprintln!("not good");'
    completion_samples = [{"text": "Mask::caus", "matches": {"causal()"}}, {"text": "let x = 1; x.abs_dif"}]
    complete_code_samples = ["1", "let x = 2;", "fn f() -> u8 { 3 }", "use std::fmt;", ":vars"]
    incomplete_code_samples = ["fn f() {", 'println!("', "let x =", "vec![1,", "/* text"]
    invalid_code_samples = ["let x = );", "fn )("]
    code_generate_error = 'panic!("on purpose");'
    code_execute_result = [
        {"code": "6 * 7", "result": "42"},
        {"code": '"text"', "result": '"text"'},
        {"code": "Mask::causal()", "mime": "text/html"},
    ]
    code_display_data = [{"code": "display(&Mask::causal());", "mime": "text/html"}]
    code_history_pattern = "6 ?*"
    supported_history_operations = ("tail", "range", "search")
    code_inspect_sample = "Mask::causal"
    code_page_something = "?Mask"
    code_clear_output = "clear(false);"

    @classmethod
    def setUpClass(cls):
        cls.km, cls.kc = start()


class Welcome(suite.IopubWelcomeTests):
    kernel_name = KERNEL
    support_iopub_welcome = True


class OneKernel(unittest.TestCase):
    """One kernel for all tests of a class."""

    @classmethod
    def setUpClass(cls):
        cls.manager, cls.client = start()

    @classmethod
    def tearDownClass(cls):
        cls.client.stop_channels()
        cls.manager.shutdown_kernel()

    def run_ok(self, code, **options):
        reply, published = run(self.client, code, **options)
        self.assertEqual(reply["status"], "ok", (code, reply, published))
        return published


class Exchanges(OneKernel):
    """One kernel, many cells."""

    def run_error(self, code, name, **options):
        reply, published = run(self.client, code, **options)
        self.assertEqual(reply["status"], "error", (code, reply, published))
        self.assertEqual(reply["ename"], name, reply)
        errors = [content for kind, content in published if kind == "error"]
        self.assertEqual([error["ename"] for error in errors], [name])
        return errors[0]

    def test_variables_functions_and_the_library_live_across_cells(self):
        self.run_ok("let causal = Mask::causal(); let mut count = 1_u32;")
        self.run_ok("fn twice(x: u32) -> u32 { 2 * x }")
        self.run_ok("count += 1;")
        self.assertEqual(result(self.run_ok("(twice(count), causal.may_attend(1, 2))")), ["(4, false)"])
        self.run_ok("let exact = causal.exact_rank(8); println!(\"{:?}\", exact.rank);")

    def test_text_is_live_ordered_and_needs_no_newline(self):
        published = self.run_ok('print!("a"); eprint!("b"); println!("c");')
        streams = [(content["name"], content["text"]) for kind, content in published if kind == "stream"]
        self.assertEqual(streams, [("stdout", "a"), ("stderr", "b"), ("stdout", "c\n")])
        request = self.client.execute(
            'println!("first"); std::thread::sleep(std::time::Duration::from_secs(2)); println!("last");'
        )
        seen = {}
        while "last\n" not in seen:
            message = self.client.get_iopub_msg(timeout=PATIENCE)
            if message["msg_type"] == "stream":
                seen[message["content"]["text"]] = time.monotonic()
        self.assertGreater(seen["last\n"] - seen["first\n"], 1.0)
        reply_to(self.client, request)
        messages(self.client, request)

    def test_several_displays_and_updates(self):
        published = self.run_ok(
            'display(&Mask::causal()); update("m", &Mask::causal(), false); '
            'update("m", &Mask::prefix(3), true); Mask::bidirectional()'
        )
        kinds = [kind for kind, _ in published]
        self.assertEqual(kinds, ["display_data", "display_data", "update_display_data", "execute_result"])
        self.assertEqual(published[1][1]["transient"]["display_id"], "m")
        self.assertIn("prefix(3)", published[2][1]["data"]["text/plain"])
        self.assertIn("<svg", published[3][1]["data"]["text/html"])

    def test_a_panic_is_an_error_and_loses_nothing(self):
        self.run_ok("let kept = vec![1, 2, 3];")
        error = self.run_error('let gone = 5; panic!("boom {}", kept.len());', "Panic")
        self.assertEqual(error["evalue"], "boom 3")
        self.assertEqual(result(self.run_ok("kept.len()")), ["3"])

    def test_a_question_mark_is_an_error(self):
        error = self.run_error('let number: i32 = "x".parse()?;', "Error")
        self.assertIn("invalid digit", error["evalue"])
        self.run_error("Mask::window(0)?;", "Error")
        # The same text is no error in a cell that does not end by `?`.
        published = self.run_ok('let error = 7; eprintln!("{}", error);')
        self.assertEqual(text(published, "stderr"), "7\n")

    def test_a_compile_error_points_at_the_place_and_loses_nothing(self):
        self.run_ok("let before = 11;")
        error = self.run_error('let wrong: u32 = "text";', "CompileError")
        self.assertIn("mismatched types", error["evalue"])
        self.assertIn("text", "".join(error["traceback"]))
        self.assertEqual(result(self.run_ok("before")), ["11"])

    def test_an_error_in_a_value_that_concerns_an_earlier_cell(self):
        self.run_ok("fn narrow(x: u8) -> u8 { x } let wide = 300_u32;")
        error = self.run_error("narrow(wide)", "CompileError")
        self.assertIn("expected `u8`, found `u32`", "".join(error["traceback"]))

    def test_types_are_inferred(self):
        self.run_ok("use std::collections::HashMap; use rankscope::ndarray::array;")
        self.run_ok('let map: HashMap<String, u8> = [("a".to_owned(), 7)].into_iter().collect();')
        self.run_ok("let names = map.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();")
        self.run_ok("let square = array![[1., 2.], [3., 4.]]; let product = square.dot(&square.t());")
        self.assertEqual(result(self.run_ok("(names, product.sum())")), ['(["a"], 52.0)'])

    def test_there_is_one_gpu_device(self):
        if os.environ.get("RANKSCOPE_SKIP_GPU") == "1":
            self.skipTest("RANKSCOPE_SKIP_GPU is set")
        self.run_ok("use rankscope::device::DeviceRequest; let first = Device::choose(DeviceRequest::Gpu)?.device;")
        self.assertEqual(result(self.run_ok("Device::choose(DeviceRequest::Gpu)?.device == first")), ["true"])

    def test_what_cannot_live_between_cells_is_explained(self):
        error = self.run_error("let f = |x: i32| x + 1;", "CellError")
        self.assertIn("Box<dyn Fn", error["evalue"])

    def test_the_process_of_the_cells_may_die(self):
        self.run_ok("let lost = 1; fn stays() -> u8 { 4 }")
        error = self.run_error("std::process::abort();", "Crash")
        self.assertIn("lost", "".join(error["traceback"]))
        self.assertEqual(result(self.run_ok("stays()")), ["4"])
        self.run_error("let much = vec![0_u8; 1 << 46]; much.len()", "Crash")
        self.run_error("std::process::exit(3);", "Crash")
        self.run_error("fn deep(n: u64) -> u64 { if n == 0 { 0 } else { 1 + deep(n + 1) } } deep(1)", "Crash")
        self.assertEqual(result(self.run_ok("stays()")), ["4"])

    def test_an_interrupt_stops_a_run_and_keeps_every_variable(self):
        self.run_ok("let kept = 21;")
        code = (
            "let run = Run::new(1); println!(\"on\"); for step in 0..10_000 { run.step(\"steps\", step, 10_000)?; "
            "std::thread::sleep(std::time::Duration::from_millis(10)); }"
        )
        request = self.client.execute(code)
        bars = 0
        while bars < 3:
            message = self.client.get_iopub_msg(timeout=PATIENCE)
            bars += message["msg_type"] in ("display_data", "update_display_data")
        began = time.monotonic()
        self.manager.interrupt_kernel()
        reply = reply_to(self.client, request)
        self.assertLess(time.monotonic() - began, 0.5 if PATIENCE <= 60 else 3.0)
        self.assertEqual((reply["status"], reply["ename"]), ("error", "Interrupted"))
        kinds = [kind for kind, _ in messages(self.client, request)]
        self.assertNotIn("display_data", kinds, "there is one bar")
        self.assertEqual(result(self.run_ok("kept")), ["21"])
        self.run_ok("Run::new(1).check()?;")

    def test_an_interrupt_stops_a_long_call_of_the_library(self):
        code = (
            "{ use rankscope::claim::{self, Effort, Settings}; println!(\"on\"); for claim in claim::CLAIMS { "
            "let settings = Settings::new(*claim, Effort::Full, Device::Cpu)?; "
            "claim::run(*claim, &settings, &Run::new(0))?; } }"
        )
        self.run_ok("let kept = 34;")
        request = self.client.execute(code)
        while self.client.get_iopub_msg(timeout=PATIENCE)["msg_type"] != "stream":
            pass
        time.sleep(1)
        began = time.monotonic()
        self.manager.interrupt_kernel()
        reply = reply_to(self.client, request)
        self.assertLess(time.monotonic() - began, 0.5 if PATIENCE <= 60 else 3.0)
        self.assertEqual(reply.get("ename"), "Interrupted", reply)
        messages(self.client, request)
        self.assertEqual(result(self.run_ok("kept")), ["34"])

    def test_an_interrupt_while_a_cell_compiles_ends_the_compiler_and_keeps_every_variable(self):
        self.run_ok("let kept = 55_u8;")
        # A cell's dependency is never removed, so its folder must exist as long as the kernel.
        crate = Path(tempfile.mkdtemp())
        self.addClassCleanup(shutil.rmtree, crate)
        (crate / "src").mkdir()
        (crate / "Cargo.toml").write_text('[package]\nname = "slow"\nversion = "1.0.0"\nedition = "2024"\n')
        (crate / "src/lib.rs").write_text("pub fn one() -> u8 { 1 }\n")
        (crate / "build.rs").write_text(
            'fn main() { if !std::path::Path::new("quick").exists() { '
            'std::fs::write("builds", std::process::id().to_string()).unwrap(); '
            "std::thread::sleep(std::time::Duration::from_secs(600)); } }\n"
        )
        code = f':dep slow = {{ path = "{crate}" }}\nlet one = slow::one(); one'
        request = self.client.execute(code)
        deadline = time.monotonic() + PATIENCE
        while not (crate / "builds").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        began = time.monotonic()
        self.manager.interrupt_kernel()
        reply = reply_to(self.client, request)
        self.assertLess(time.monotonic() - began, 3.0)
        self.assertEqual((reply["status"], reply["ename"]), ("error", "Interrupted"))
        self.assertIn("before it ran", reply["evalue"])
        messages(self.client, request)
        self.assertTrue(ends(int((crate / "builds").read_text())))
        self.assertEqual(result(self.run_ok("kept")), ["55"])
        (crate / "quick").touch()
        self.assertEqual(result(self.run_ok(code)), ["1"])
        self.assertEqual(result(self.run_ok("slow::one() + kept")), ["56"])

    def test_an_interrupt_reaches_what_a_cell_has_started(self):
        self.run_ok("let kept = 56;")
        code = 'println!("on"); std::process::Command::new("sleep").arg("600").status()?.success()'
        request = self.client.execute(code)
        while self.client.get_iopub_msg(timeout=PATIENCE)["msg_type"] != "stream":
            pass
        began = time.monotonic()
        self.manager.interrupt_kernel()
        reply_to(self.client, request)
        self.assertLess(time.monotonic() - began, 0.5 if PATIENCE <= 60 else 2.5)
        self.assertEqual(result(messages(self.client, request)), ["false"])
        self.assertEqual(result(self.run_ok("kept")), ["56"])

    def test_an_endless_loop_is_killed_and_says_what_was_lost(self):
        self.run_ok("let precious = 1;")
        request = self.client.execute('println!("on"); loop { std::hint::spin_loop() }')
        while self.client.get_iopub_msg(timeout=PATIENCE)["msg_type"] != "stream":
            pass
        self.manager.interrupt_kernel()
        reply = reply_to(self.client, request)
        self.assertEqual(reply["ename"], "Interrupted", reply)
        self.assertIn("precious", "".join(reply["traceback"]))
        messages(self.client, request)
        self.assertEqual(result(self.run_ok("1 + 1")), ["2"])

    def test_cells_behind_one_that_failed_are_aborted(self):
        requests = [self.client.execute(code) for code in ["panic!()", "1", "2"]]
        replies = [reply_to(self.client, request)["status"] for request in requests]
        self.assertEqual(replies, ["error", "aborted", "aborted"])
        messages(self.client, requests[-1])
        requests = [self.client.execute("panic!()", stop_on_error=False), self.client.execute("1")]
        self.assertEqual([reply_to(self.client, request)["status"] for request in requests], ["error", "ok"])
        messages(self.client, requests[-1])

    def test_silent_cells_and_numbers(self):
        first = run(self.client, "1")[0]["execution_count"]
        reply, published = run(self.client, 'println!("nobody hears")', silent=True)
        self.assertEqual((reply["execution_count"], published), (first, []))
        self.assertEqual(run(self.client, "1", store_history=False)[0]["execution_count"], first)
        self.assertEqual(run(self.client, "1")[0]["execution_count"], first + 1)

    def test_stdin(self):
        request = self.client.execute('let name = input("name: "); println!("<{name}>");', allow_stdin=True)
        question = self.client.get_stdin_msg(timeout=PATIENCE)
        self.assertEqual(question["content"], {"prompt": "name: ", "password": False})
        self.client.input("a b")
        self.assertEqual(reply_to(self.client, request)["status"], "ok")
        self.assertEqual(text(messages(self.client, request)), "<a b>\n")

    def test_comms_are_closed_politely(self):
        content = {"comm_id": "c1", "target_name": "nobody", "data": {}}
        message = self.client.session.msg("comm_open", content)
        self.client.shell_channel.send(message)
        published = messages(self.client, message["header"]["msg_id"])
        self.assertIn(("comm_close", {"comm_id": "c1", "data": {}}), published)
        request = self.client.comm_info()
        self.assertNotIn("c1", reply_to(self.client, request)["comms"])

    def test_help_is_about_displays_and_at_most_three_screens_long(self):
        (page,) = [content["data"] for kind, content in self.run_ok(":help") if kind == "execute_result"]
        for word in ("predict(", "side_by_side(", "interact(", "?name", ":dep"):
            self.assertIn(word, page["text/plain"])
        self.assertLess(len(page["text/plain"].splitlines()), 3 * 24)
        self.assertEqual(page["text/markdown"], page["text/plain"])

    def test_what_stands_on_a_page_brings_its_style_and_script(self):
        published = self.run_ok('predict("Which rank?", ["1", "2"], &States::new("p", 0..=2, Mask::prefix))')
        (shown,) = [content["data"] for kind, content in published if kind == "execute_result"]
        self.assertEqual(shown["text/html"].count("<script>"), 1)
        self.assertEqual(shown["text/html"].count("data-label"), 3)
        self.assertTrue(shown["text/plain"].startswith("Which rank?"), shown)

    def test_plain_matrices_and_vectors_show_well(self):
        self.run_ok("use rankscope::ndarray::{Array2, array}; let weights = array![[1.0, 0.0], [0.5, 0.5]];")
        (shown,) = [content["data"] for kind, content in self.run_ok("weights") if kind == "execute_result"]
        self.assertIn("<svg", shown["text/html"])
        self.assertTrue(shown["text/plain"].startswith("2 x 2"), shown)
        (shown,) = [content["data"] for kind, content in self.run_ok("vec![0.5; 3]") if kind == "execute_result"]
        self.assertEqual(shown["text/plain"], "[0.5, 0.5, 0.5]")
        self.run_ok("weights")  # it is still there

    def move(self, widget, **state):
        """The messages published for a move of a widget's controls."""
        data = {"method": "update", "state": state, "buffer_paths": []}
        message = self.client.session.msg("comm_msg", {"comm_id": widget, "data": data})
        self.client.shell_channel.send(message)
        return messages(self.client, message["header"]["msg_id"])

    def interact(self, code, **options):
        """The name of the widget that a cell opens, its state, and what it shows."""
        published = self.run_ok(code, **options)
        (opened,) = [content for kind, content in published if kind == "comm_open"]
        shown = [content for kind, content in published if kind == "display_data"]
        return opened["comm_id"], opened["data"]["state"], shown

    def test_a_slider_calls_its_closure(self):
        """The exchange as the messages of ipywidgets' protocol 2.1 have it."""
        code = 'interact(slider("prefix", 0..=64), |p: i64| Mask::prefix(p as usize));'
        widget, state, (view, figure) = self.interact(code)
        self.assertEqual((state["_model_module"], state["_model_name"]), ("anywidget", "AnyModel"))
        self.assertIn("export default", state["_esm"])
        self.assertEqual((state["values"], state["controls"][0]["max"]), ([0], 64))
        self.assertEqual(view["data"]["application/vnd.jupyter.widget-view+json"]["model_id"], widget)
        self.assertIn("pip install anywidget", view["data"]["text/html"])
        self.assertIn("prefix(0)", figure["data"]["text/plain"])

        began = time.monotonic()
        published = [
            (kind, content) for kind, content in self.move(widget, values=[5], asked=1) if kind != "status"
        ]
        self.assertLess(time.monotonic() - began, 2, "no compiler was asked")
        (echo, updated, answered) = published
        data = {"method": "echo_update", "state": {"values": [5], "asked": 1}, "buffer_paths": []}
        self.assertEqual(echo, ("comm_msg", {"comm_id": widget, "data": data}))
        self.assertEqual(updated[0], "update_display_data")
        self.assertEqual(updated[1]["transient"]["display_id"], figure["transient"]["display_id"])
        self.assertIn("prefix(5)", updated[1]["data"]["text/plain"])
        data = {"method": "update", "state": {"answered": 1, "error": ""}, "buffer_paths": []}
        self.assertEqual(answered, ("comm_msg", {"comm_id": widget, "data": data}))

        # A front end that comes later.
        reply = reply_to(self.client, self.client.comm_info())
        self.assertEqual(reply["comms"][widget], {"target_name": "jupyter.widget"})
        opened = {"comm_id": "control", "target_name": "jupyter.widget.control", "data": {}}
        self.client.shell_channel.send(self.client.session.msg("comm_open", opened))
        asked = {"comm_id": "control", "data": {"method": "request_states"}}
        message = self.client.session.msg("comm_msg", asked)
        self.client.shell_channel.send(message)
        (states,) = [
            content["data"]["states"]
            for kind, content in messages(self.client, message["header"]["msg_id"])
            if kind == "comm_msg"
        ]
        self.assertEqual(states[widget]["state"]["values"], [5])

        # The cell runs again: its old widget is closed.
        published = self.run_ok(code)
        self.assertIn(("comm_close", {"comm_id": widget, "data": {}}), published)
        self.assertEqual([kind for kind, _ in self.move(widget, values=[9], asked=3) if kind != "status"], [])

    def test_a_failing_closure_says_so_and_loses_nothing(self):
        self.run_ok("let kept = 41;")
        code = 'interact(slider("i", 0..=9), |i: usize| [1.0, 2.0, 3.0][i].to_string());'
        widget, _, _ = self.interact(code)

        def state(value, asked):
            moved = self.move(widget, values=[value], asked=asked)
            return [content["data"]["state"] for kind, content in moved if kind == "comm_msg"][-1]

        self.assertIn("index out of bounds", state(7, 1)["error"])
        self.assertIn("expected a whole number from 0 to 9", state("x", 2)["error"])
        self.assertEqual(state(2, 3), {"error": "", "answered": 3})
        self.assertEqual(result(self.run_ok("kept + 1")), ["42"])

    def test_of_many_moves_the_last_one_counts_and_a_cell_comes_first(self):
        widget, _, _ = self.interact('interact(slider("i", 0..=99), |i: usize| i.to_string());')
        busy = self.client.execute("std::thread::sleep(std::time::Duration::from_secs(1)); 7")
        sent = []
        for value in range(100):
            data = {"method": "update", "state": {"values": [value], "asked": value + 1}, "buffer_paths": []}
            message = self.client.session.msg("comm_msg", {"comm_id": widget, "data": data})
            self.client.shell_channel.send(message)
            sent.append(message["header"]["msg_id"])
        self.assertEqual(reply_to(self.client, busy)["status"], "ok")
        shown, idle = [], set()
        while not idle.issuperset(sent):
            message = self.client.get_iopub_msg(timeout=PATIENCE)
            if message["msg_type"] == "update_display_data":
                shown.append(message["content"]["data"]["text/plain"])
            if message["content"].get("execution_state") == "idle":
                idle.add(message["parent_header"]["msg_id"])
        self.assertEqual(shown[-1], "99")
        self.assertLessEqual(len(shown), 20, "moves that came meanwhile are not answered one by one")

    def test_a_closure_that_hangs_is_interrupted(self):
        code = """interact(button("go"), |count: usize| {
            if count > 0 { loop { std::thread::sleep(std::time::Duration::from_millis(50)); } }
            count.to_string()
        });"""
        widget, _, _ = self.interact(code)
        data = {"method": "update", "state": {"values": [1], "asked": 1}, "buffer_paths": []}
        message = self.client.session.msg("comm_msg", {"comm_id": widget, "data": data})
        self.client.shell_channel.send(message)
        time.sleep(1)
        self.manager.interrupt_kernel()
        states = [
            content["data"]["state"]
            for kind, content in messages(self.client, message["header"]["msg_id"])
            if kind == "comm_msg"
        ]
        self.assertIn("process of the cells has ended", states[-1]["error"])
        run(self.client, "1")
        self.assertEqual(result(self.run_ok("2")), ["2"])

    def test_a_bad_signature_is_ignored(self):
        right = self.client.session.key
        self.client.session.key = b"not the key"
        self.client.execute('println!("forged")')
        self.client.session.key = right
        signed = self.client.execute('println!("signed")')
        # The very next reply, whichever request it answers.
        reply = self.client.get_shell_msg(timeout=PATIENCE)
        self.assertEqual(reply["parent_header"]["msg_id"], signed)
        self.assertEqual(text(messages(self.client, signed)), "signed\n")


class Places(unittest.TestCase):
    """What a kernel leaves on the machine."""

    def test_sockets_are_local_and_nothing_is_left(self):
        running = Path(os.environ["RANKSCOPE_KERNEL_RUNNING"])
        before = set(running.iterdir()) if running.exists() else set()
        manager, client = start()
        pid = manager.provisioner.pid
        (mine,) = set(running.iterdir()) - before
        state = json.loads((mine / "state.json").read_text())
        while state["state"] == "running":  # the reply comes a moment before
            state = json.loads((mine / "state.json").read_text())
        self.assertEqual((state["kernel"], state["state"]), (pid, "ready"))
        self.assertEqual(listening(pid), {"127.0.0.1"})
        # All kernels share the template's files: the cells of this one must not change them.
        template = Path(os.environ["RANKSCOPE_KERNEL_HOME"]) / "template"
        prints = [hashlib.sha256((template / "src/lib.rs").read_bytes()).hexdigest()]
        run(client, "let x = 1;")
        prints.append(hashlib.sha256((template / "src/lib.rs").read_bytes()).hexdigest())
        self.assertEqual(prints[0], prints[1])
        client.stop_channels()
        manager.shutdown_kernel()
        self.assertFalse(mine.exists())
        self.assertFalse(Path(f"/proc/{state['child']}").exists())

    def test_a_kernel_that_is_killed_takes_its_cells_with_it(self):
        manager, client = start()
        (child,) = children(manager.provisioner.pid)
        client.execute("loop {}")
        time.sleep(2)
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        self.assertTrue(ends(child))


def is_over(pid):
    """Whether a process has ended; a process that was not waited for yet (a zombie) has ended too."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def ends(pid, seconds=10):
    """Whether a process ends in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if is_over(pid):
            return True
        time.sleep(0.05)
    return False


def children(pid):
    """The processes of a kernel that run cells."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)
        except OSError:
            continue
        if int(fields[1].split()[1]) == pid and "rankscope" in fields[0]:
            found.append(int(stat.parent.name))
    return found


def listening(pid):
    """The addresses at which a process listens."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(link)
        except OSError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    found = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and fields[9] in inodes:
            address = bytes.fromhex(fields[1].split(":")[0])[::-1]
            found.add(".".join(map(str, address)))
    return found


if __name__ == "__main__":
    unittest.main(verbosity=2)
