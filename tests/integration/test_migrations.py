"""Migrations, up and down, on both databases."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from sqlalchemy.exc import IntegrityError

from core.inputs import InputItem, pack_items

# Their tables belong to Base.metadata.
from db import access_tables, ledger_tables, library_tables, throughput, thumbnail_tables  # noqa: F401
from db.engine import Database
from db.migrate import alembic_config, migrate, rollback
from db.tables import Base


def _tables(database: Database) -> set[str]:
    return set(inspect(database.engine).get_table_names()) - {"alembic_version"}


def test_up_down_and_up_again(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    migrate(database)
    assert _tables(database) == set(Base.metadata.tables)
    rollback(database, "base")
    assert _tables(database) == set()
    migrate(database)
    assert _tables(database) == set(Base.metadata.tables)
    database.close()


def test_migrations_and_tables_say_the_same(database: Database) -> None:
    with database.engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), Base.metadata)
    assert differences == []


def test_there_is_one_head() -> None:
    assert len(ScriptDirectory.from_config(alembic_config()).get_heads()) == 1


def test_several_that_migrate_at_once_do_not_collide(empty_database_url: str) -> None:
    env = {**os.environ, "TAGLINE_DATABASE_URL": empty_database_url}
    several = [subprocess.Popen([sys.executable, "-m", "db.migrate"], env=env) for _ in range(3)]
    assert [process.wait() for process in several] == [0, 0, 0]


def _insert(database: Database, table: str, *rows: dict[str, Any]) -> None:
    with database.write() as session:
        for row in rows:
            names = ", ".join(row)
            values = ", ".join(f":{name}" for name in row)
            session.execute(text(f"INSERT INTO {table} ({names}) VALUES ({values})"), row)


def _all(database: Database, query: str) -> list[tuple[Any, ...]]:
    with database.read() as session:
        return [tuple(row) for row in session.execute(text(query))]


def _job(job: str, state: str, **more: Any) -> dict[str, Any]:
    return {
        "id": job, "tenant_id": "t", "metadata": "{}", "tasks": "[]", "options": "{}", "models": "{}",
        "queue": "image", "priority": 0, "state": state, "total": 9, "base_url": "", "created_at": 1,
        "expires_at": 1, **more,
    }  # fmt: skip


def _chunk(chunk: int, job: str, state: str, *uploads: str) -> dict[str, Any]:
    items = [InputItem(seq, str(seq), "upload", ref) for seq, ref in enumerate(uploads)]
    items.append(InputItem(len(items), "x", "url", "http://photos.example/x.jpg"))
    return {
        "id": chunk, "job_id": job, "tenant_id": "t", "queue": "image", "priority": 0, "turn": 0, "first_seq": 0,
        "last_seq": 1, "size": len(items), "inputs": pack_items(items), "state": state, "created_at": 1,
    }  # fmt: skip


def _delivery(delivery: str, job: str) -> dict[str, Any]:
    return {
        "id": delivery, "job_id": job, "tenant_id": "t", "url": "http://r.example/", "host": "r.example",
        "event": "job.completed", "body": "{}", "state": "pending", "next_attempt_at": 1, "created_at": 1,
    }  # fmt: skip


def _fill_as_of_0001(database: Database) -> None:
    """Two ids for the same bytes, both named by a job that runs; webhooks with attempts; a job that was run again."""
    _insert(
        database, "tenants",
        *({"id": key, "name": key, "webhook_secret": "whsec_t", "created_at": 1} for key in ("t", "other")),
    )  # fmt: skip
    _insert(
        database, "jobs",
        _job("running", "running", started_at=50, succeeded=3, failed=1, cancelled=2, webhook_secret="whsec_own"),
        _job("queued", "queued", succeeded=4), _job("done", "completed", succeeded=9),
    )  # fmt: skip
    result = {"job_id": "running", "item_id": "x", "state": "succeeded", "input": "{}"}
    _insert(database, "results", *({**result, "seq": seq, "finished_at": at} for seq, at in enumerate((10, 20, 60))))
    _insert(
        database, "chunks",
        _chunk(1, "running", "pending", "u1", "u2", "u1", "foreign", "nobody"), _chunk(2, "queued", "leased", "u3"),
        _chunk(3, "done", "done", "u3"), _chunk(4, "running", "done", "u3"),
    )  # fmt: skip
    owned = [("u1", "t", "a"), ("u2", "t", "a"), ("u3", "t", "b"), ("foreign", "other", "a")]
    sizes = {"bytes": 100, "width": 1, "height": 1, "created_at": 1}
    _insert(
        database, "uploads", *({"id": key, "tenant_id": tenant, "sha256": sha, **sizes} for key, tenant, sha in owned)
    )
    _insert(database, "deliveries", _delivery("d1", "running"), _delivery("d2", "done"))
    _insert(database, "delivery_attempts", *({"delivery_id": key, "at": 1, "duration_s": 1} for key in ("d1", "d2")))


def test_what_0001_holds_is_kept_on_the_way_to_0002_and_back(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    migrate(database, "0001")
    _fill_as_of_0001(database)
    migrate(database, "0002")
    before = _all(database, "SELECT id, done_before FROM jobs ORDER BY id")
    assert before == [("done", 0), ("queued", 4), ("running", 4)]
    assert _all(database, "SELECT id, upload_bytes FROM tenants ORDER BY id") == [("other", 100), ("t", 300)]
    uploads = _all(database, "SELECT id, sha256, duplicate FROM uploads ORDER BY id")
    assert uploads == [("foreign", "a", False), ("u1", "a", False), ("u2", "a", True), ("u3", "b", False)]
    uses = _all(database, "SELECT upload_id, job_id FROM upload_uses ORDER BY upload_id")
    assert uses == [("u1", "running"), ("u2", "running"), ("u3", "queued")]
    assert _all(database, "SELECT sha256, check_at FROM upload_files ORDER BY sha256") == [("a", None), ("b", None)]
    deliveries = _all(database, "SELECT id, subject, secret FROM deliveries ORDER BY id")
    assert deliveries == [("d1", "jobs/running", "whsec_own"), ("d2", "jobs/done", None)]
    assert _all(database, "SELECT delivery_id FROM delivery_attempts ORDER BY id") == [("d1",), ("d2",)]
    again = {"id": "u4", "tenant_id": "t", "sha256": "a", "bytes": 1, "width": 1, "height": 1, "created_at": 1}
    with pytest.raises(IntegrityError):
        _insert(database, "uploads", {**again, "used_at": 1})
    _insert(database, "deliveries", {**_delivery("d3", "x"), "job_id": None, "subject": "libraries/x"})
    _insert(database, "delivery_attempts", {"delivery_id": "d3", "at": 1, "duration_s": 1})
    rollback(database, "0001")
    assert _all(database, "SELECT id FROM uploads ORDER BY id") == [("foreign",), ("u1",), ("u2",), ("u3",)]
    assert _all(database, "SELECT id, job_id FROM deliveries ORDER BY id") == [("d1", "running"), ("d2", "done")]
    assert _all(database, "SELECT delivery_id FROM delivery_attempts ORDER BY id") == [("d1",), ("d2",)]
    assert len(_all(database, "SELECT id FROM chunks")) == 4
    _insert(database, "uploads", again)  # 0001 knows of no such rule
    migrate(database)
    database.close()


def test_keys_that_are_older_than_scopes_have_every_scope_and_lesser_ones_do_not_outlive_them(
    empty_database_url: str,
) -> None:
    database = Database(empty_database_url)
    migrate(database, "0006")
    _insert(database, "tenants", {"id": "t", "name": "t", "webhook_secret": "whsec_t", "created_at": 1})
    key = {"tenant_id": "t", "name": "", "created_at": 1}
    _insert(database, "api_keys", {**key, "sha256": "old"})
    migrate(database, "0007")
    _insert(database, "api_keys", {**key, "sha256": "reader", "scope": "read"})
    _insert(database, "api_keys", {**key, "sha256": "other", "scope": "admin"})
    assert _all(database, "SELECT sha256, scope FROM api_keys ORDER BY sha256") == [
        ("old", "admin"), ("other", "admin"), ("reader", "read"),
    ]  # fmt: skip
    rollback(database, "0006")
    good = _all(database, "SELECT sha256 FROM api_keys WHERE revoked_at IS NULL ORDER BY sha256")
    assert good == [("old",), ("other",)], "0006 would let every key do everything"
    migrate(database)
    database.close()


def test_indexes_stay_partial_and_references_are_kept(empty_database_url: str) -> None:
    """SQLite makes tables anew; what it copies must not lose an index's condition, nor leave foreign keys off."""
    database = Database(empty_database_url)
    migrate(database)
    options = f"{database.engine.dialect.name}_where"
    found = {
        index["name"]: str(index.get("dialect_options", {}).get(options, ""))
        for table in inspect(database.engine).get_table_names()
        for index in inspect(database.engine).get_indexes(table)
    }
    wanted = {index.name: index for table in Base.metadata.tables.values() for index in table.indexes}
    for name, index in wanted.items():
        condition = index.dialect_options[database.engine.dialect.name]["where"]
        assert (found[name] != "") == (condition is not None), name
    with pytest.raises(IntegrityError):
        _insert(database, "upload_uses", {"upload_id": "nobody", "job_id": "none"})
    database.close()
