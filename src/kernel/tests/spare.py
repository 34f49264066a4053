"""Kernels on a warm spare: like any other, and nothing is left when one end dies."""

import json
import os
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from jupyter_client.manager import KernelManager

from conformance import KERNEL, PATIENCE, is_over, result, run

RUNNING = Path(os.environ["RANKSCOPE_KERNEL_RUNNING"])
PREFERENCES = Path(os.environ["RANKSCOPE_KERNEL_PREFERENCES"])
HOME = Path(os.environ["RANKSCOPE_KERNEL_HOME"])


def spare(change, **variables):
    subprocess.run([HOME / "bin/rankscope-kernel", "spare", change], check=True, env={**os.environ, **variables})


def states():
    """What the kernels and the spare say of themselves."""
    found = []
    for file in RUNNING.glob("*/state.json"):
        try:
            found.append(json.loads(file.read_text()))
        except OSError:
            pass
    return found


def the_spare():
    return next((state for state in states() if state["spare"]), None)


def state_of(pid):
    """The state of the kernel that Jupyter knows as `pid`."""
    return next((state for state in states() if state["kernel"] == pid and not state["spare"]), None)


def wait_for(probe, seconds=PATIENCE):
    """The first value of `probe` that is true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := probe():
            return found
        time.sleep(0.05)
    raise TimeoutError(states())


def wait_until_ready():
    wait_for(lambda: (state := the_spare()) and state["state"] == "ready")


def is_gone(state):
    """Whether nothing is left of a kernel."""
    processes = [state["process"], state["kernel"], state["child"]]
    lives = any(process and not is_over(process) for process in processes)
    return not lives and not list(RUNNING.glob(f"{state['process']}-*"))


def launch(variables={}, **options):
    """A kernel that has been started and has answered nothing."""
    manager = KernelManager(kernel_name=KERNEL)
    manager.start_kernel(env={**os.environ, **variables}, **options)
    return manager


def connect(manager):
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=PATIENCE)
    return client


class Spare(unittest.TestCase):
    def setUp(self):
        self.kernels = []

    def tearDown(self):
        for manager, client in self.kernels:
            client.stop_channels()
            if manager.is_alive():
                manager.shutdown_kernel()
            # Also where the kernel was killed: its control socket must not be left to the garbage collector's thread.
            manager.cleanup_resources()
        spare("off")
        self.assertIsNone(the_spare())
        self.assertFalse((RUNNING / "spare").exists())

    def connect(self, manager):
        client = connect(manager)
        self.kernels.append((manager, client))
        return client

    def value(self, client, code):
        reply, published = run(client, code)
        self.assertEqual(reply["status"], "ok", reply)
        return result(published)[0]

    def test_two_at_once_one_of_them_on_the_spare_and_nobody_sees_a_difference(self):
        spare("on", LEFT_OVER="1")
        wait_until_ready()
        with tempfile.TemporaryDirectory() as folder:
            managers = [launch({"GREETING": "hello"}, cwd=folder) for _ in range(2)]
            clients = [self.connect(manager) for manager in managers]
            pids = [manager.provisioner.pid for manager in managers]
            told = [wait_for(lambda: state_of(pid)) for pid in pids]
            self.assertEqual([state["process"] == state["kernel"] for state in told].count(True), 1, told)
            seen = []
            for client, state in zip(clients, told):
                self.assertEqual(self.value(client, "std::env::current_dir()?"), f'"{os.path.realpath(folder)}"')
                variables = self.value(client, "std::env::vars().collect::<std::collections::BTreeMap<_, _>>()")
                (mine,) = RUNNING.glob(f"{state['process']}-*")
                variables = json.loads(variables.replace(str(mine), "MINE"))
                seen.append({name: value for name, value in variables.items() if not name.startswith("JPY_SESSION")})
                self.assertEqual(run(client, "warm_up")[0]["ename"], "CompileError")
                self.value(client, "Mask::causal().may_attend(1, 0)")
            self.assertEqual(seen[0], seen[1])
            self.assertEqual(seen[0]["GREETING"], "hello")
            self.assertNotIn("LEFT_OVER", seen[0])
            on_spare = next(state for state in told if state["process"] != state["kernel"])
            # A relay that is killed, in the middle of a cell.
            clients[told.index(on_spare)].execute("loop {}")
            time.sleep(1)
            os.kill(on_spare["kernel"], signal.SIGKILL)
            managers[told.index(on_spare)].provisioner.process.wait()
            wait_for(lambda: is_gone(on_spare), 10)
            # The one that is left has nothing to do: another spare is warmed.
            wait_for(the_spare)

    def test_a_spare_that_is_still_warming_serves_and_jupyter_may_restart_and_end_it(self):
        spare("on")
        wait_for(the_spare)
        log = tempfile.NamedTemporaryFile()
        self.addCleanup(log.close)
        manager = launch(stderr=log)
        client = self.connect(manager)
        state = state_of(manager.provisioner.pid)
        self.assertNotEqual(state["process"], state["kernel"])
        self.assertEqual(os.readlink(f"/proc/{state['process']}/fd/2"), log.name, "what it says goes where Jupyter wants")
        self.value(client, "1 + 1")
        manager.restart_kernel()
        # The relay has ended and the ports are free; the rest of the process takes a moment.
        wait_for(lambda: is_gone({**state, "kernel": None}), 10)
        client.wait_for_ready(timeout=PATIENCE)
        spare("on")
        wait_for(the_spare)
        manager = launch()
        self.connect(manager)
        state = state_of(manager.provisioner.pid)
        self.assertNotEqual(state["process"], state["kernel"])
        os.kill(state["kernel"], signal.SIGTERM)
        self.assertEqual(manager.provisioner.process.wait(10), 0)
        wait_for(lambda: is_gone(state), 10)

    def test_a_kernel_that_the_spare_cannot_be_starts_by_itself_and_says_why(self):
        spare("on")
        wait_for(the_spare)
        with tempfile.TemporaryFile() as log:
            manager = launch({"OPENBLAS_NUM_THREADS": "1"}, stderr=log)
            self.connect(manager)
            log.seek(0)
            self.assertIn("it was started with another OPENBLAS_NUM_THREADS", log.read().decode())
        state = state_of(manager.provisioner.pid)
        self.assertEqual(state["process"], state["kernel"])
        wait_for(lambda: the_spare() is None, 10)

    def test_without_a_decision_memory_decides(self):
        (PREFERENCES / "kernel-spare").unlink(missing_ok=True)
        lines = Path("/proc/meminfo").read_text().splitlines()
        available = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
        if available < 3 << 20:
            self.skipTest("little memory is available")
        client = self.connect(launch())
        self.value(client, "1")
        wait_for(the_spare)
        spare("off")
        self.assertIsNone(the_spare())
        self.value(client, "1")
        time.sleep(4)
        self.assertIsNone(the_spare(), "what was decided holds")

    def test_it_ends_by_itself_when_nobody_comes_or_the_library_is_another(self):
        spare("on", RANKSCOPE_KERNEL_SPARE_SECONDS="1")
        state = wait_for(the_spare)
        wait_for(lambda: is_gone(state), 20)
        spare("on")
        state = wait_for(the_spare)
        stamp = HOME / "stamp.json"
        before = stamp.read_text()
        stamp.write_text(before + "\n")
        try:
            wait_for(lambda: is_gone(state), 20)
        finally:
            stamp.write_text(before)


if __name__ == "__main__":
    unittest.main(verbosity=2)
