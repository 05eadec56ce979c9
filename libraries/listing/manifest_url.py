"""Listing the manifest at a URL: read whole and checked to its last line before a photo of it is given."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from urllib.parse import urlsplit

from core.errors import ItemError, RequestError
from core.outbound.http.client import HttpClient, Request, Response
from core.settings import Settings
from libraries.listing.entry import PAGE, Entry, Page, SourceFailed
from libraries.listing.manifest import media_type_of, read_manifest

MAX_BYTES = 256 * 1024 * 1024
_TIMEOUT_S = 300.0
_RETRIES = 2
_BLOCK = 1024 * 1024


class ManifestUrlListing:
    """See Listing. Photos come in the order of their keys; of equal keys the first line counts, the others are skipped.

    Args:
        http: the guarded client.
        url: where the manifest is; at most 256 MiB.
    """

    def __init__(self, http: HttpClient, settings: Settings, url: str, page: int = PAGE) -> None:
        self._http = http
        self._settings = settings
        self._url = url
        self._page = page

    def pages(self, after: str = "") -> Iterator[Page]:
        """See Listing; a position is a key. The manifest is fetched anew by each call.

        Raises:
            SourceFailed: `manifest_invalid`, with the line, or why it cannot be fetched (`fetch_...`).
        """
        response = self._fetched()
        data = response.body
        kind = media_type_of(response.headers.get("content-type", ""), urlsplit(response.url).path, data[:_BLOCK])
        del response
        blocks = (data[at : at + _BLOCK] for at in range(0, len(data), _BLOCK))
        try:
            with SortedManifest(read_manifest(blocks, kind)) as entries:
                del blocks, data
                yield from entries.pages(after, self._page)
        except RequestError as error:
            message = f"the manifest cannot be used, and nothing of it is: {error.message}"
            raise SourceFailed("manifest_invalid", message) from error

    def _fetched(self) -> Response:
        settings = self._settings
        request = Request(
            self._url,
            timeout_s=max(settings.fetch_timeout_s, _TIMEOUT_S),
            max_bytes=MAX_BYTES,
            max_redirects=settings.fetch_max_redirects,
            accept_encoding=True,
            retries=_RETRIES,
        )
        try:
            response = self._http.request(request).result()
        except ItemError as error:
            raise SourceFailed(error.code, f"the manifest: {error.message}", permanent=error.permanent) from error
        status = response.status
        if not 200 <= status < 300:
            transient = status >= 500 or status in (408, 425, 429)
            message = f"the manifest's server answered {status}"
            raise SourceFailed(f"fetch_http_{status}", message, permanent=not transient)
        return response


class SortedManifest:
    """The entries of a manifest by their keys, each once, on the disk: a million of them take no memory.

    Args:
        entries: all of them are read here; what that raises leaves nothing behind.
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._file = tempfile.NamedTemporaryFile(prefix="tagline-manifest-")  # noqa: SIM115
        self._rows = sqlite3.connect(self._file.name, isolation_level=None, check_same_thread=False)
        self.repeated = 0
        try:
            self._fill(entries)
        except BaseException:
            self._close()
            raise

    def _fill(self, entries: Iterable[Entry]) -> None:
        rows = self._rows
        rows.execute("PRAGMA journal_mode = OFF")
        rows.execute("PRAGMA synchronous = OFF")
        rows.execute("PRAGMA temp_store = FILE")
        rows.execute("CREATE TABLE photos (key TEXT PRIMARY KEY, locator TEXT) WITHOUT ROWID")
        rows.execute("BEGIN")
        for entry in entries:
            found = rows.execute(
                "INSERT OR IGNORE INTO photos VALUES (?, ?)", (entry.key, json.dumps(dict(entry.locator or {})))
            )
            self.repeated += found.rowcount == 0
        rows.execute("COMMIT")

    def pages(self, after: str, size: int) -> Iterator[Page]:
        """The entries behind a key; the repeated lines are counted on the first page of all."""
        page = Page(skipped=0 if after else self.repeated, position=after)
        with closing(
            self._rows.execute("SELECT key, locator FROM photos WHERE key > ? ORDER BY key", (after,))
        ) as rows:
            for key, locator in rows:
                page.entries.append(Entry(key, locator=json.loads(locator)))
                page.position = key
                if len(page.entries) >= size:
                    yield page
                    page = Page(position=key)
        yield page

    def _close(self) -> None:
        self._rows.close()
        self._file.close()

    def __enter__(self) -> SortedManifest:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
