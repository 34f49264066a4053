"""JupyterLab in Chromium runs a notebook and shows it in both themes, in a window and as wide as a phone.

Without a notebook it takes one with a display of each kind, moves a slider as a person does, and uses what each display
reacts to. Fails where a cell or a script fails, or where something is wider than its place. With a folder, a picture of each
output comes there, to be looked at. Needs JupyterLab, anywidget, websocket-client, Chromium, and a kernel that is installed
where this Python's Jupyter finds it (`rankscope-kernel install --prefix …` with its `share/jupyter` in JUPYTER_PATH).

    python src/kernel/tests/browser.py [--pictures FOLDER] [notebooks/02-masks.ipynb]
"""

import argparse
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

import nbformat
import websocket

from common import KERNEL

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


# Moves the pointer over the picture; true if a number is shown then.
POINT = """(inside) => {
    const box = output.querySelector(inside + ' svg').getBoundingClientRect(), said = output.querySelector(inside + ' output');
    const rest = said.textContent, at = {clientX: box.left + 0.45 * box.width, clientY: box.top + 0.6 * box.height};
    output.querySelector(inside + ' svg').dispatchEvent(new PointerEvent('pointermove', {bubbles: true, ...at}));
    return said.textContent !== rest && /[0-9]/.test(said.textContent);
}"""
# A display of each kind: its name, a cell, and a script that uses the display and says whether it reacted.
DISPLAYS = [
    ("slider", """use rankscope::claim;

interact(slider("scale", 0..=8), |scale: i64| {
    let weights = claim::Draw::independent(64, 16, 7).weights(scale as f64, &Mask::causal(), &Device::Cpu).unwrap();
    let spectrum = rankscope::rank::Spectrum::of(weights.view()).unwrap();
    (weights, spectrum)
});""", "return output.querySelector('svg rect')"),
    ("mask", "Mask::prefix(3)", "return output.querySelectorAll('svg rect').length > 12"),
    ("heatmap", """let draw = claim::Draw::independent(12, 4, 7);
let [causal, prefix] = [Mask::causal(), Mask::prefix(6)].map(|mask| draw.weights(1.0, &mask, &Device::Cpu).unwrap());
causal.clone()""", f"return ({POINT})('rankscope-cells')"),
    ("linked", 'side_by_side([("causal", &causal), ("prefix", &prefix)])', f"""
if (!({POINT})('rankscope-cells')) return false;
const said = [...output.querySelectorAll('rankscope-cells')].map((cells) => cells.at?.join());
return said.length === 2 && said[0] && said[0] === said[1]"""),
    ("report", "RankReport::of(causal.view(), Some(&Mask::causal().exact_rank(12)))?", f"return ({POINT})('rankscope-curves')"),
    ("states", 'States::new("prefix", 0..=12, Mask::prefix)', """
const slider = output.querySelector('input[type=range]'), states = [...output.querySelectorAll('[data-label]')];
slider.value = 5;
slider.dispatchEvent(new Event('input'));
return states.findIndex((state) => !state.hidden) === 5"""),
    ("tabs", 'States::tabs("mask", [("causal", causal.clone()), ("prefix", prefix.clone())])', """
const tabs = [...output.querySelectorAll('[role=tab]')], states = [...output.querySelectorAll('[data-label]')];
tabs[1].click();
return states[0].hidden && !states[1].hidden && tabs[1].getAttribute('aria-selected') === 'true'"""),
    ("guess", 'predict("Which rank has a causal matrix of 8 tokens?", ["1", "4", "8"], &RankReport::of(causal.view(), None)?)', """
const answer = output.querySelector('details'), wasHidden = answer.hidden;
if (wasHidden) { output.querySelector('input[value="8"]').click(); output.querySelector('button').click(); }
return !answer.hidden && output.textContent.includes('Your guess: 8')"""),
    ("wall", """use rankscope::model::{self, Input, MaskChoice};
use rankscope::probe::Trace;

{
    let (glass, tokenizer) = model::open("glass-en")?;
    let tokens = tokenizer.encode("The cat sat on the mat")?;
    let mut trace = Trace::of(["attention.weights"]);
    glass.hidden(&Input::new(tokens.ids), &MaskChoice::AsTrained, &mut trace, &Run::default())?;
    rankscope::rich::HeadWall::of(&trace, tokens.pieces)?
}""", """
const cells = output.querySelector('rankscope-cells:not([hidden])'), heads = [...output.querySelectorAll('button[data-values]')];
heads.at(-1).click();
cells.move(0, 1);
const isHatched = cells.querySelector('output').textContent.includes('hatched');
cells.move(1, 0);
return isHatched && cells.querySelector('output').textContent.includes('attention weight')"""),
    ("model", 'model::open("glass-en")?.0.description().clone()', "return output.querySelector('table')"),
    ("trial", """let claim = claim::CLAIMS[0];
let mut settings = claim::Settings::new(claim, claim::Effort::Quick, Device::Cpu)?;
for (name, value) in [("n", "24"), ("sizes", "12"), ("models", "")] {
    settings.set(name, value)?;
}
claim::run(claim, &settings, &Run::new(0).quiet())?""", f"""
return output.querySelector('.rankscope-verdict') && output.querySelectorAll('.rankscope-side').length === 2
    && ({POINT})('rankscope-curves')"""),
    ("training", """use rankscope::train;

let short = train::Settings { steps: 30, evaluate_every: 10, record_every: 10, ..train::Settings::default() };
train::Trainer::new(short, &Device::Cpu)?.history(&Run::default().quiet())?""", f"return ({POINT})('rankscope-curves')"),
    ("kernel", """rankscope::device::gpu::Kernel {
    name: "double",
    params: &[],
    source: "@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) { x[id.x] = 2.0 * x[id.x]; }
",
}""", "return output.querySelectorAll('.rankscope-lines span').length === 3"),
]
# By JupyterLab's names.
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
WIDTHS = {"window": 1280, "phone": 400}


