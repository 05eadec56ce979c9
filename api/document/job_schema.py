"""The JSON Schema of a submission: what validation accepts, for the tasks and models that are there."""

from __future__ import annotations

from typing import Any

from api.submission.inputs import KINDS, LIMITS, MAX_ID
from core.artefacts.catalogue import Catalogue
from core.errors import ArtefactError
from core.tasks import TASKS, Medium, TaskSpec
from jobs.fields import MAX_NAME, MAX_WEBHOOK_URL, NO_NUL

# A subset of what is accepted, tight enough that whatever matches it is accepted.
_LABEL = "[a-zA-Z0-9]([a-zA-Z0-9-]{0,30}[a-zA-Z0-9])?"
HTTP_URL = rf"^https?://({_LABEL}\.){{0,4}}[a-zA-Z]{{1,20}}(:[1-9][0-9]{{0,3}})?(/[!-\[\]-~]*)?$"

S3_PREFIX = "^s3://[a-z0-9][a-z0-9-]{1,61}[a-z0-9](/[!-~]{0,1000})?$"  # likewise
SECRET = "^whsec_([A-Za-z0-9+/]{4}){8,20}$"  # likewise


def job_schemas(catalogue: Catalogue) -> dict[str, dict[str, Any]]:
    """The schema of a JSON submission, and of its fields one by one, as the query of a streamed one has them.

    One object schema for each medium, since a job asks for image tasks or for text tasks.
    """
    media: list[Medium] = [m for m in KINDS if any(spec.medium == m for spec in TASKS.values())]
    schemas = [_for_medium(medium, catalogue) for medium in media]
    fields = {name: _any_of([schema["properties"][name] for schema in schemas]) for name in schemas[0]["properties"]}
    return {"JobRequest": _any_of(schemas), "JobFields": {"type": "object", "properties": fields}}


def medium_fields(medium: Medium, catalogue: Catalogue) -> dict[str, Any]:
    """The schema of each field of a job on one medium."""
    fields: dict[str, Any] = _for_medium(medium, catalogue)["properties"]
    return fields


def _any_of(schemas: list[dict[str, Any]]) -> dict[str, Any]:
    different = [schema for at, schema in enumerate(schemas) if schema not in schemas[:at]]
    return different[0] if len(different) == 1 else {"anyOf": different}


def _for_medium(medium: Medium, catalogue: Catalogue) -> dict[str, Any]:
    specs = _offered(medium, catalogue)
    return {
        "title": "JobRequest",
        "type": "object",
        "additionalProperties": False,
        "required": ["tasks", "inputs"],
        "properties": {
            "tasks": {
                "type": "array",
                "items": {"type": "string", "enum": [spec.name for spec in specs]},
                "minItems": 1,
                "uniqueItems": True,
            },
            "inputs": {"type": "array", "items": _input(medium), "minItems": 1},
            "options": _closed({spec.name: spec.options.model_json_schema() for spec in specs}),
            "models": _closed({spec.name: _models(spec, catalogue) for spec in specs}),
            "webhook": {"anyOf": [_webhook(), {"type": "null"}]},
            "priority": {"enum": ["interactive", "bulk", None], "description": "Default: by the number of inputs."},
            "name": {"type": ["string", "null"], "maxLength": MAX_NAME, "pattern": NO_NUL},
            "reuse": {"type": "boolean", "description": "Photos whose bytes are known are not run again."},
            "metadata": {"type": "object", "description": "Yours, given back; up to 16 KB of JSON, without NUL."},
        },
    }  # fmt: skip


def _offered(medium: Medium, catalogue: Catalogue) -> list[TaskSpec]:
    """The tasks that a model is installed for; all of them where there is none, to say what there could be."""
    specs = [spec for spec in TASKS.values() if spec.medium == medium]
    return [spec for spec in specs if _has_default(spec, catalogue)] or specs


def _has_default(spec: TaskSpec, catalogue: Catalogue) -> bool:
    try:
        return catalogue.resolve(spec.name).manifest is not None
    except ArtefactError:
        return False


def _input(medium: Medium) -> dict[str, Any]:
    kinds = KINDS[medium]
    longest = LIMITS[kinds[0]]
    alone = {"type": "string", "minLength": _shortest(kinds[0]), "maxLength": longest, "pattern": NO_NUL}
    alone["description"] = "The text itself." if medium == "text" else "A URL or an s3:// URI."
    return {"anyOf": [alone, *(_input_object(kind) for kind in kinds)]}


def _input_object(kind: str) -> dict[str, Any]:
    ref = {"type": "string", "minLength": _shortest(kind), "maxLength": LIMITS[kind], "pattern": NO_NUL}
    if kind == "upload":
        ref["description"] = "The id that POST /v1/uploads gave."
    if kind == "s3_prefix":
        ref["description"] = "s3://bucket/path/: every photo below it, listed while the first ones run."
        ref["pattern"] = S3_PREFIX
    if kind == "file":
        ref["description"] = "Absolute path of a file on the workers, below a folder that the operator names."
    own = {"type": "string", "minLength": 1, "maxLength": MAX_ID, "pattern": NO_NUL, "description": "Your own id."}
    return {**_closed({"id": own, kind: ref}), "required": [kind]}


def _shortest(kind: str) -> int:
    return 0 if kind == "text" else 1


def _models(spec: TaskSpec, catalogue: Catalogue) -> dict[str, Any]:
    manifests = [e.manifest for e in catalogue.entries() if e.manifest and e.manifest.task == spec.name]
    names = dict.fromkeys([name for m in manifests for name in (m.name, m.id)])
    return {"type": "string", "enum": list(names)} if names else {"type": "string", "minLength": 1}


def _webhook() -> dict[str, Any]:
    secret = {
        "type": ["string", "null"],
        "pattern": SECRET,
        "description": "Without it the account's own secret signs.",
    }
    url = {"type": "string", "maxLength": MAX_WEBHOOK_URL, "pattern": HTTP_URL, "description": "http or https."}
    return {**_closed({"url": url, "secret": secret}), "required": ["url"]}


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties}
