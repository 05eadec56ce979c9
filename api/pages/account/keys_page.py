"""Keys: listed, made, named and revoked by a tenant's admins."""

from __future__ import annotations

from flask import Response, request

from api.http.auth import caller
from api.http.scopes import needs
from api.pages.frame.page import PageBlueprint, page, see_other
from api.services import base_url, services
from api.submission.key_requests import KeyName, NewKey
from api.v1.keys import key_view
from core.scopes import Scope
from db import tenant_keys
from db.key_admin import ID_CHARS
from db.keys import ENVIRONMENT
from jobs.fields import read_fields

blueprint = PageBlueprint("keys_page")
SCOPES = {
    Scope.READ: "Look at jobs, results, libraries and models.",
    Scope.SUBMIT: "Also submit, cancel, retry and remove jobs, and make, change, run and correct libraries.",
    Scope.ADMIN: "Also make and revoke keys, and read the secret that signs webhooks.",
}


@blueprint.get("/keys")
@needs(Scope.ADMIN)
def show() -> Response:
    with services().database.read() as session:
        keys = [key_view(key) for key in tenant_keys.tenant_keys(session, caller().tenant_id)]
    live, revoked = ([key for key in keys if bool(key["revoked_at"]) == gone] for gone in (False, True))
    mine = caller().key_sha256[:ID_CHARS]
    return page("keys/page.html", live=live, revoked=revoked, scopes=SCOPES, mine=mine, environment=ENVIRONMENT)


@blueprint.post("/keys")
@needs(Scope.ADMIN)
def create() -> Response:
    """Answered with the key and no redirect: an address or a cookie would keep it longer than this page."""
    given = {name: request.form.get(name, "").strip() for name in ("name", "scope")}
    fields = read_fields(NewKey, given)
    fields.check()
    with services().database.write() as session:
        info, key = tenant_keys.make_key(session, caller().tenant_id, fields.name, fields.held)
    return page("keys/made.html", info=info, key=key, url=base_url(), means=SCOPES[info.scope])


@blueprint.post("/keys/<key_id>/name")
@needs(Scope.ADMIN)
def rename(key_id: str) -> Response:
    fields = read_fields(KeyName, {"name": request.form.get("name", "").strip()})
    fields.check()
    with services().database.write() as session:
        tenant_keys.rename_key(session, caller().tenant_id, key_id, fields.name)
    return see_other(f"/keys#key-{key_id}")


@blueprint.post("/keys/<key_id>/revoke")
@needs(Scope.ADMIN)
def revoke(key_id: str) -> Response:
    with services().database.write() as session:
        tenant_keys.revoke_tenant_key(session, caller().tenant_id, key_id)
    return see_other("/keys")