class Page:
    """A page of a Chromium that listens for its developer tools."""

    def __init__(self, port):
        def pages():
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json") as answer:
                return [page for page in json.load(answer) if page["type"] == "page"]

        address = wait_for("page", pages)[0]["webSocketDebuggerUrl"]
        self.socket = websocket.create_connection(address, suppress_origin=True, timeout=PATIENCE)
        self.numbers = itertools.count(1)
        self.errors = []
        self.call("Runtime.enable")

    def hear(self, event):
        """Keeps the exceptions of scripts, and the errors that they log."""
        said = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            details = said["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description", details["text"]))
        if event.get("method") == "Runtime.consoleAPICalled" and said["type"] == "error":
            self.errors.append(" ".join(str(each.get("value", each.get("description"))) for each in said["args"]))

    def call(self, method, **parameters):
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self.socket.recv())
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]
            self.hear(answer)

    def evaluate(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def picture(self, path, clip=None):
        data = self.call("Page.captureScreenshot", format="png", **({"clip": {**clip, "scale": 1}} if clip else {}))["data"]
        path.write_bytes(base64.b64decode(data))

    def resize(self, width, height=1500):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)


def open_and_run(page, lab, name):
    # JupyterLab's commands act on the element that has the focus; a page without a window needs an emulated focus.
    page.call("Emulation.setFocusEmulationEnabled", enabled=True)
    page.call("Page.navigate", url=f"{lab}/lab")
    wait_for("JupyterLab's page", lambda: page.evaluate("Boolean(window.jupyterapp?.shell)"))
    page.evaluate("jupyterapp.restored.then(() => true)")
    page.evaluate(f"jupyterapp.commands.execute('docmanager:open', {{path: {name!r}}}).then(widget => window.shown = widget, () => 0).then(() => 0)")
    wait_for("idle kernel", lambda: page.evaluate("window.shown?.sessionContext?.session?.kernel?.status") == "idle")
    began = time.monotonic()
    page.evaluate("jupyterapp.shell.activateById(shown.id)")
    wait_for("notebook in front", lambda: page.evaluate("jupyterapp.shell.currentWidget === shown"))
    # The notebook fills the window, and all its cells are in the page, also those that are not visible.
    page.evaluate("jupyterapp.shell.mode = 'single-document'; jupyterapp.shell.collapseLeft(); jupyterapp.shell.collapseRight();"
                  "shown.content.notebookConfig = {...shown.content.notebookConfig, windowingMode: 'none'}")
    page.evaluate("void jupyterapp.commands.execute('notebook:run-all-cells')")
    # A cell that waits or runs has a star in the place of its number.
    prompts = "[...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].map(prompt => prompt.textContent)"
    is_run = re.compile(r"\[\d+\]:").fullmatch
    wait_for("end of the cells", lambda: (texts := page.evaluate(prompts)) and all(map(is_run, texts)))
    print(f"all cells ran in {time.monotonic() - began:.1f} s")
    said = page.evaluate("[...document.querySelectorAll('[data-mime-type=\"application/vnd.jupyter.stderr\"]')].map(said => said.innerText)")
    assert not said, f"outputs on stderr: {said}"
    assert page.evaluate("document.querySelectorAll('.jp-OutputArea svg rect').length"), "no picture in the outputs"


