"""Warps a source that begins and ends at pages which may not be read; a stray read ends the process.

Run by test_kernels.py in a process of its own.
"""

from __future__ import annotations

import ctypes
import mmap
import sys

import numpy as np

from livewarp.warping import grids, kernels

PAGE = mmap.PAGESIZE
READ_WRITE, NOTHING = mmap.PROT_READ | mmap.PROT_WRITE, 0


def main() -> None:
    """Every corner is read from, by displacements far beyond it."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    memory = mmap.mmap(-1, 4 * PAGE)
    everything = np.frombuffer(memory, np.uint8)
    start = everything.ctypes.data
    for guard in (start, start + 3 * PAGE):
        if libc.mprotect(guard, PAGE, NOTHING) != 0:
            raise OSError(ctypes.get_errno(), "mprotect")
    for height, width in ((2, 2), (2, 40), (40, 2), (13, 17), (24, 33)):
        n = height * width * 3
        for first in (PAGE, 3 * PAGE - n):  # right behind the first guard, right before the second
            source = everything[first : first + n].reshape(height, width, 3)
            source[...] = np.random.default_rng(0).integers(0, 256, source.shape, dtype=np.uint8)
            out = source.copy()
            roi = (0, 0, width, height)
            for dx in (-1e4, -0.5, 0.5, 1e4):
                for dy in (-1e4, -0.5, 0.5, 1e4):
                    grid = np.empty((*grids.grid_shape(roi, 8), 2), np.float32)
                    grid[...] = dx, dy
                    kernels.sample(source, out, grid.reshape(-1), np.array([roi]), np.array([8.0]), (0, 0))
    for guard in (start, start + 3 * PAGE):
        libc.mprotect(guard, PAGE, READ_WRITE)
    sys.stdout.write(f"{PAGE} ok\n")


if __name__ == "__main__":
    main()
