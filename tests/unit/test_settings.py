"""`.env.example` lists every setting as core/settings.py has it, and the environment is read there alone."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from core.settings import (
    MODELS_DIR,
    SECRETS,
    ClientSettings,
    Settings,
    load_client_settings,
    load_settings,
    unknown_variables,
)
from core.settings_checks import SettingsError
from db.engine import Database

ROOT = Path(__file__).resolve().parents[2]
OURS = ("api", "cli", "core", "db", "training", "worker")


def _documented() -> dict[str, tuple[str, str]]:
    """Description and default by name, as .env.example has them."""
    text = (ROOT / ".env.example").read_text()
    entry = re.compile(r"^# (?P<text>.+)\n#TAGLINE_(?P<name>[A-Z0-9_]+)=(?P<value>.*)$", re.MULTILINE)
    return {match["name"].lower(): (match["text"], match["value"]) for match in entry.finditer(text)}


def _expected() -> dict[str, tuple[str, str]]:
    fields = {**ClientSettings.model_fields, **Settings.model_fields}
    found = {}
    for name, field in fields.items():
        value = field.default
        if value == MODELS_DIR:
            value = "models"
        found[name] = (field.description or "", ",".join(value) if isinstance(value, tuple) else str(value))
    return found


def test_the_example_lists_every_setting_with_its_default_and_description() -> None:
    assert _documented() == _expected()


def test_every_line_of_the_example_is_a_comment() -> None:
    assert all(not line or line.startswith("#") for line in (ROOT / ".env.example").read_text().splitlines())


def test_a_secret_may_lie_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "key"
    path.write_text("from-the-file\n")
    monkeypatch.setenv("TAGLINE_API_KEY_FILE", str(path))
    assert load_settings().api_key == "from-the-file"
    assert load_client_settings().api_key == "from-the-file"
    path.unlink()
    with pytest.raises(ValueError, match="TAGLINE_API_KEY_FILE"):
        load_settings()


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAGLINE_ALLOW_HOSTS", "127.0.0.1:80, [::1]:81,")
    assert load_settings().allow_hosts == ("127.0.0.1:80", "[::1]:81")


def test_nobody_else_reads_the_environment() -> None:
    reading = re.compile(r"os\.getenv|os\.environ\.get|os\.environ\[|environ\.setdefault")
    guilty = [
        str(path.relative_to(ROOT))
        for package in OURS
        for path in (ROOT / package).rglob("*.py")
        if reading.search(path.read_text()) and path != ROOT / "core" / "settings.py"
    ]
    assert guilty == []


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is set for the machine that runs the tests is not what they are about."""
    for name in list(os.environ):
        if name.startswith("TAGLINE_"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize("blank", ["", " ", "\t\n"])
def test_a_blank_variable_is_not_set(blank: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = load_settings()
    for name in (*Settings.model_fields, *ClientSettings.model_fields):
        monkeypatch.setenv(f"TAGLINE_{name.upper()}", blank)
    for name in SECRETS:
        monkeypatch.setenv(f"TAGLINE_{name.upper()}_FILE", blank)
    assert load_settings() == plain
    assert load_settings().model_fields_set == set()
    assert load_client_settings() == ClientSettings()


# name, value, what the line must say
WRONG = [
    ("ALLOW_HOSTS", "nas.local", "nas.local:80"),
    ("ALLOW_HOSTS", "ok.local:1,https://nas.local/photos", "nas.local:443"),
    ("ALLOW_HOSTS", "nas.local:99999", "host:port"),
    ("ALLOW_HOSTS", "::1", "[::1]:80"),
    ("UPLOADS_URL", "/srv/uploads", "s3://BUCKET"),
    ("UPLOADS_URL", "s3://Bad_Name/x", "s3://BUCKET"),
    ("UPLOADS_URL", "https://bucket.s3.amazonaws.com", "s3://BUCKET"),
    ("REDIS_URL", "localhost:6379", "redis://"),
    ("REDIS_URL", "http://localhost:6379", "redis://"),
    ("REDIS_URL", "redis://localhost:port/0", "redis://"),
    ("REDIS_URL", "redis://localhost:6379/zero", "redis://"),
    ("REDIS_URL", "redis://:p@ss/word@localhost", "%40"),
    ("REDIS_URL", "redis+socket:///run/redis.sock", "unix://"),
    ("DATABASE_URL", "tagline.db", "sqlite:////"),
    ("DATABASE_URL", "sqlite:///tagline.db", "sqlite:////"),
    ("DATABASE_URL", "sqlite://", "sqlite:////"),
    ("DATABASE_URL", "sqlite:///:memory:", "sqlite:////"),
    ("DATABASE_URL", "mysql://user:hunter2@host/name", "postgresql://"),
    ("DATABASE_URL", "postgresql+asyncpg://user:hunter2@host/name", "postgresql://"),
    ("DATABASE_URL", "postgresql:/host/name", "postgresql://"),
    ("DATABASE_URL", "postgresql://user:hunter2@host:abc/name", "postgresql://"),
    ("DATABASE_URL", "postgresql://user:hun@ter2@host/name", "%40"),
    ("WEBHOOK_SECRET", "hunter2", "whsec_"),
    ("WEBHOOK_SECRET", "whsec_aHVudGVyMg==", "whsec_"),
    ("API_KEY", "two words", "without spaces"),
    ("API_KEY", "schl\u00fcssel", "ASCII"),
    ("SESSION_SECRET", "hunter2", "at least 32 characters"),
    ("PUBLIC_DEMO", "perhaps", "true or false"),
    ("PUBLIC_URL", "tagline.example", "https://"),
    ("PUBLIC_URL", "ftp://tagline.example", "https://"),
    ("PUBLIC_URL", "https://tagline.example/?a=b", "https://"),
    ("S3_ENDPOINT_URL", "minio:9000", "https://"),
    ("S3_BUCKETS", "s3://photos", "photos,archive"),
    ("S3_BUCKETS", "photos archive", "photos,archive"),
    ("S3_REQUESTER_PAYS", "Photos", "photos,archive"),
    ("WORKER_NAME", "worker@home", "letters"),
    ("BATCH_SIZE", "many", "whole number, like 16"),
    ("BATCH_SIZE", "1.5", "whole number, like 16"),
    ("BATCH_SIZE", "0", "1 or more"),
    ("BATCH_SIZE", "5000", "1024 or less"),
    ("METRICS_PORT", "70000", "65535 or less"),
    ("LEASE_S", "soon", "number, like 45.0"),
    ("LEASE_S", "nan", "number, like 45.0"),
    ("LEASE_S", "0.001", "1 or more"),
    ("RETENTION_DAYS", "inf", "number, like 90.0"),
    ("RETENTION_DAYS", "1e300", "36500 or less"),
    ("RETENTION_DAYS", "0", "greater than 0"),
    ("WEBHOOK_SECRET_OVERLAP_HOURS", "-1", "0 or more"),
    ("LOG_LEVEL", "loud", "'debug'"),
    ("RUNTIME", "gpu", "'tensorflow'"),
]


@pytest.mark.parametrize(("name", "value", "advice"), WRONG)
def test_a_wrong_value_is_told_in_one_line_with_what_to_write(
    name: str, value: str, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"TAGLINE_{name}", value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    line = str(caught.value)
    assert line.startswith(f"TAGLINE_{name}: ")
    assert advice in line
    assert "\n" not in line
    assert "hunter2" not in line
    assert len(line) < 300


def test_everything_that_is_wrong_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAGLINE_BATCH_SIZE", "x")
    monkeypatch.setenv("TAGLINE_REDIS_URL", "x")
    with pytest.raises(SettingsError, match=r"^[^\n]*TAGLINE_REDIS_URL[^\n]*TAGLINE_BATCH_SIZE[^\n]*$"):
        load_settings()


def test_settings_that_contradict_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAGLINE_FETCH_TIMEOUT_S", "2")
    assert load_settings().fetch_connect_timeout_s == 5.0, "a default above it is merely without effect"
    monkeypatch.setenv("TAGLINE_FETCH_CONNECT_TIMEOUT_S", "3")
    with pytest.raises(SettingsError, match=r"^TAGLINE_FETCH_CONNECT_TIMEOUT_S: .*TAGLINE_FETCH_TIMEOUT_S"):
        load_settings()
    with pytest.raises(SettingsError, match=r"^TAGLINE_S3_REQUESTER_PAYS: .*TAGLINE_S3_BUCKETS"):
        load_settings(fetch_connect_timeout_s=1, s3_buckets=("a-bucket",), s3_requester_pays=("another",))


GOOD = [
    ("ALLOW_HOSTS", "nas.local:80, [::1]:8080,127.0.0.1:9"),
    ("UPLOADS_URL", "s3://bucket"),
    ("UPLOADS_URL", "s3://bucket/a/b"),
    ("REDIS_URL", "redis://"),
    ("REDIS_URL", "redis://host"),
    ("REDIS_URL", "rediss://user:p%40ss@host:6380/3?ssl_cert_reqs=none"),
    ("REDIS_URL", "redis://[::1]:6379/0"),
    ("REDIS_URL", "unix:///run/valkey.sock?db=1"),
    ("DATABASE_URL", "sqlite:////srv/tagline.db"),
    ("DATABASE_URL", "postgres://user:pa:ss/word#1@host/name"),
    ("DATABASE_URL", "postgresql://host"),
    ("DATABASE_URL", "postgresql:///name?host=/run/postgresql"),
    ("DATABASE_URL", "postgresql+psycopg://user@[::1]:5432/name?sslmode=require"),
    ("PUBLIC_URL", "https://tagline.example/sub/"),
    ("S3_ENDPOINT_URL", "http://10.0.0.7:9000"),
    ("S3_BUCKETS", "photos, my.archive-2"),
    ("LOG_LEVEL", "INFO"),
    ("WEBHOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
    ("API_KEY", "  key-with-line-end\n"),
    ("SESSION_SECRET", "0" * 64),
    *(("PUBLIC_DEMO", value) for value in ("true", "1", "on", "Yes", "false", "0")),
]


@pytest.mark.parametrize(("name", "value"), GOOD)
def test_a_right_value_is_taken(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"TAGLINE_{name}", value)
    assert load_settings().model_fields_set == {name.lower()}


@pytest.mark.parametrize("value", [value for name, value in GOOD if name == "DATABASE_URL"])
def test_sqlalchemy_reads_what_is_taken(value: str) -> None:
    """Fails if our reading of a database's URL allows what SQLAlchemy would refuse at the first use."""
    Database(load_settings(database_url=value).sql_url).close()


def test_a_secret_in_a_file_is_told_by_the_files_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret"
    monkeypatch.setenv("TAGLINE_WEBHOOK_SECRET_FILE", str(path))
    for content, said in (
        (None, "cannot be read: No such file"),
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\xff\xfe", "no text file"),
        (b"hunter2\n", "write whsec_"),
    ):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(SettingsError, match=f"^TAGLINE_WEBHOOK_SECRET_FILE: .*{said}") as caught:
            load_settings()
        assert "hunter2" not in str(caught.value)
    monkeypatch.setenv("TAGLINE_WEBHOOK_SECRET_FILE", str(tmp_path))
    with pytest.raises(SettingsError, match=r"^TAGLINE_WEBHOOK_SECRET_FILE: .*Is a directory"):
        load_settings()


def test_a_secret_and_its_file_must_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "key"
    path.write_text("one\n")
    monkeypatch.setenv("TAGLINE_API_KEY_FILE", str(path))
    monkeypatch.setenv("TAGLINE_API_KEY", "one")
    assert load_settings().api_key == "one"
    monkeypatch.setenv("TAGLINE_API_KEY", "two")
    with pytest.raises(SettingsError, match="TAGLINE_API_KEY is set, too"):
        load_settings()


def test_a_mistyped_name_is_noticed_and_nobody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*Settings.model_fields, *ClientSettings.model_fields, *(f"{name}_file" for name in SECRETS)):
        monkeypatch.setenv(f"TAGLINE_{name.upper()}", "x")
    for name in (
        *("SUPERVISED", "PORT", "TEST_ODD_IMAGES", "SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP"),
        *("PORT_8000_TCP", "PORT_8000_TCP_ADDR", "API_SERVICE_HOST", "API_PORT_8000_TCP_PROTO"),
    ):
        monkeypatch.setenv(f"TAGLINE_{name}", "x")
    assert unknown_variables() == []
    for name in ("BATCHSIZE", "REDIS_URI", "Models_Dri", "WHATEVER_ELSE", "PUBLIC_URL_FILE"):
        monkeypatch.setenv(f"TAGLINE_{name}", "x")
    said = dict(line.split(" ", 1) for line in unknown_variables())
    assert "TAGLINE_BATCH_SIZE?" in said["TAGLINE_BATCHSIZE"]
    assert "TAGLINE_REDIS_URL?" in said["TAGLINE_REDIS_URI"]
    assert "TAGLINE_MODELS_DIR?" in said["TAGLINE_Models_Dri"]
    assert ".env.example" in said["TAGLINE_WHATEVER_ELSE"]
    assert len(said) == 5