# The outputs that hold a display, each with the number of its cell.
OUTPUTS = "[...document.querySelectorAll('.jp-CodeCell')].map((cell, i) => [i, cell.querySelector('.jp-OutputArea')]).filter(([, output]) => output?.innerText.trim())"
# Finds elements that are wider than their place and cannot be scrolled; below, finds where an output lies in the page.
LOOK = """(() => {
    const found = [];
    for (const [cell, output] of %s) {
        for (const part of output.querySelectorAll('.jp-RenderedHTMLCommon, .rankscope-controls')) {
            if (part.scrollWidth > part.clientWidth + 1) found.push(`cell ${cell}: ${part.scrollWidth} in ${part.clientWidth} pixels`);
        }
    }
    return found;
})()""" % OUTPUTS
PLACE = """(async (at) => {
    const output = %s[at][1];
    output.scrollIntoView({block: 'start'});
    await new Promise((done) => setTimeout(done, 150));
    const box = output.getBoundingClientRect();
    return {x: box.left, y: box.top, width: box.width, height: box.height};
})(%%d)""" % OUTPUTS


def look(page, names, folder):
    """Both themes, both widths: nothing is clipped; a picture of each output, where a folder is given."""
    for theme, label in THEMES.items():
        page.evaluate(f"jupyterapp.commands.execute('apputils:change-theme', {{theme: {label!r}}}).then(() => true)")
        wait_for(f"{theme} theme", lambda: page.evaluate("document.body.dataset.jpThemeLight") == json.dumps(theme == "light"))
        for width, pixels in WIDTHS.items():
            page.resize(pixels)
            time.sleep(0.5)
            wide = page.evaluate(LOOK)
            assert not wide, f"{theme}, {pixels} pixels wide: {wide}"
            for at in range(page.evaluate(f"{OUTPUTS}.length") if folder else 0):
                cell = page.evaluate(f"{OUTPUTS}[{at}][0]")
                # The window is made as high as the output, so that all of it is visible.
                page.resize(pixels, int(page.evaluate(PLACE % at)["height"]) + 400)
                page.picture(folder / f"{names.get(cell, cell)}-{theme}-{width}.png", page.evaluate(PLACE % at))


# Moves the first slider to each value of `values` without waiting, then waits until the display below it no longer
# changes; returns how long that took.
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


def try_displays(page):
    """Uses each display as a reader does."""
    for at, (name, _, script) in enumerate(DISPLAYS):
        script = f"((output) => {{ {script} }})([...document.querySelectorAll('.jp-CodeCell')][{at}].querySelector('.jp-OutputArea'))"
        assert page.evaluate(f"Boolean({script})"), f"the display {name} does not react"


def notebook_of_displays(path):
    cells = [nbformat.v4.new_code_cell(code) for _, code, _ in DISPLAYS]
    spec = {"kernelspec": {"name": KERNEL, "display_name": "Rust (rankscope)", "language": "rust"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=spec), path)


def browser():
    found = filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"]))
    return next(found, None) or sys.exit("there is no chromium, chromium-browser or google-chrome")


def main(notebook, pictures):
    lab_port, tools_port = free_port(), free_port()
    if pictures:
        pictures.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path = Path(folder, notebook.name if notebook else "displays.ipynb")
        shutil.copy(notebook, path) if notebook else notebook_of_displays(path)
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={lab_port}", "--port-retries=0",
                 "--IdentityProvider.token=", "--expose-app-in-browser", f"--ServerApp.root_dir={folder}"],
                stderr=subprocess.DEVNULL),
            subprocess.Popen(
                [browser(), "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}/.browser",
                 f"--remote-debugging-port={tools_port}", "--window-size=1280,1500", "about:blank"],
                stderr=subprocess.DEVNULL),
        ]
        try:
            address = f"http://127.0.0.1:{lab_port}"
            wait_for("JupyterLab", lambda: urllib.request.urlopen(f"{address}/api").status == 200)
            page = Page(tools_port)
            page.resize(1280)
            open_and_run(page, address, path.name)
            if page.evaluate("Boolean(document.querySelector('.rankscope-controls input[type=range]'))"):
                slide(page)
            if not notebook:
                try_displays(page)
            look(page, {} if notebook else dict(enumerate(name for name, _, _ in DISPLAYS)), pictures)
            assert not page.errors, f"scripts failed: {page.errors}"
            page.evaluate("void shown.sessionContext.shutdown()")
        finally:
            for process in reversed(processes):
                process.terminate()
                process.wait(30)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("notebook", type=Path, nargs="?")
    main(**vars(parser.parse_args()))
