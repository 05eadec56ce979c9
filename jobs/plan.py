"""A checked job without its inputs: all that is known of it before the first input is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from core.ids import new_id
from core.states import Priority
from core.tasks import TASKS, Medium
from db.tables import Job

INTERACTIVE_UP_TO = 16  # inputs; more is bulk unless the job says otherwise


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPlan:
    """What is to be done, for whom, with which models.

    Attributes:
        tenant_id: whose job it is.
        tasks: of one medium, at least one.
        options: by task, with defaults filled in.
        models: by task, NAME@VERSION.
        priority: None: by the number of inputs.
        base_url: where its client reaches the API, for the links in webhooks.
        reuse: outputs that the ledger has will do, and new ones go there.
        library_run: the number of the library's run that it is part of; then nobody sees it among the jobs.
    """

    tenant_id: str
    tasks: tuple[str, ...]
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)
    priority: Priority | None = None
    name: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    webhook_url: str | None = None
    webhook_secret: str | None = None
    base_url: str = ""
    reuse: bool = False
    library_run: int | None = None
    id: str = field(default_factory=new_id)

    @property
    def medium(self) -> Medium:
        """What its inputs are."""
        return TASKS[self.tasks[0]].medium

    @property
    def queue(self) -> str:
        """The queue that its chunks wait in."""
        return TASKS[self.tasks[0]].queue

    def priority_for(self, inputs: int) -> Priority:
        """The priority asked for, or the usual one for so many inputs."""
        if self.priority is not None:
            return self.priority
        return Priority.INTERACTIVE if inputs <= INTERACTIVE_UP_TO else Priority.BULK

    def row(self, inputs: int) -> Job:
        """The job's row as asked for; `db.jobs.create_job` adds state, counters and times."""
        return Job(
            id=self.id,
            tenant_id=self.tenant_id,
            tasks=list(self.tasks),
            options=self.options,
            models=self.models,
            queue=self.queue,
            priority=int(self.priority_for(inputs)),
            name=self.name,
            meta=self.metadata,
            webhook_url=self.webhook_url,
            webhook_secret=self.webhook_secret,
            base_url=self.base_url,
            reuse=self.reuse,
            library_run=self.library_run,
        )
