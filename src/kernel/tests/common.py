"""Shared by the tests of the kernel and the script that runs notebooks; it needs nothing but Python."""

import os

KERNEL = "rankscope"
# The first cell waits for the engine, on machines that do other things as well.
PATIENCE = float(os.environ.get("RANKSCOPE_KERNEL_PATIENCE", "180"))
