"""JupyterLab in Chromium runs the cells of a notebook and shows a picture; a screenshot to be looked at.

Outside the checks: needs JupyterLab, websocket-client and Chromium, and a kernel that is installed where this
Python's Jupyter finds it (`rankscope-kernel install --prefix …` with its `share/jupyter` in JUPYTER_PATH).

    python src/kernel/tests/browser.py notebooks/2-masks.ipynb masks.png
"""

import base64
import itertools
import json
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import websocket

PATIENCE = 300


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(what, probe):
    """The first value of `probe` that is true."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            if found := probe():
                return found
        except OSError:
            pass
        time.sleep(0.25)
    raise TimeoutError(f"no {what} after {PATIENCE} s")


class Page:
    """A page of a Chromium that listens for its developer tools."""

    def __init__(self, port):
        def pages():
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json") as answer:
                return [page for page in json.load(answer) if page["type"] == "page"]

        address = wait_for("page", pages)[0]["webSocketDebuggerUrl"]
        self.socket = websocket.create_connection(address, suppress_origin=True, timeout=PATIENCE)
        self.numbers = itertools.count(1)

    def call(self, method, **parameters):
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self.socket.recv())
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]

    def evaluate(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def picture(self, path):
        data = self.call("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(data))


def show(page, lab, name, picture):
    # JupyterLab's commands act on what has the focus, which a page without a window has only in pretence.
    page.call("Emulation.setFocusEmulationEnabled", enabled=True)
    page.call("Page.navigate", url=f"{lab}/lab")
    wait_for("JupyterLab's page", lambda: page.evaluate("Boolean(window.jupyterapp?.shell)"))
    page.evaluate("jupyterapp.restored.then(() => true)")
    page.evaluate(f"jupyterapp.commands.execute('docmanager:open', {{path: {name!r}}}).then(widget => window.shown = widget, () => 0).then(() => 0)")
    wait_for("idle kernel", lambda: page.evaluate("window.shown?.sessionContext?.session?.kernel?.status") == "idle")
    began = time.monotonic()
    page.evaluate("jupyterapp.shell.activateById(shown.id)")
    wait_for("notebook in front", lambda: page.evaluate("jupyterapp.shell.currentWidget === shown"))
    page.evaluate("void jupyterapp.commands.execute('notebook:run-all-cells')")
    # A cell that waits or runs has a star in the place of its number.
    prompts = "[...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].map(prompt => prompt.textContent)"
    is_run = re.compile(r"\[\d+\]:").fullmatch
    try:
        wait_for("end of the cells", lambda: (texts := page.evaluate(prompts)) and all(map(is_run, texts)))
    except TimeoutError:
        page.picture(picture)
        raise
    print(f"all cells ran in {time.monotonic() - began:.1f} s")
    errors = page.evaluate("document.querySelectorAll('[data-mime-type=\"application/vnd.jupyter.stderr\"]').length")
    assert errors == 0, f"{errors} outputs on stderr"
    if page.evaluate("Boolean(document.querySelector('.rankscope-controls input[type=range]'))"):
        slide(page)
    shapes = page.evaluate("document.querySelectorAll('.jp-OutputArea svg rect').length")
    assert shapes, "no picture in the outputs"
    time.sleep(1)
    page.evaluate("document.querySelector('.jp-OutputArea svg').scrollIntoView({block: 'center'})")
    time.sleep(1)
    page.picture(picture)
    print(f"{shapes} rectangles; {picture}")


# Moves the first slider to each value of `values` without waiting, and then waits until what is shown below it stays as
# it is; how long that took.
SLIDE = """(async (values) => {
    const slider = document.querySelector('.rankscope-controls input[type=range]');
    const outputs = slider.closest('.jp-OutputArea');
    const shown = () => [...outputs.querySelectorAll('.jp-RenderedHTMLCommon')].map(part => part.innerHTML).join();
    let before = shown(), began = performance.now(), changed = null;
    const watch = new MutationObserver(() => {
        const now = shown();
        if (now !== before) { before = now; changed = performance.now(); }
    });
    watch.observe(outputs, {subtree: true, childList: true, characterData: true});
    for (const value of values) {
        slider.value = value;
        slider.dispatchEvent(new Event('input', {bubbles: true}));
        await new Promise(done => setTimeout(done, 5));
    }
    const last = performance.now();
    while (performance.now() < Math.max(last, changed ?? 0) + 1000) await new Promise(done => setTimeout(done, 20));
    watch.disconnect();
    return [changed === null ? null : changed - (values.length > 1 ? last : began), before];
})(%s)"""


def slide(page):
    """Moves a slider as a person does: the figure follows, and of a hundred moves it shows the last one."""
    times = []
    for value in (3, 7, 5):
        took, shown = page.evaluate(SLIDE % json.dumps([value]))
        assert took is not None, f"nothing changed when the slider went to {value}"
        times.append(took)
    first, last = list(range(1, 8)) * 14 + [6], 6
    page.evaluate(SLIDE % json.dumps([2]))
    _, once = page.evaluate(SLIDE % json.dumps([last]))
    took, shown = page.evaluate(SLIDE % json.dumps([2] + first))
    assert shown == once, "after a hundred moves the figure is not that of the last one"
    shown = ", ".join(f"{time:.0f}" for time in times)
    print(f"from the slider's move to the figure: {shown} ms; after a hundred moves {took:.0f} ms")


def main(notebook, picture):
    lab_port, tools_port = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(notebook, folder)
        lab = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={lab_port}", "--port-retries=0",
             "--IdentityProvider.token=", "--expose-app-in-browser", f"--ServerApp.root_dir={folder}"],
            stderr=subprocess.DEVNULL)
        browser = subprocess.Popen(
            ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}/.browser",
             f"--remote-debugging-port={tools_port}", "--window-size=1200,1500", "about:blank"],
            stderr=subprocess.DEVNULL)
        try:
            address = f"http://127.0.0.1:{lab_port}"
            wait_for("JupyterLab", lambda: urllib.request.urlopen(f"{address}/api").status == 200)
            show(Page(tools_port), address, Path(notebook).name, Path(picture))
        finally:
            for process in (browser, lab):
                process.terminate()
                process.wait(30)


if __name__ == "__main__":
    main(*sys.argv[1:])
