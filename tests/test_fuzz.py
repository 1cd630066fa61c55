"""Bytes that anybody may send, or that a disk may hold: a short part of `make fuzz`, and every entry of the corpora."""

from __future__ import annotations

from pathlib import Path

import pytest

import fuzz

EXAMPLES = 15


@pytest.mark.parametrize("name", sorted(fuzz.TARGETS))
def test_whatever_comes_is_refused_in_words(name: str, tmp_path: Path) -> None:
    """Each target takes every entry of its corpus, and changed ones: no other error, and no end."""
    with fuzz.TARGETS[name](tmp_path) as target:
        for entry in fuzz.corpus(name):
            target(entry)
        fuzz.fuzz(name, target, EXAMPLES)
