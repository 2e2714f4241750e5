"""Loops that numba compiles, kept from one process to the next where the account may write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(**options: Any) -> Callable[[Function], Function]:
    """Compile a function with numba (options: those of `numba.njit`).

    The machine code is kept in the package's folder or the account's cache folder; an account that can write neither,
    as in a container with `--user`, compiles again in every process.
    """

    def compile(function: Function) -> Function:
        made: Function
        try:
            made = njit(cache=True, **options)(function)
        except RuntimeError:  # numba finds no folder: "cannot cache function … no locator available"
            made = njit(**options)(function)
        return made

    return compile
