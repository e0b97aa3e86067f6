"""A botocore client for any S3-compatible store, each of whose waits ends by a deadline.

In: `S3Options` and a function that gives the current thread's `Deadline`. Out: the client. botocore signs, builds and
parses; it does not repeat (`s3_client` does, within the deadline), and sends through `BoundedSocket`s. Checksum headers
that only AWS knows are not sent: Backblaze B2 and others refuse them.
"""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from f5_serverless import __version__
from f5_serverless.errors import NotAvailable, StoreMisconfigured
from f5_serverless.storage.deadline import BoundedSocket, Deadline
from f5_serverless.storage.s3_address import addressing_of, region_of

ADDRESSINGS = ("auto", "path", "virtual")


class S3Settings(Protocol):
    """What `S3Options.of` reads. `f5_serverless.config.Settings` is one."""

    @property
    def s3_bucket(self) -> str: ...
    @property
    def s3_prefix(self) -> str: ...
    @property
    def s3_addressing(self) -> str: ...
    @property
    def s3_seconds(self) -> float: ...
    @property
    def aws_access_key_id(self) -> str: ...
    @property
    def aws_secret_access_key(self) -> str: ...
    @property
    def aws_session_token(self) -> str: ...
    @property
    def aws_region(self) -> str: ...
    @property
    def aws_endpoint_url(self) -> str: ...
    @property
    def url_expires(self) -> int: ...


@dataclass(frozen=True)
class S3Options:
    """Where the store is and who we are there. Times in seconds.

    Without ``access_key`` botocore looks for a profile or an instance role. ``total_seconds`` bounds one transfer with
    all its repetitions; ``wait_seconds`` one wait on the network. Objects of more than ``part_bytes`` travel in parts.
    """

    endpoint: str = ""
    region: str = ""
    access_key: str = field(default="", repr=False)
    secret_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)
    addressing: str = "auto"
    connect_seconds: float = 5.0
    wait_seconds: float = 20.0
    total_seconds: float = 600.0
    attempts: int = 5
    backoff_seconds: float = 0.2
    part_bytes: int = 8 << 20

    @classmethod
    def of(cls, settings: S3Settings) -> S3Options | None:
        """From the deployment's settings; None where nothing points to a store. Raises `StoreMisconfigured`."""
        if not (settings.s3_bucket or settings.aws_access_key_id or settings.aws_endpoint_url):
            return None
        endpoint = settings.aws_endpoint_url.rstrip("/")
        if endpoint and not endpoint.startswith(("http://", "https://")):
            raise StoreMisconfigured("AWS_ENDPOINT_URL must start with http:// or https://.", field="AWS_ENDPOINT_URL")
        if settings.s3_addressing not in ADDRESSINGS:
            raise StoreMisconfigured("S3_ADDRESSING must be auto, path or virtual.", field="S3_ADDRESSING")
        return cls(
            endpoint=endpoint,
            region=settings.aws_region,
            access_key=settings.aws_access_key_id.strip(),
            secret_key=settings.aws_secret_access_key.strip(),
            session_token=settings.aws_session_token.strip(),
            addressing=settings.s3_addressing,
            total_seconds=settings.s3_seconds,
        )


def make_client(options: S3Options, current: Callable[[], Deadline]) -> Any:
    """The botocore client. Raises `NotAvailable` without boto3, `StoreMisconfigured` for settings that do not fit."""
    try:
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ImportError as error:
        raise NotAvailable(
            "S3 needs the package boto3, which is not installed.", hint="Run `pip install 'f5-serverless[serve]'`."
        ) from error
    _quieten()
    style = options.addressing if options.addressing != "auto" else addressing_of(options.endpoint)
    config = Config(
        signature_version="s3v4",
        connect_timeout=options.connect_seconds,
        read_timeout=options.wait_seconds,
        retries={"mode": "adaptive", "total_max_attempts": 1},
        max_pool_connections=8,
        s3={"addressing_style": style},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        user_agent_extra=f"f5-serverless/{__version__}",
    )
    try:
        with _CREATING:  # a session makes one client at a time
            session = _session()
            region = (
                options.region or region_of(options.endpoint) or session.get_config_variable("region") or "us-east-1"
            )
            client = session.create_client(
                "s3",
                region_name=region,
                endpoint_url=options.endpoint or None,
                aws_access_key_id=options.access_key or None,
                aws_secret_access_key=options.secret_key or None,
                aws_session_token=options.session_token or None,
                config=config,
            )
    except (BotoCoreError, ValueError) as error:
        raise StoreMisconfigured(
            f"The settings of the S3 store do not fit together ({type(error).__name__})."
        ) from error
    sender = _bounded_session(options, current)
    client.meta.events.register("before-send.s3", lambda request, **_: sender.send(request))
    return client


_CREATING = threading.Lock()


@functools.cache
def _session() -> Any:
    """One botocore session for the process: reading its service descriptions takes longer than most requests."""
    from botocore.session import Session

    return Session()


def faults() -> tuple[type[Exception], ...]:
    """Everything that a call, or reading its body, may raise when the store or the network fails."""
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError
    from urllib3.exceptions import HTTPError

    return (ClientError, BotoCoreError, HTTPError, ResponseParserError, OSError)


def _quieten() -> None:
    """At DEBUG these loggers print whole requests, with signatures and session tokens."""
    for name in ("botocore", "boto3", "urllib3", "s3transfer"):
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.WARNING))


def _bounded_session(options: S3Options, current: Callable[[], Deadline]) -> Any:
    """botocore's HTTP session (pool, proxies, certificates) on sockets that know the deadline."""
    from botocore import awsrequest
    from botocore.httpsession import URLLib3Session
    from botocore.utils import get_environ_proxies

    class Bounded:
        def connect(self: Any) -> None:
            self.timeout = current().left(options.connect_seconds)
            super().connect()  # type: ignore[misc]
            self.timeout = options.wait_seconds
            self.sock = BoundedSocket(self.sock, current, options.wait_seconds)

    class Http(Bounded, awsrequest.AWSHTTPConnection):  # type: ignore[misc]
        pass

    class Https(Bounded, awsrequest.AWSHTTPSConnection):  # type: ignore[misc]
        pass

    class HttpPool(awsrequest.AWSHTTPConnectionPool):  # type: ignore[misc]
        ConnectionCls = Http

    class HttpsPool(awsrequest.AWSHTTPSConnectionPool):  # type: ignore[misc]
        ConnectionCls = Https

    session = URLLib3Session(
        timeout=(options.connect_seconds, options.wait_seconds),
        max_pool_connections=8,
        proxies=get_environ_proxies(options.endpoint or "https://s3.amazonaws.com"),
    )
    pools = {"http": HttpPool, "https": HttpsPool}
    session._pool_classes_by_scheme = pools
    session._manager.pool_classes_by_scheme = pools
    return session
