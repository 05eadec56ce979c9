"""Keys as their tenant's admins see them: listed, made, named, revoked; never those of another tenant.

The operator (db.key_admin) may do more: he can always make another key.
"""

from __future__ import annotations

from sqlalchemy import Select, func, select, update
from sqlalchemy.orm import Session

from core.errors import Conflict, NotFound, RequestError
from core.scopes import Scope
from db.clock import now_ms
from db.key_admin import ID_CHARS, KeyInfo, key_info
from db.keys import ENVIRONMENT, create_key, hash_key
from db.tables import ApiKey, Tenant

MOST_LIVE = 500
REVOKED_SHOWN = 100  # the latest


def tenant_keys(session: Session, tenant_id: str) -> list[KeyInfo]:
    """A tenant's live keys and the latest of those that were revoked, newest first."""
    live = session.execute(_keys(tenant_id).where(ApiKey.revoked_at.is_(None)))
    revoked = _keys(tenant_id).where(ApiKey.revoked_at.is_not(None)).order_by(ApiKey.revoked_at.desc())
    found = [key_info(*row) for row in (*live, *session.execute(revoked.limit(REVOKED_SHOWN)))]
    return sorted(found, key=lambda key: (key.created_at, key.id), reverse=True)


def make_key(session: Session, tenant_id: str, name: str, scope: Scope) -> tuple[KeyInfo, str]:
    """A new key, and the key itself, which nobody can read again.

    Raises:
        RequestError: `too_many_keys`, or `field_invalid` for a name that is not to be had.
    """
    _check_name(name)
    _lock(session, tenant_id)
    live = select(func.count()).select_from(ApiKey).where(ApiKey.tenant_id == tenant_id, ApiKey.revoked_at.is_(None))
    if session.execute(live).scalar_one() >= MOST_LIVE:
        raise RequestError("too_many_keys", f"There are {MOST_LIVE} live keys; revoke some that nobody uses.")
    key = create_key(session, tenant_id, name, scope=scope)
    return find_key(session, tenant_id, hash_key(key)[:ID_CHARS]), key


def find_key(session: Session, tenant_id: str, key_id: str) -> KeyInfo:
    """A tenant's live key by its id.

    Raises:
        NotFound: `key_not_found`, also for somebody else's; `key_revoked`.
    """
    key = _find(session, tenant_id, key_id)
    if key.revoked_at is not None:
        when = key.revoked_at.strftime("%Y-%m-%d %H:%M:%S UTC")
        raise NotFound("key_revoked", f"The key {key_id} was revoked on {when}. GET /v1/keys still lists it.")
    return key


def rename_key(session: Session, tenant_id: str, key_id: str, name: str) -> KeyInfo:
    """Give a key another name.

    Raises:
        RequestError: `key_not_found`, `key_revoked`, `key_in_environment`, or `field_invalid` for a name that is not
            to be had.
    """
    _check_name(name)
    _lock(session, tenant_id)
    if find_key(session, tenant_id, key_id).name.startswith(ENVIRONMENT):
        raise Conflict("key_in_environment", f"Its name says that it stands in {ENVIRONMENT}, and stays.")
    session.execute(update(ApiKey).where(ApiKey.sha256 == _hash(session, tenant_id, key_id)).values(name=name))
    return find_key(session, tenant_id, key_id)


def revoke_tenant_key(session: Session, tenant_id: str, key_id: str) -> KeyInfo:
    """Revoke a key, at once and for good; one that is revoked stays as it is.

    Raises:
        RequestError: `key_not_found`, `key_in_environment` or `last_admin_key`.
    """
    _lock(session, tenant_id)  # two admins that revoke one another at the same moment would leave nobody
    key = _find(session, tenant_id, key_id)
    if key.revoked_at is not None:
        return key
    if key.name == ENVIRONMENT:
        message = (
            f"This key stands in {ENVIRONMENT} on the server. Write another one there: the next start revokes this one."
        )
        raise Conflict("key_in_environment", message)
    if key.scope is Scope.ADMIN and _live_admins(session, tenant_id) == 1:
        message = "This is the last key with the scope admin: nobody could make another. Make one first."
        raise Conflict("last_admin_key", message)
    revoked = update(ApiKey).where(ApiKey.sha256 == _hash(session, tenant_id, key_id)).values(revoked_at=now_ms())
    session.execute(revoked)
    return _find(session, tenant_id, key_id)


def _find(session: Session, tenant_id: str, key_id: str) -> KeyInfo:
    """Live or revoked."""
    key_hash = _hash(session, tenant_id, key_id)
    return key_info(*session.execute(_keys(tenant_id).where(ApiKey.sha256 == key_hash)).one())


def _keys(tenant_id: str) -> Select[str, str, str, str, int, int | None]:
    return (
        select(ApiKey.sha256, Tenant.name, ApiKey.name, ApiKey.scope, ApiKey.created_at, ApiKey.revoked_at)
        .join(Tenant, Tenant.id == ApiKey.tenant_id)
        .where(ApiKey.tenant_id == tenant_id)
    )


def _hash(session: Session, tenant_id: str, key_id: str) -> str:
    """The hash that an id is the beginning of."""
    found = None
    if len(key_id) == ID_CHARS and key_id.isascii() and key_id.isalnum():
        mine = select(ApiKey.sha256).where(ApiKey.tenant_id == tenant_id, ApiKey.sha256.startswith(key_id))
        found = session.scalars(mine).one_or_none()
    if found is None:
        raise NotFound("key_not_found", f"There is no key {key_id[:50]!r}; GET /v1/keys lists them.")
    return found


def _live_admins(session: Session, tenant_id: str) -> int:
    live = (ApiKey.tenant_id == tenant_id, ApiKey.revoked_at.is_(None), ApiKey.scope == Scope.ADMIN)
    return session.execute(select(func.count()).select_from(ApiKey).where(*live)).scalar_one()


def _lock(session: Session, tenant_id: str) -> None:
    session.execute(select(Tenant.id).where(Tenant.id == tenant_id).with_for_update()).one()


def _check_name(name: str) -> None:
    if name.startswith(ENVIRONMENT):
        message = f"Names that begin with {ENVIRONMENT} are for the key that stands there; choose another."
        raise RequestError("field_invalid", message, where="/name")
