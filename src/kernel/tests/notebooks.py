"""Executes the notebooks named as arguments; fails where a cell does, or where it has nothing to show."""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from conformance import KERNEL, PATIENCE

for path in sys.argv[1:]:
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, kernel_name=KERNEL, timeout=PATIENCE, startup_timeout=PATIENCE,
        resources={"metadata": {"path": str(Path(path).parent)}},
    )
    client.execute()
    shown = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert any("text/html" in output.get("data", {}) for output in shown), f"{path} shows no picture"
    print(f"{path}: {len(shown)} outputs")
