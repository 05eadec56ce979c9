"""A reader that closes the pipe early (`tagline results ... | head`) is no error."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

from cli.terminal import Failure


@contextlib.contextmanager
def quiet_broken_pipe() -> Iterator[None]:
    """End the program quietly when nobody reads its output any more.

    Raises:
        Failure: it cannot be written for another reason, such as a full disk.
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still buffered would fail again when the interpreter closes it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        raise Failure(f"cannot write the results: {error.strerror}") from None
