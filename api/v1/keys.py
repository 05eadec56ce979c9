"""The keys of the caller's tenant. A key itself is shown once, when it is made."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response

from api.document.operations import Answer, Operation, describe
from api.document.schemas import KeyList, KeyView, NewKeyView
from api.http.answers import answer
from api.http.auth import caller
from api.http.scopes import needs
from api.services import base_url, services
from api.submission.json_body import JSON, read_json
from api.submission.key_requests import KeyName, NewKey
from api.v1.views import iso
from core.scopes import Scope
from db import tenant_keys
from db.key_admin import KeyInfo

blueprint = Blueprint("keys", __name__)
TAG = "keys"
_FIELDS = ("json_invalid", "field_invalid", "body_too_large", "unsupported_media_type", "request_timeout",
           "length_required")  # fmt: skip


def key_view(key: KeyInfo) -> dict[str, Any]:
    """A key as its tenant sees it."""
    times = {"created_at": key.created_at, "revoked_at": key.revoked_at}
    shown = {name: None if at is None else iso(round(at.timestamp() * 1000)) for name, at in times.items()}
    return {"id": key.id, "name": key.name, "scope": key.scope.value, **shown}


@blueprint.get("/v1/keys")
@needs(Scope.ADMIN)
@describe(
    Operation(
        "List your keys",
        TAG,
        {200: Answer("Newest first: all that are good, and the last hundred that were revoked.", KeyList)},
    )
)
def index() -> Response:
    with services().database.read() as session:
        found = tenant_keys.tenant_keys(session, caller().tenant_id)
    return answer({"data": [key_view(key) for key in found]})


@blueprint.post("/v1/keys")
@needs(Scope.ADMIN)
@describe(
    Operation(
        "Make a key",
        TAG,
        {201: Answer("Made. `key` is shown this once; only its hash is kept.", NewKeyView, headers=("Location",))},
        description="An Idempotency-Key means nothing here: the answer, which would have to be kept, holds the key.",
        body={JSON: NewKey.model_json_schema()},
        problems=_FIELDS,
    )
)
def create() -> Response:
    fields, _ = read_json(NewKey)
    fields.check()
    with services().database.write() as session:
        info, key = tenant_keys.make_key(session, caller().tenant_id, fields.name, fields.held)
    return answer({**key_view(info), "key": key}, 201, Location=f"{base_url()}/v1/keys/{info.id}")


@blueprint.get("/v1/keys/<key_id>")
@needs(Scope.ADMIN)
@describe(
    Operation("Read about a key", TAG, {200: Answer("The key.", KeyView)}, problems=("key_not_found", "key_revoked"))
)
def read(key_id: str) -> Response:
    with services().database.read() as session:
        return answer(key_view(tenant_keys.find_key(session, caller().tenant_id, key_id)))


@blueprint.patch("/v1/keys/<key_id>")
@needs(Scope.ADMIN)
@describe(
    Operation(
        "Rename a key",
        TAG,
        {200: Answer("As it stands now.", KeyView)},
        body={JSON: KeyName.model_json_schema()},
        problems=("key_not_found", "key_revoked", "key_in_environment", *_FIELDS),
    )
)
def rename(key_id: str) -> Response:
    fields, _ = read_json(KeyName)
    fields.check()
    with services().database.write() as session:
        return answer(key_view(tenant_keys.rename_key(session, caller().tenant_id, key_id, fields.name)))


@blueprint.delete("/v1/keys/<key_id>")
@needs(Scope.ADMIN)
@describe(
    Operation(
        "Revoke a key",
        TAG,
        {204: Answer("It is good for nothing from now on, and stays listed; sessions that began with it are over.")},
        problems=("key_not_found", "key_in_environment"),
    )
)
def revoke(key_id: str) -> Response:
    with services().database.write() as session:
        tenant_keys.revoke_tenant_key(session, caller().tenant_id, key_id)
    return Response(status=204)
