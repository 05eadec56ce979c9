"""Where a job's resources are, for answers and webhooks."""

from __future__ import annotations


def job_links(job_id: str, base_url: str = "") -> dict[str, str]:
    """Links of a job; relative unless `base_url` (no trailing slash) is given."""
    self = f"{base_url}/v1/jobs/{job_id}"
    return {
        "self": self,
        "results": f"{self}/results",
        "events": f"{self}/events",
        "cancel": f"{self}/cancel",
        "retry": f"{self}/retry",
        "deliveries": f"{self}/deliveries",
    }


def library_links(library_id: str, base_url: str = "") -> dict[str, str]:
    """As `job_links`, of a library."""
    self = f"{base_url}/v1/libraries/{library_id}"
    return {"self": self, **{name: f"{self}/{name}" for name in ("runs", "photos", "labels", "search", "deliveries")}}


def run_links(library_id: str, run_id: str, base_url: str = "") -> dict[str, str]:
    """As `job_links`, of a library's run."""
    self = f"{base_url}/v1/libraries/{library_id}/runs/{run_id}"
    library = f"{base_url}/v1/libraries/{library_id}"
    return {
        "self": self,
        "library": library,
        **{name: f"{self}/{name}" for name in ("changes", "cancel", "undo", "receipt")},
    }
