"""`livewarp bench`: how fast the filter goes on this machine, what that costs, and what it means.

As fast as it goes (`throughput`), or paced through the engine of `livewarp run` beside a pass-through
(`live`); a child process for the time to the first frame (`startup`). Figures come as a `Run`, which
the other modules print, explain, compare and draw.

Guarantees: the work is verified before it is reported: frames with a face must have changed, and pixels
far from every face must not.
"""

from __future__ import annotations

from livewarp.bench.record import Run
from livewarp.bench.throughput import bench_throughput

__all__ = ["Run", "bench_throughput"]
