"""Executes the notebooks named as arguments, each in a kernel of its own; fails where a cell does that has no tag
`raises-exception`, where one writes to stderr, or where a notebook has no picture. `--write` keeps the outputs.
"""

import re
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from common import KERNEL, PATIENCE

# Outputs that differ from run to run: names of widgets, whose views a saved notebook cannot show, and empty bars.
VIEW = "application/vnd.jupyter.widget-view+json"
NAME = re.compile(r"rankscope-\d+-(\d+)")


def clean(notebook):
    """Leaves out what differs from run to run."""
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            data.pop(VIEW, None)
            for kind, text in data.items():
                if isinstance(text, str):
                    data[kind] = NAME.sub(r"rankscope-\1", text)
        if "outputs" in cell:
            cell.outputs = [output for output in cell.outputs if output.get("data", {}).get("text/html") != ""]
    notebook.metadata.pop("widgets", None)


def execute(path, keeps):
    began = time.monotonic()
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, kernel_name=KERNEL, timeout=PATIENCE, startup_timeout=PATIENCE, store_widget_state=False,
        resources={"metadata": {"path": str(Path(path).parent)}},
    )
    client.execute()
    shown = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    said = "".join(output["text"] for output in shown if output.get("name") == "stderr")
    assert not said, f"{path} writes to stderr: {said}"
    assert any("text/html" in output.get("data", {}) for output in shown), f"{path} shows no picture"
    if keeps:
        clean(notebook)
        nbformat.write(notebook, path)
    print(f"{path}: {len(shown)} outputs, {time.monotonic() - began:.0f} s", flush=True)


keeps = "--write" in sys.argv
for path in sys.argv[1:]:
    if path != "--write":
        execute(path, keeps)
