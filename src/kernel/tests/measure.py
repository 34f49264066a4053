"""Times of a kernel, as JSON: to its kernel_info, to its first cell, of later cells, with its memory.

Arguments: the kernel's name, and how many cells of each kind. Seconds are those of a clock; with `_cpu` those of a
processor, in the kernel and in all that it started, for machines that do other things as well. `steps` says for a
`let` and for an expression how many milliseconds each step takes, at the median. `slider` is the time from a move to its
figures, heatmap and spectrum at n = 64, at the median and the worst, and from the last of a hundred moves to its own.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from jupyter_client.kernelspec import get_kernel_spec
from jupyter_client.manager import KernelManager

from conformance import KERNEL, PATIENCE, children, run

GPU = (
    "use rankscope::device::DeviceRequest; use rankscope::ops::matmul;"
    "let gpu = Device::choose(DeviceRequest::Gpu)?.device;"
    "let a = Tensor::new([(Axis::Query, 256), (Axis::Key, 256)], vec![0.5; 65536])?.to_device(&gpu)?;"
    "let b = Tensor::new([(Axis::Key, 256), (Axis::Width, 256)], vec![0.5; 65536])?.to_device(&gpu)?;"
)
KINDS = {
    "let": "let x{} = {};",
    "expression": "{} + 1",
    "fn": "fn f{}(x: u32) -> u32 {{ x + {} }}",
    "println": 'println!("{}");',
    "gpu": "matmul(&a, &b, Axis::Key, {}.0)?",
}
SLIDER = """use rankscope::{claim::Draw, rank::Spectrum};

interact(slider("scale", 0..=99), |scale: i64| -> Result<(rankscope::ndarray::Array2<f64>, Spectrum)> {
    let weights = Draw::independent(64, 16, 7).weights(0.04 * scale as f64, &Mask::causal(), &Device::Cpu)?;
    let spectrum = Spectrum::of(weights.view())?;
    Ok((weights, spectrum))
});"""


def processor_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def memory_mib(pid):
    """The memory of the kernel and its cells; shared pages count in part (Linux's PSS)."""
    lines = [line for process in [pid, *children(pid)] for line in Path(f"/proc/{process}/smaps_rollup").open()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def steps(times, count):
    """The milliseconds from each point in time to the next, at the median of the last cells."""
    points = [line.split() for line in times.read_text().splitlines()]
    found = {}
    for (begin, name), (end, _) in zip(points, points[1:]):
        found.setdefault(name, []).append((int(end) - int(begin)) / 1000)
    return {name: round(statistics.median(values[-count:]), 1) for name, values in found.items() if name != "end"}


def timed(client, code):
    began = time.monotonic()
    reply = run(client, code)[0]
    assert reply["status"] == "ok", (code, reply)
    return time.monotonic() - began


def move(client, widget, value):
    """Moves the slider; the name of the message, and when it was sent."""
    state = {"values": [value], "asked": value + 1}
    data = {"method": "update", "state": state, "buffer_paths": []}
    message = client.session.msg("comm_msg", {"comm_id": widget, "data": data})
    client.shell_channel.send(message)
    return message["header"]["msg_id"], time.monotonic()


def figures(client, requests):
    """When each figure came that answers one of these messages, and its text."""
    found, waiting = [], set(requests)
    while waiting:
        message = client.get_iopub_msg(timeout=PATIENCE)
        if message["msg_type"] == "update_display_data":
            found.append((time.monotonic(), message["content"]["data"]["text/plain"]))
        if message["content"].get("execution_state") == "idle":
            waiting.discard(message["parent_header"].get("msg_id"))
    return found


def slider(client, count):
    (widget,) = [content["comm_id"] for kind, content in run(client, SLIDER)[1] if kind == "comm_open"]
    times = []
    for value in range(1, count + 1):
        request, sent = move(client, widget, value)
        ((shown, text),) = figures(client, [request])
        times.append(shown - sent)
    sent = [move(client, widget, value) for value in range(100)]
    *earlier, (shown, last) = figures(client, [request for request, _ in sent])
    request, _ = move(client, widget, 99)
    assert last == figures(client, [request])[-1][1], "of a hundred moves the last one is shown"
    return {
        "slider": statistics.median(times), "slider_worst": max(times), "slider_hundred": shown - sent[-1][1],
        "slider_figures": 1 + len(earlier),
    }


def first_cell(kernel):
    """A kernel, and the seconds from its start to its kernel_info and to its first cell's answer."""
    began = time.monotonic()
    manager = KernelManager(kernel_name=kernel)
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    client.kernel_info()
    client.get_shell_msg(timeout=PATIENCE)
    info = time.monotonic() - began
    # Listens 0.2 s for further messages, as notebooks do before their first cell.
    client.wait_for_ready(timeout=PATIENCE)
    timed(client, "1 + 1")
    return manager, client, info, time.monotonic() - began


def spare(change):
    spec = get_kernel_spec(KERNEL)
    environment = {**os.environ, **spec.env}
    subprocess.run([spec.argv[0], "spare", change], check=True, stdout=subprocess.DEVNULL, env=environment)


def first_cells_with_a_spare(kernel, folder, count):
    """Seconds to the first cell's answer of kernels that find a spare ready."""

    def is_ready():
        states = [json.loads(file.read_text()) for file in Path(folder).glob("running/*/state.json")]
        return any(state["spare"] and state["state"] == "ready" for state in states)

    times = []
    for _ in range(count):
        spare("on")
        deadline = time.monotonic() + PATIENCE
        while not is_ready():
            assert time.monotonic() < deadline, "no spare is ready"
            time.sleep(0.2)
        manager, client, _, seconds = first_cell(kernel)
        times.append(seconds)
        client.stop_channels()
        manager.shutdown_kernel()
    spare("off")
    return times


def main(kernel, count, folder):
    # A folder of its own, so that a spare of the person who measures is not used.
    os.environ["RANKSCOPE_KERNEL_RUNNING"] = f"{folder}/running"
    os.environ["RANKSCOPE_KERNEL_PREFERENCES"] = f"{folder}/preferences"
    times_file = Path(folder, "times")
    times_file.touch()
    os.environ["RANKSCOPE_KERNEL_TIMES"] = str(times_file)
    if kernel == KERNEL:
        spare("off")
    manager, client, info, cell = first_cell(kernel)
    measured = {"kernel_info": info, "first_cell": cell}
    pid = manager.provisioner.pid
    measured["first_cell_cpu"] = processor_seconds(pid)
    for kind, code in KINDS.items():
        if kind == "gpu":
            time.sleep(2)  # a kernel gives memory back when it has nothing to do
            measured["memory_mib"] = memory_mib(pid)
            if run(client, GPU)[0]["status"] != "ok":
                continue  # there is no library
            timed(client, code.format(1))  # compiles the shader
        before = processor_seconds(pid)
        times = [timed(client, code.format(number, number)) for number in range(2, count + 2)]
        measured[kind] = statistics.median(times)
        measured[f"{kind}_cpu"] = (processor_seconds(pid) - before) / count
        if kernel == KERNEL and kind in ("let", "expression"):
            measured.setdefault("steps", {})[kind] = steps(times_file, count)
    if "gpu" in measured:
        measured["memory_gpu_mib"] = memory_mib(pid)
        measured |= slider(client, count)
    client.stop_channels()
    manager.shutdown_kernel()
    if kernel == KERNEL:
        measured["first_cell_spare"] = statistics.median(first_cells_with_a_spare(kernel, folder, 3))
    measured["load"] = os.getloadavg()[0]
    print(json.dumps(measured))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        main(sys.argv[1], int(sys.argv[2]), place)
