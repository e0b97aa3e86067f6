"""What an S3 store's refusals mean: its many codes → this package's few errors.

The same refusal has two readings: where an input is read it is about the caller's address (`SourceNotFound`), where an
output is written it is about the operator's store (`StoreMissing`). Messages name the bucket and the object, never a
key id, a signature or a URL with a query.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from f5_serverless.errors import (
    F5Error,
    FetchFailed,
    SourceForbidden,
    SourceNotFound,
    StorageError,
    StoreClockSkew,
    StoreCredentials,
    StoreForbidden,
    StoreFull,
    StoreMisconfigured,
    StoreMissing,
    StoreUnreachable,
)

SKEW_SECONDS = 14 * 60.0
now = time.time


class Changed(Exception):
    """The object was replaced while it was read: begin again."""


@dataclass(frozen=True, slots=True)
class _Meaning:
    store: type[F5Error]
    source: type[F5Error]
    text: str
    retryable: bool


_NO_BUCKET = _Meaning(StoreMissing, SourceNotFound, "there is no such bucket", False)
_NO_KEY = _Meaning(SourceNotFound, SourceNotFound, "there is no such object", False)
_KEYS = _Meaning(StoreCredentials, StoreCredentials, "the store does not accept the worker's key or secret", False)
_CLOCK = _Meaning(StoreClockSkew, StoreClockSkew, "the worker's clock and the store's differ too much", False)
_DENIED = _Meaning(StoreForbidden, SourceForbidden, "the worker's key has no right to do this", False)
_REGION = _Meaning(
    StoreMisconfigured, StoreMisconfigured, "the bucket is in another region or at another endpoint", False
)
_ODD = _Meaning(StoreMisconfigured, StoreMisconfigured, "the store does not understand the request", False)
_FULL = _Meaning(StoreFull, StoreFull, "the store takes no more data", False)
_BUSY = _Meaning(StorageError, FetchFailed, "the store is busy or has an inner fault", True)
_DOWN = _Meaning(StoreUnreachable, FetchFailed, "the store cannot be reached, or broke the connection", True)
_SLOW = _Meaning(StoreUnreachable, FetchFailed, "the store did not answer in the time allowed", True)
_TLS = _Meaning(StoreUnreachable, FetchFailed, "the store has no valid certificate", False)
_CUT = _Meaning(StorageError, FetchFailed, "the store's answer was damaged on its way", True)

_CODES = {
    "NoSuchBucket": _NO_BUCKET,
    "NoSuchKey": _NO_KEY,
    "NoSuchVersion": _NO_KEY,
    "NotFound": _NO_KEY,
    "InvalidObjectState": _DENIED,
    "AccessDenied": _DENIED,
    "AllAccessDisabled": _DENIED,
    "AccountProblem": _DENIED,
    "Forbidden": _DENIED,
    "InvalidAccessKeyId": _KEYS,
    "SignatureDoesNotMatch": _KEYS,
    "InvalidToken": _KEYS,
    "ExpiredToken": _KEYS,
    "TokenRefreshRequired": _KEYS,
    "InvalidSecurity": _KEYS,
    "UnauthorizedAccess": _KEYS,
    "Unauthorized": _KEYS,
    "AuthFailure": _KEYS,
    "RequestTimeTooSkewed": _CLOCK,
    "RequestExpired": _CLOCK,
    "PermanentRedirect": _REGION,
    "TemporaryRedirect": _REGION,
    "AuthorizationHeaderMalformed": _REGION,
    "IllegalLocationConstraintException": _REGION,
    "EntityTooLarge": _FULL,
    "QuotaExceeded": _FULL,
    "InsufficientStorage": _FULL,
    "XMinioStorageFull": _FULL,
    "XMinioAdminBucketQuotaExceeded": _FULL,
    "SlowDown": _BUSY,
    "SlowDownWrite": _BUSY,
    "SlowDownRead": _BUSY,
    "Throttling": _BUSY,
    "TooManyRequests": _BUSY,
    "ServiceUnavailable": _BUSY,
    "InternalError": _BUSY,
    "OperationAborted": _BUSY,
    "RequestTimeout": _SLOW,
    "BadDigest": _CUT,
    "XAmzContentSHA256Mismatch": _CUT,
    "IncompleteBody": _CUT,
    "InvalidDigest": _CUT,
}
_STATUS = {
    301: _REGION,
    307: _REGION,
    400: _ODD,
    401: _KEYS,
    403: _DENIED,
    404: _NO_KEY,
    408: _SLOW,
    409: _BUSY,
    413: _FULL,
}
_STATUS |= {425: _BUSY, 429: _BUSY, 501: _ODD, 507: _FULL}

_EXCEPTIONS = (  # by name, so that this loads no botocore; the first row that names the class or an ancestor counts
    ("NoCredentialsError", _Meaning(StoreCredentials, StoreCredentials, "the worker has no key for the store", False)),
    ("PartialCredentialsError", _KEYS),
    ("CredentialRetrievalError", _KEYS),
    ("ConnectTimeoutError", _DOWN),
    ("ReadTimeoutError", _SLOW),
    ("TimeoutError", _SLOW),
    ("ParamValidationError", _ODD),
    ("InvalidEndpointError", _ODD),
    ("ResponseParserError", _CUT),
    ("IncompleteReadError", _CUT),
    ("ResponseStreamingError", _DOWN),
    ("ConnectionError", _DOWN),
    ("HTTPClientError", _DOWN),
    ("HTTPError", _DOWN),
    ("OSError", _DOWN),
    ("BotoCoreError", _ODD),
)


def status_and_code(error: Exception) -> tuple[int, str]:
    """HTTP status and S3 code of a `botocore.exceptions.ClientError`; (0, "") of anything else."""
    response: Any = getattr(error, "response", None)
    if not isinstance(response, dict) or "Error" not in response:
        return 0, ""
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)), str(response["Error"].get("Code", ""))


def explain(error: Exception, what: str, *, field: str | None, source: bool) -> F5Error | None:
    """``error`` as this package's error; None where it is none of the store's making. ``what``: "read s3://b/k"."""
    meaning = _meaning(error)
    if meaning is None:
        return None
    status, code = status_and_code(error)
    kind = meaning.source if source else meaning.store
    detail = f" ({code[:40]}, HTTP {status})" if code and not code.isdigit() else f" (HTTP {status})" if status else ""
    return kind(f"Could not {what}: {meaning.text}{detail}.", field=field, retryable=meaning.retryable)


def _clock_is_wrong(error: Exception) -> bool:
    """Whether the store's own clock, in the answer's ``Date``, is too far from ours: some stores only say "denied"."""
    response: Any = getattr(error, "response", None) or {}
    date = response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    try:
        return date is not None and abs(parsedate_to_datetime(date).timestamp() - now()) > SKEW_SECONDS
    except ValueError:
        return False  # no date that can be read: then it says nothing


def _meaning(error: Exception) -> _Meaning | None:
    status, code = status_and_code(error)
    if status in (400, 401, 403) and _clock_is_wrong(error):
        return _CLOCK
    if code or status:
        return _CODES.get(code) or _STATUS.get(status) or (_BUSY if status >= 500 or status == 0 else _ODD)
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return _TLS
    names = [kind.__name__ for kind in type(error).__mro__]
    for name, meaning in _EXCEPTIONS:
        if name in names:
            return meaning
    return None
