"""Times of a kernel, as JSON: to its kernel_info, to its first cell, of later cells, with its memory.

Arguments: the kernel's name, and how many cells of each kind. Seconds are those of a clock; with `_cpu` those of a
processor, in the kernel and in all that it started, for machines that do other things as well.
"""

import json
import os
import statistics
import sys
import time
from pathlib import Path

from jupyter_client.manager import start_new_kernel

from conformance import PATIENCE, children, run

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


def processor_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def resident_mib(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024


def timed(client, code):
    began = time.monotonic()
    reply = run(client, code)[0]
    assert reply["status"] == "ok", (code, reply)
    return time.monotonic() - began


def main(kernel, count):
    began = time.monotonic()
    manager, client = start_new_kernel(kernel_name=kernel, startup_timeout=PATIENCE)
    measured = {"kernel_info": time.monotonic() - began}
    pid = manager.provisioner.pid
    timed(client, "1 + 1")
    measured["first_cell"] = time.monotonic() - began
    measured["first_cell_cpu"] = processor_seconds(pid)
    has_library = run(client, GPU)[0]["status"] == "ok"
    for kind, code in KINDS.items():
        if kind == "gpu" and not has_library:
            continue
        if kind == "gpu":
            timed(client, code.format(1))  # compiles the shader
        before = processor_seconds(pid)
        times = [timed(client, code.format(number, number)) for number in range(2, count + 2)]
        measured[kind] = statistics.median(times)
        measured[f"{kind}_cpu"] = (processor_seconds(pid) - before) / count
    measured["resident_mib"] = sum(map(resident_mib, [pid, *children(pid)]))
    measured["load"] = os.getloadavg()[0]
    client.stop_channels()
    manager.shutdown_kernel()
    print(json.dumps(measured))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
