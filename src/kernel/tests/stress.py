"""Many cells with interrupts, panics and errors; memory and the number of processes stay flat.

Arguments: the number of cells. Prints times and memory as JSON on its last line.
"""

import json
import os
import statistics
import sys
import time

from jupyter_client.manager import start_new_kernel

from conformance import KERNEL, PATIENCE, children, reply_to, run
from measure import memory_mib


def first_answers():
    """Seconds from the start of a kernel to its kernel_info, and to its first cell."""
    began = time.monotonic()
    manager, client = start_new_kernel(kernel_name=KERNEL, startup_timeout=PATIENCE)
    info = time.monotonic() - began
    run(client, "1 + 1")
    cell = time.monotonic() - began
    return manager, client, info, cell


def interrupted(manager, client):
    request = client.execute('println!("on"); let run = Run::new(0); loop { run.check()?; }')
    while client.get_iopub_msg(timeout=PATIENCE)["msg_type"] != "stream":
        pass
    manager.interrupt_kernel()
    return reply_to(client, request)


def main(cells):
    manager, client, info, cell = first_answers()
    pid = manager.provisioner.pid
    run(client, "let mut total = 0u64;")
    times, memory, processes = [], [], []
    for number in range(cells):
        began = time.monotonic()
        kind = number % 8
        if kind == 3:
            reply, expected = run(client, 'panic!("on purpose")')[0], "Panic"
        elif kind == 5:
            reply, expected = run(client, "let wrong: u8 = ();")[0], "CompileError"
        elif kind == 7:
            reply, expected = interrupted(manager, client), "Interrupted"
        else:
            reply, expected = run(client, f"total += {number}; total")[0], None
            times.append(time.monotonic() - began)
        assert reply.get("ename") == expected, (number, reply)
        memory.append(memory_mib(pid))
        processes.append(len(children(pid)))
    reply, published = run(client, "total")
    wanted = sum(number for number in range(cells) if number % 8 not in (3, 5, 7))
    assert published[-1][1]["data"]["text/plain"] == str(wanted), (published, wanted)
    assert set(processes) == {1}, processes
    half = memory[len(memory) // 2]
    assert memory[-1] < half * 1.1 + 20, ("memory grows", half, memory[-1])
    client.stop_channels()
    manager.shutdown_kernel()
    print(json.dumps({
        "kernel_info_seconds": round(info, 2),
        "first_cell_seconds": round(cell, 2),
        "later_cell_seconds_median": round(statistics.median(times), 3),
        "memory_mib_first": round(memory[0]),
        "memory_mib": round(memory[-1]),
        "processes_first": 1 + processes[0],
        "processes": 1 + processes[-1],
        "cells": cells,
        "load": os.getloadavg()[0],
    }))


if __name__ == "__main__":
    main(int(sys.argv[1]))
