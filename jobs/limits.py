"""How many inputs a job may have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from core.errors import RequestError
from core.inputs import InputItem, InputRows
from core.settings import Settings
from core.states import Priority
from jobs.plan import JobPlan


def within_limits(
    items: Iterable[InputItem | InputRows], plan: JobPlan, settings: Settings
) -> Iterator[InputItem | InputRows]:
    """The items, as long as there are not too many.

    Interactive work overtakes all bulk work of everybody, so it has a limit of its own.

    Raises:
        RequestError: `too_many_inputs`, or `interactive_too_large`.
    """
    urgent = plan.priority == Priority.INTERACTIVE and settings.interactive_max_inputs < settings.max_inputs
    most = settings.interactive_max_inputs if urgent else settings.max_inputs
    for item in items:
        last = item.first_seq + len(item) - 1 if isinstance(item, InputRows) else item.seq
        if last >= most:
            raise _interactive_too_large(most) if urgent else _too_many(most)
        yield item


def _too_many(most: int) -> RequestError:
    return RequestError("too_many_inputs", f"A job has at most {most:,} inputs; submit several jobs.")


def _interactive_too_large(most: int) -> RequestError:
    message = f"An interactive job has at most {most:,} inputs; leave priority out, or submit it as bulk."
    return RequestError("interactive_too_large", message, where="/priority")
