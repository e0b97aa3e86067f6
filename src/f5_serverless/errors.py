"""Every error this package raises on purpose, under one root.

An error carries a stable ``code`` (for programs), a message (for people), the request ``field`` it is about
when there is one, whether sending the same job again can help (``retryable``), and a ``hint``: what to do.
Errors are raised where the fault is found and caught once, at the edge (worker, HTTP server, command line);
:meth:`F5Error.to_dict` is what the caller sees. It never holds a traceback, a secret or a signed URL, so a message
must not quote one.

This module knows nothing else of the package.
"""

from __future__ import annotations

from typing import Any, ClassVar


class F5Error(Exception):
    """Root of all errors. Subclasses set ``code``, ``retryable`` and a default ``hint``."""

    code: ClassVar[str] = "internal"
    retryable: bool = False
    hint: str = "This is a fault of the service. Report it with the job id."

    def __init__(
        self, message: str, *, field: str | None = None, hint: str | None = None, retryable: bool | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        if hint is not None:
            self.hint = hint
        if retryable is not None:
            self.retryable = retryable

    def to_dict(self) -> dict[str, Any]:
        """The error as every entry shows it: ``{code, message, field, retryable, hint}``."""
        return {
            "code": self.code,
            "message": self.message,
            "field": self.field,
            "retryable": self.retryable,
            "hint": self.hint,
        }


class InternalError(F5Error):
    """Something this package did not foresee. The cause is in the log, never in the answer."""


# ---------------------------------------------------------------------------------------------- the caller's input


class InputError(F5Error):
    """The request cannot be carried out as it stands. Command line: exit code 2. Never retryable."""

    code = "invalid_request"
    hint = "Correct the request and send it again."


class UnknownField(InputError):
    """The request has a key that nothing reads."""

    code = "unknown_field"
    hint = "Remove the field or correct its name; `f5-serverless schema` lists all of them."


class Contradiction(InputError):
    """Two parts of the request cannot both be meant."""

    code = "contradictory_request"


class LimitExceeded(InputError):
    """The request is larger than this deployment allows."""

    code = "limit_exceeded"
    hint = "Split the job, or raise the limit where the worker is configured."


class NotAvailable(InputError):
    """The request is valid, but the engine or deployment at hand cannot do it."""

    code = "not_available"
    hint = "Run `f5-serverless doctor` to see what can run here and what is missing."


class SourceNotFound(InputError):
    """An input file, URL, voice or object does not exist."""

    code = "source_not_found"
    hint = "Check the address; the object may have been moved or the link may have expired."


class SourceForbidden(InputError):
    """The server or store behind an input address does not let this caller read it."""

    code = "source_forbidden"
    hint = "Check that the link has not expired and that the worker's key may read the object."


class SourceUnreadable(InputError):
    """An input address names something that is no file with contents: a directory, a device, a pipe."""

    code = "source_unreadable"
    hint = "Name a regular file that this user may read."


class SourceRefused(InputError):
    """An input address that this entry must not open (private network, local file from a remote caller, scheme)."""

    code = "source_refused"
    hint = "Use a public http(s) or s3:// address, or ask the operator to allow the host (F5_ALLOW_HOSTS)."


class AudioError(InputError):
    """An audio file was opened and cannot be used. Subclasses say why."""

    code = "audio_unusable"
    hint = "Export the recording again, for instance as WAV or FLAC, and check that it plays."


class NotAudio(AudioError):
    """The file is no audio or video file, or has no audio stream."""

    code = "not_audio"


class AudioEmpty(AudioError):
    """The file holds no samples."""

    code = "audio_empty"


class AudioSilent(AudioError):
    """The file decodes, and holds nothing but silence."""

    code = "audio_silent"


class AudioTruncated(AudioError):
    """The file ends before the length that its header promises."""

    code = "audio_truncated"


class AudioCorrupt(AudioError):
    """The file starts like audio and cannot be decoded."""

    code = "audio_corrupt"


class AudioTooLarge(AudioError):
    """The file is longer, larger, or expands to more than the limit allows."""

    code = "audio_too_large"
    hint = "Split the recording, or raise the limit where the worker is configured."


class AlignmentImpossible(InputError):
    """The text cannot be what is said in the recording (for instance: far too many words for its length)."""

    code = "alignment_impossible"
    hint = "Check that text and recording belong together."


# ------------------------------------------------------------------------------------------------ sources and stores


class FetchFailed(F5Error):
    """An input could not be fetched although its address is allowed: time-out, reset, server error."""

    code = "fetch_failed"
    retryable = True
    hint = "Send the job again; if it fails again, check that the server answers."


class StorageError(F5Error):
    """The output store refused or failed. Subclasses say how."""

    code = "storage_failed"
    retryable = True
    hint = "Send the job again; if it fails again, check the store's settings with `f5-serverless doctor`."


class StoreFull(StorageError):
    """The store has no room left."""

    code = "storage_full"
    retryable = False
    hint = "Free space where outputs are stored, or choose another place (F5_OUTPUT_DIR, S3_BUCKET)."


class StoreForbidden(StorageError):
    """The store is there and does not let this process do what it must."""

    code = "storage_forbidden"
    retryable = False
    hint = "Give the worker's user or key the rights to read, write, list and delete there."


class StoreMissing(StorageError):
    """The bucket that outputs should go to does not exist."""

    code = "storage_missing"
    retryable = False
    hint = "Create the bucket or correct S3_BUCKET; check AWS_ENDPOINT_URL and AWS_REGION too."


class StoreCredentials(StorageError):
    """The store does not know the worker's key, or the secret or session token is wrong or expired."""

    code = "storage_credentials"
    retryable = False
    hint = "Correct AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN, if one is set)."


class StoreClockSkew(StorageError):
    """The clocks of worker and store differ by more than signatures allow."""

    code = "storage_clock_skew"
    retryable = False
    hint = "Set the worker's clock (NTP); signatures are valid for 15 minutes around it."


class StoreMisconfigured(StorageError):
    """Endpoint, region or addressing do not fit the store."""

    code = "storage_misconfigured"
    retryable = False
    hint = "Check AWS_ENDPOINT_URL, AWS_REGION and S3_ADDRESSING (path or virtual)."


class StoreUnreachable(StorageError):
    """No connection to the store, or no answer from it in time."""

    code = "storage_unreachable"
    hint = "Send the job again; if it fails again, check AWS_ENDPOINT_URL and that the store is up."


# ------------------------------------------------------------------------------------------------ engines and models


class EngineUnavailable(F5Error):
    """An engine was asked for that cannot run here: package, weights or device missing."""

    code = "engine_unavailable"
    hint = "Run `f5-serverless doctor`: it names what is missing and the command that gets it."


class EngineFailed(F5Error):
    """An engine broke while working."""

    code = "engine_failed"
    retryable = True
    hint = "Send the job again; if it fails again, report the job id."


class OutOfMemory(EngineFailed):
    """The device has no room even for one chunk."""

    code = "out_of_memory"
    hint = "Send the job again, lower F5_CHUNK_SECONDS, or use a GPU with more memory."


class ModelError(F5Error):
    """A model file is missing, damaged, or does not fit its configuration."""

    code = "model_unusable"
    hint = "Run `f5-serverless models verify`, then `f5-serverless models pull`."


class Unverified(F5Error):
    """The speech could not be made to match the text within the allowed attempts (``on_unverified: fail``)."""

    code = "unverified"
    retryable = True
    hint = "Send the job again with another seed, or use `on_unverified: warn` and read the report."


class SetupError(F5Error):
    """The environment on the volume could not be built or used."""

    code = "setup_failed"
    retryable = True
    hint = "Run `f5-serverless doctor` on the machine that holds the volume."


# ------------------------------------------------------------------------------------------------ the course of a job


class Cancelled(F5Error):
    """The job was cancelled by its caller."""

    code = "cancelled"
    hint = "Nothing is left behind; send the job again to run it."


class DeadlineExceeded(F5Error):
    """The job took longer than it was given."""

    code = "deadline_exceeded"
    retryable = True
    hint = "Send the job again (finished chunks are kept), split the text, or raise the time limit."
