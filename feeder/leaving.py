"""Ends the process, also while a thread still computes in C: the interpreter, when it ends, takes away what that works with."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NoReturn

_NAME: Final = "beside"


def begin_beside(work: Callable[[], None]) -> None:
    """Begin *work* in a thread that nobody waits for at the end."""
    threading.Thread(target=work, name=_NAME, daemon=True).start()


def leave(code: int) -> NoReturn:
    """End with an exit code; what a thread was begun for is dropped. All else is to be closed by now."""
    if not any(thread.name == _NAME for thread in threading.enumerate()):
        sys.exit(code)
    for stream in filter(None, (sys.stdout, sys.stderr)):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
