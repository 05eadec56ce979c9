"""How many files and sockets this process may have open, and what follows for those who hold one while they wait."""

from __future__ import annotations

import logging
import resource

# For threads that answer (a socket, a connection to the database, a temporary file), models, logs, the broker.
RESERVED = 512
MOST = 65_536  # more would only hide a leak
log = logging.getLogger(__name__)


def raise_file_limit() -> None:
    """Raise the soft limit to the hard one: the soft one is often 1,024, for programs that call select(2)."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError) as error:
        log.warning("cannot raise the limit of open files: %s", error)


def sockets_to_spare(*, soft: bool = True) -> int:
    """Sockets that may be open beside everything else; by the soft limit, or by what it can be raised to."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0 if soft else 1]
    if limit == resource.RLIM_INFINITY:
        return MOST
    return min(MOST, max(limit - RESERVED, limit // 4, 1))
