"""What became of an item that failed, in words, and what to do about it: one line for each code of `docs/errors.md`."""

from __future__ import annotations

from typing import Final, NamedTuple


class Words(NamedTuple):
    """The end of a sentence that begins with "3 photos", and a sentence of advice. Where the verb would be another one
    for one photo, both stand there: are/is."""

    what: str
    do: str


_AGAIN = "Try again later."
_LOG = "The worker's log says more; tell the operator."
_SEND_WHOLE = "Send the photo again, whole."

FAILURES: Final[dict[str, Words]] = {
    "url_invalid": Words(
        "have/has an address that cannot be understood", "Write a whole address, such as https://example.com/cat.jpg."
    ),
    "url_scheme_not_allowed": Words(
        "have/has an address that is neither http nor https", "Addresses begin with http:// or https://."
    ),
    "address_not_allowed": Words(
        "could not be fetched: the address is not public",
        "The operator can allow private hosts in TAGLINE_ALLOW_HOSTS; or drop the photo here instead.",
    ),
    "fetch_dns": Words("could not be fetched: there is no host of that name", "Check how the host is spelt."),
    "fetch_refused": Words("could not be fetched: the host does not answer", "Check the address, or try again later."),
    "fetch_timeout": Words("could not be fetched: it took too long", _AGAIN),
    "host_unresponsive": Words("were/was not asked for: the host has stopped answering", _AGAIN),
    "host_paused": Words("wait/waits: the host asked for a pause", "They are tried again by themselves."),
    "fetch_tls": Words(
        "could not be fetched: no secure connection", "The server's certificate may be wrong or out of date."
    ),
    "fetch_too_large": Words("have/has too many bytes", "Make them smaller; TAGLINE_FETCH_MAX_BYTES is the limit."),
    "fetch_too_many_redirects": Words("could not be fetched: they lead on and on", "Give the address at the end."),
    "fetch_bad_redirect": Words("could not be fetched: they lead nowhere", "Check the address in a browser."),
    "fetch_truncated": Words("arrived incomplete", _AGAIN),
    "fetch_failed": Words("could not be fetched", "Check the address, or try again later."),
    "s3_uri_invalid": Words("have/has an S3 address that is none", "Write s3://bucket/path/photo.jpg."),
    "s3_not_found": Words("are/is not there: S3 has no such object or bucket", "Check bucket and path."),
    "s3_access_denied": Words(
        "could not be read: S3 refuses", "The service's S3 account must be allowed to read them."
    ),
    "s3_archived": Words("are/is archived in S3", "Restore them there first, then retry."),
    "s3_encrypted": Words("are/is encrypted with a key that is not ours", "Give the service the key, or a plain copy."),
    "s3_misconfigured": Words("could not be read: S3 is not set up right here", "Tell the operator, then retry."),
    "s3_refused": Words("could not be read: S3 refuses", "The message says S3's own reason."),
    "s3_unavailable": Words("could not be read: S3 does not answer", _AGAIN),
    "s3_prefix_empty": Words("could not be found: there is no photo below that S3 path", "Check bucket and path."),
    "too_many_inputs": Words("were/was left out: there are more than a job may have", "Submit them in several jobs."),
    "interactive_too_large": Words("were/was left out: too many for an interactive job", "Submit them as a bulk job."),
    "upload_not_found": Words("are/is gone from the uploads", "Send them again."),
    "folder_not_allowed": Words(
        "lie/lies in a folder that may not be read", "The operator names such folders in TAGLINE_FOLDERS."
    ),
    "folder_unavailable": Words("could not be read: the folder is not there", "Is the disk mounted? Then retry."),
    "file_not_found": Words("are/is not there: no such file", "Check the path."),
    "file_not_regular": Words("are/is folders or devices instead of files", "Check the path."),
    "file_unreadable": Words("could not be read from the disk", "Check who may read them, and the disk."),
    "input_kind_unknown": Words("are/is of a kind that this worker does not know", "Update the workers, then retry."),
    "image_empty": Words("have/has no bytes", _SEND_WHOLE),
    "image_unsupported": Words(
        "are/is no photos that can be read", "The message says what they are, and what to send."
    ),
    "image_truncated": Words("are/is cut off", _SEND_WHOLE),
    "image_corrupt": Words("are/is damaged", _SEND_WHOLE),
    "image_too_large": Words("have/has too many pixels", "Make them smaller; TAGLINE_IMAGE_MAX_PIXELS is the limit."),
    "text_empty": Words("have/has no words", "Write something."),
    "labels_unreadable": Words("could not be tagged: none of your labels can be read", "Write them in Latin letters."),
    "text_no_latin_letters": Words(
        "have/has no Latin letters", "The language models know English, French and Spanish only."
    ),
    "option_invalid": Words("could not be done by this worker: it is of another version", "Update it, then retry."),
    "model_unavailable": Words("could not be done: the worker does not have the model", _LOG),
    "inference_failed": Words("could not be done: the model failed on them", _LOG),
    "inference_hung": Words("could not be done: the model came to no end", _LOG),
    "worker_resources": Words("could not be done: the worker ran out of memory or the like", _AGAIN),
    "worker_crashed": Words("could not be done: workers died of them", _LOG),
    "worker_stopping": Words("were/was given back: the worker was stopped", "They are run again by themselves."),
    "internal_error": Words("could not be done: a fault of ours", _LOG),
}
