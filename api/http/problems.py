"""Every problem code of the API with its HTTP status and title: the only place where a code becomes a status."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Problem:
    """How a code is answered."""

    status: int
    title: str


PROBLEMS: Final[dict[str, Problem]] = {
    # Who asks
    "unauthorized": Problem(401, "A valid API key is needed"),
    "form_expired": Problem(403, "The form cannot be sent"),
    "scope_missing": Problem(403, "The API key may not do this"),
    # What is asked for
    "not_found": Problem(404, "Not found"),
    "job_not_found": Problem(404, "No such job"),
    "upload_not_found": Problem(404, "No such upload"),
    "thumbnail_not_found": Problem(404, "No such thumbnail"),
    "delivery_not_found": Problem(404, "No such delivery"),
    "model_not_found": Problem(404, "No such model"),
    "library_not_found": Problem(404, "No such library"),
    "run_not_found": Problem(404, "No such run"),
    "photo_not_found": Problem(404, "No such photo"),
    "key_not_found": Problem(404, "No such key"),
    "key_revoked": Problem(404, "The key is revoked"),
    "method_not_allowed": Problem(405, "Method not allowed"),
    "not_acceptable": Problem(406, "Not available in that form"),
    "unsupported_media_type": Problem(415, "This content type is not read here"),
    # How the body arrives
    "json_invalid": Problem(400, "The body is not JSON"),
    "body_incomplete": Problem(400, "The body ended early"),
    "bad_request": Problem(400, "The request is malformed"),
    "request_timeout": Problem(408, "The body stopped arriving"),
    "length_required": Problem(411, "Content-Length is needed"),
    "body_too_large": Problem(413, "The body is too large"),
    "upload_too_large": Problem(413, "The upload is too large"),
    "upload_quota_exceeded": Problem(413, "There is no room for more uploads"),
    # What it says
    "field_invalid": Problem(422, "A field is wrong"),
    "field_unknown": Problem(422, "A field is unknown"),
    "field_missing": Problem(422, "A field is missing"),
    "parameter_invalid": Problem(422, "A parameter is wrong"),
    "parameter_unknown": Problem(422, "A parameter is unknown"),
    "line_invalid": Problem(422, "A line cannot be read"),
    "inputs_empty": Problem(422, "There are no inputs"),
    "too_many_inputs": Problem(422, "There are too many inputs"),
    "interactive_too_large": Problem(422, "An interactive job has too many inputs"),
    "input_invalid": Problem(422, "An input is wrong"),
    "input_kind_mismatch": Problem(422, "An input does not fit the tasks"),
    "label_invalid": Problem(422, "A label cannot be kept"),
    "labels_too_many": Problem(422, "There are too many labels"),
    "caption_invalid": Problem(422, "The caption cannot be kept"),
    "folder_not_allowed": Problem(422, "Photos may not be read from there"),
    "too_many_libraries": Problem(422, "There are too many libraries"),
    "too_many_keys": Problem(422, "There are too many keys"),
    "too_many_photos": Problem(422, "There are too many photos"),
    "source_invalid": Problem(422, "The source cannot be used"),
    "folder_not_found": Problem(422, "There is no such folder"),
    "s3_uri_invalid": Problem(422, "The S3 URI cannot be used"),
    "s3_access_denied": Problem(422, "Photos may not come from that bucket"),
    "manifest_url_invalid": Problem(422, "The URL cannot be used"),
    "cron_invalid": Problem(422, "The cron expression cannot be used"),
    "timezone_unknown": Problem(422, "There is no such time zone"),
    "window_invalid": Problem(422, "The window cannot be used"),
    "write_impossible": Problem(422, "Sidecars cannot be written there"),
    "labels_unreadable": Problem(422, "The words are not known"),
    "search_unsupported": Problem(422, "The model cannot search"),
    "unknown_task": Problem(422, "There is no such task"),
    "tasks_mixed": Problem(422, "Image and text tasks do not go together"),
    "option_invalid": Problem(422, "An option is wrong"),
    "model_unknown": Problem(422, "There is no such model"),
    "model_wrong_task": Problem(422, "The model does another task"),
    "upload_unknown": Problem(422, "An input names no upload of yours"),
    "webhook_url_invalid": Problem(422, "The webhook's URL cannot be used"),
    "webhook_secret_invalid": Problem(422, "The webhook's secret cannot be used"),
    "cursor_invalid": Problem(422, "The cursor cannot be used"),
    "file_missing": Problem(422, "There is no file"),
    "file_twice": Problem(422, "There are several files"),
    "image_empty": Problem(422, "The image is empty"),
    "image_unsupported": Problem(422, "Not an image of a known format"),
    "image_truncated": Problem(422, "The image is cut off"),
    "image_corrupt": Problem(422, "The image is damaged"),
    "image_too_large": Problem(422, "The image has too many pixels"),
    # What else happens at the time
    "idempotency_key_invalid": Problem(422, "The Idempotency-Key cannot be used"),
    "idempotency_key_reused": Problem(422, "The Idempotency-Key belongs to another submission"),
    "idempotency_key_in_use": Problem(409, "That submission is still running"),
    "idempotency_key_spent": Problem(409, "What was made under this Idempotency-Key was removed"),
    "job_finished": Problem(409, "The job has finished"),
    "job_not_finished": Problem(409, "The job has not finished"),
    "nothing_to_retry": Problem(409, "Nothing failed"),
    "upload_in_use": Problem(409, "An unfinished job needs the upload"),
    "sidecars_contested": Problem(409, "Another library writes sidecars there"),
    "source_missing": Problem(409, "The library has no source yet"),
    "run_in_progress": Problem(409, "A run is in progress"),
    "run_finished": Problem(409, "The run has finished"),
    "run_not_finished": Problem(409, "The run has not finished"),
    "run_undone": Problem(409, "The run has been undone already"),
    "nothing_to_undo": Problem(409, "The run changed nothing"),
    "search_needs_tag": Problem(409, "The library cannot be searched"),
    "key_in_environment": Problem(409, "The key belongs to the environment"),
    "last_admin_key": Problem(409, "Nobody could make keys any more"),
    "too_many_requests": Problem(429, "Too many requests"),
    # Our own trouble
    "internal_error": Problem(500, "Something went wrong here"),
    "model_unavailable": Problem(503, "The model cannot be used at present"),
    "database_unavailable": Problem(503, "The database does not answer"),
    "storage_unavailable": Problem(503, "Files cannot be stored or read at present"),
    "no_live_worker": Problem(503, "No worker is alive"),
    "search_timeout": Problem(503, "The workers are busy"),
    "too_many_waiting": Problem(503, "Too many requests are waiting"),
}
