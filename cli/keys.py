"""`tagline keys`: who may call the API. It works on the database itself, also while the service runs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import click
from rich import box
from rich.console import Console
from rich.table import Table

from cli.config import read_client_settings, read_settings
from cli.stack.prepare import reason
from cli.stack.prepared import link_to_sign_in
from cli.terminal import Failure, clean, note, say
from core.outbound.signing import new_secret
from core.scopes import Scope
from db.engine import Database
from db.key_admin import add_key, list_keys, revoke_key
from db.keys import ENVIRONMENT, FIRST_TENANT
from db.sign_in_links import LASTS_MINUTES, key_to_sign_in_with, make_link

_data = click.option(
    "--data", type=click.Path(file_okay=False, path_type=Path), help="Data folder.  [TAGLINE_DATA_DIR]"
)


@contextlib.contextmanager
def _database(data: Path | None) -> Iterator[Database]:
    settings = read_settings("database", data_dir=data)
    if not settings.database_url and not (settings.data_dir / "tagline.db").exists():
        raise Failure(f"there is no database in {settings.data_dir}; --data names another folder", 2)
    database = Database(settings.sql_url)
    try:
        yield database
    except click.ClickException:
        raise
    except Exception as error:  # whatever the driver raises
        raise Failure(f"the database cannot be used: {reason(error)}") from error
    finally:
        database.close()


@click.group("keys")
def keys() -> None:
    """Make, list and revoke API keys."""


@keys.command("create")
@click.option("--tenant", default="default", show_default=True, help="Whose jobs it sees; made if there is none.")
@click.option("--name", default="", help="To tell it from others.")
@click.option(
    "--scope",
    type=click.Choice([scope.value for scope in Scope]),
    default=Scope.ADMIN.value,
    show_default=True,
    help="What it may do: look; submit and change, too; see secrets and make keys, too.",
)
@_data
def create(tenant: str, name: str, scope: str, data: Path | None) -> None:
    """Make a key and print it; it cannot be shown again."""
    if name.startswith(ENVIRONMENT):
        raise Failure(f"the name {ENVIRONMENT} is for the key in the environment; choose another", 2)
    with _database(data) as database, database.write() as session:
        key = add_key(session, tenant, name, new_secret(), Scope(scope))
    say(key)
    note(f"for tenant {tenant}, scope {scope}; it cannot be shown again")


@keys.command("list")
@_data
def list_(data: Path | None) -> None:
    """List keys by the id that `revoke` takes."""
    with _database(data) as database, database.read() as session:
        rows = list_keys(session)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in ("id", "tenant", "name", "scope", "created", "revoked"):
        table.add_column(column, overflow="fold")
    for row in rows:
        revoked = f"{row.revoked_at:%Y-%m-%d %H:%M}" if row.revoked_at else ""
        created = f"{row.created_at:%Y-%m-%d %H:%M}"
        table.add_row(row.id, clean(row.tenant), clean(row.name), row.scope, created, revoked)
    Console().print(table)


@keys.command("link")
@click.argument("key_id", metavar="[ID]", default="")
@click.option("--tenant", default=FIRST_TENANT, show_default=True, help="Whose pages it opens.")
@click.option("--url", help="Where browsers reach the service.  [TAGLINE_PUBLIC_URL, or else TAGLINE_URL]")
@_data
def link(key_id: str, tenant: str, url: str | None, data: Path | None) -> None:
    """Print a link that signs a browser in, once and within ten minutes.

    It signs in with the key in TAGLINE_API_KEY, or else with the oldest of those that may do everything, or with the
    one whose id is given; when that key is revoked the session ends.
    """
    base = url or read_settings().public_url or read_client_settings().url
    with _database(data) as database, database.write() as session:
        key = key_to_sign_in_with(session, tenant, key_id)
        token = None if key is None else make_link(session, key)
    if token is None:
        which = f"begins with {key_id}" if key_id else "is there"
        raise Failure(f"no live key of tenant {tenant} {which}; `tagline keys list` shows them")
    say(link_to_sign_in(base.rstrip("/"), token))
    note(f"good once, for {LASTS_MINUTES} minutes")


@keys.command("revoke")
@click.argument("key_id", metavar="ID")
@_data
def revoke(key_id: str, data: Path | None) -> None:
    """Revoke a key, at once and for good."""
    with _database(data) as database, database.write() as session:
        found = revoke_key(session, key_id)
    if found != 1:
        raise Failure(f"no live key begins with {key_id}" if not found else f"{found} keys begin with {key_id}")
    note(f"key {key_id} is revoked")
