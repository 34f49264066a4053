"""What the tests of the kernel share with what runs notebooks: nothing here needs more than Python."""

import os

KERNEL = "rankscope"
# The first cell waits for the engine, on machines that do other things as well.
PATIENCE = float(os.environ.get("RANKSCOPE_KERNEL_PATIENCE", "180"))
