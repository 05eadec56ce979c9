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
