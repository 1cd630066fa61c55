"""How a value goes from one to another: gently at both ends. Works in plain Python and inside numba's kernels.

numba compiles a kernel again when the kernel's own file changes, not when this one does: after a change here, empty
its cache (the `__pycache__` folders). tests/test_easing.py fails until then.
"""

from __future__ import annotations

from numba.extending import register_jitable


@register_jitable
def smoothstep(t: float) -> float:
    """From 0 to 1 as `t` goes from 0 to 1, flat at both ends; 0 before, 1 after. Source: Hermite's cubic."""
    t = min(1.0, max(0.0, t))
    return t * t * (3.0 - 2.0 * t)
