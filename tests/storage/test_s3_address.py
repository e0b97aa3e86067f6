"""S3 addresses, endpoints, settings and the reading of refusals: pure functions, no server."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, SSLError

from f5_serverless.config import Settings
from f5_serverless.errors import SourceRefused, StoreMisconfigured
from f5_serverless.storage.outputs import LocalStore
from f5_serverless.storage.s3_address import addressing_of, locate, region_of
from f5_serverless.storage.s3_errors import explain
from f5_serverless.storage.s3_store import S3Store
from f5_serverless.storage.s3_transport import S3Options
from f5_serverless.storage.stores import open_store

R2 = "https://0123abcd.r2.cloudflarestorage.com"
B2 = "https://s3.us-west-004.backblazeb2.com"
WASABI = "https://s3.eu-central-1.wasabisys.com"
MINIO = "http://10.0.0.5:9000"


@pytest.mark.parametrize(
    ("address", "endpoint", "place"),
    [
        ("s3://talks/a/b.wav", "", ("talks", "a/b.wav")),
        ("s3://talks/a/b.wav", MINIO, ("talks", "a/b.wav")),
        ("S3://talks/ü 100%.wav?x#y", "", ("talks", "ü 100%.wav?x#y")),
        ("https://talks.s3.eu-west-1.amazonaws.com/a%20b.wav", "", ("talks", "a b.wav")),
        ("https://talks.s3.amazonaws.com/a.wav", "", ("talks", "a.wav")),
        ("https://my.dotted.talks.s3.eu-west-1.amazonaws.com/a.wav", "", ("my.dotted.talks", "a.wav")),
        ("https://talks.s3-us-west-2.amazonaws.com/a.wav", "", ("talks", "a.wav")),
        ("https://talks.s3.dualstack.eu-west-1.amazonaws.com/a.wav", "", ("talks", "a.wav")),
        ("https://s3.eu-west-1.amazonaws.com/talks/a.wav", "", ("talks", "a.wav")),
        ("https://s3.amazonaws.com/talks/a/b.wav", "", ("talks", "a/b.wav")),
        (f"{R2}/talks/a.wav", R2, ("talks", "a.wav")),
        ("https://talks.0123abcd.r2.cloudflarestorage.com/a.wav", R2, ("talks", "a.wav")),
        (f"{B2}/talks/a.wav", B2, ("talks", "a.wav")),
        ("https://talks.s3.us-west-004.backblazeb2.com/a.wav", B2, ("talks", "a.wav")),
        ("https://talks.s3.eu-central-1.wasabisys.com/a.wav", WASABI, ("talks", "a.wav")),
        (f"{MINIO}/talks/a%2Fb.wav", MINIO, ("talks", "a/b.wav")),
        # not this store's: an ordinary web address, fetched without the worker's keys
        (f"{MINIO}/talks/a.wav", "", None),
        (f"{R2}/talks/a.wav", "", None),
        ("https://talks.s3.amazonaws.com/a.wav", MINIO, None),
        ("http://10.0.0.5:9001/talks/a.wav", MINIO, None),
        ("https://10.0.0.5:9000/talks/a.wav", MINIO, None),
        ("https://evil-s3.amazonaws.com.example/talks/a.wav", "", None),
        ("https://s3.amazonaws.com.evil.example/talks/a.wav", "", None),
        ("https://example.com/s3.amazonaws.com/a.wav", "", None),
        ("https://user:pw@s3.amazonaws.com/talks/a.wav", "", None),
        # signed: the URL carries its own right
        ("https://talks.s3.amazonaws.com/a.wav?X-Amz-Signature=1", "", None),
        (f"{MINIO}/talks/a.wav?X-Amz-Signature=1", MINIO, None),
        ("data:audio/wav,x", "", None),
        ("/a.wav", "", None),
        ("file:///a.wav", MINIO, None),
    ],
)
def test_locate(address: str, endpoint: str, place: tuple[str, str] | None) -> None:
    assert locate(address, endpoint) == place


MALFORMED = ["s3://", "s3:talks/a", "s3://talks", "s3://talks/", "s3:///a", "s3://../a", "s3://a..b/c", "s3://ta lks/a"]
MALFORMED += [
    "s3://talks/../x",
    "s3://talks/a/../../x",
    "s3://talks/./x",
    "s3://talks/a\0b",
    "s3://talks/" + "x" * 1025,
]
MALFORMED += ["s3://-x/a", "s3://u:p@talks/a", "https://s3.amazonaws.com/", "https://s3.amazonaws.com/talks"]
MALFORMED += ["https://s3.amazonaws.com/talks/%2e%2e/x"]


@pytest.mark.parametrize("address", MALFORMED)
def test_malformed_addresses(address: str) -> None:
    with pytest.raises(SourceRefused):
        locate(address, "")


@pytest.mark.parametrize(
    ("endpoint", "addressing", "region"),
    [
        ("", "virtual", None),
        ("https://s3.eu-west-1.amazonaws.com", "virtual", "eu-west-1"),
        (R2, "path", "auto"),
        ("https://0123abcd.eu.r2.cloudflarestorage.com", "path", "auto"),
        (B2, "path", "us-west-004"),
        (WASABI, "path", "eu-central-1"),
        ("https://nyc3.digitaloceanspaces.com", "path", "nyc3"),
        ("https://s3.fr-par.scw.cloud", "path", "fr-par"),
        ("https://s3api-eu-ro-1.runpod.io", "path", "eu-ro-1"),
        ("https://oss-cn-hangzhou.aliyuncs.com", "virtual", "us-east-1"),
        (MINIO, "path", "us-east-1"),
        ("https://ceph.example", "path", "us-east-1"),
    ],
)
def test_addressing_and_region_follow_the_endpoint(endpoint: str, addressing: str, region: str | None) -> None:
    assert addressing_of(endpoint) == addressing
    assert region_of(endpoint) == region


def settings(**values: str) -> Settings:
    return Settings.from_env(values)


def test_the_settings_choose_the_store() -> None:
    assert isinstance(open_store(settings()), LocalStore)
    assert S3Options.of(settings()) is None
    env = {"S3_BUCKET": "talks", "AWS_ENDPOINT_URL": R2 + "/", "AWS_ACCESS_KEY_ID": "AKIDSECRET", "S3_PREFIX": "/f5/"}
    chosen = settings(**env, AWS_SECRET_ACCESS_KEY="SECRETKEY\n", AWS_SESSION_TOKEN="SECRETTOKEN")
    store = open_store(chosen)
    assert isinstance(store, S3Store)
    assert store.describe() == "bucket talks/f5/ at 0123abcd.r2.cloudflarestorage.com"
    assert store.client.options.secret_key == "SECRETKEY"
    url = store.url("a/b ü.wav", 60)
    assert url.startswith(f"{R2}/talks/f5/a/b%20%C3%BC.wav?")
    assert "X-Amz-Expires=60" in url
    assert "%2Fauto%2Fs3%2F" in url
    assert "SECRET" not in repr(chosen) + repr(store.client.options) + store.describe()


@pytest.mark.parametrize(
    ("env", "start"),
    [
        ({}, "https://talks.s3.eu-west-1.amazonaws.com/k?"),
        ({"AWS_ENDPOINT_URL": MINIO}, "http://10.0.0.5:9000/talks/k?"),
        ({"AWS_ENDPOINT_URL": "http://minio.lan:9000", "S3_ADDRESSING": "virtual"}, "http://talks.minio.lan:9000/k?"),
        ({"S3_ADDRESSING": "path"}, "https://s3.eu-west-1.amazonaws.com/talks/k?"),
    ],
)
def test_addressing_can_be_forced(env: Mapping[str, str], start: str) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "eu-west-1", "S3_BUCKET": "talks"}
    assert open_store(settings(**keys, **env)).url("k").startswith(start)


@pytest.mark.parametrize("env", [{"AWS_ENDPOINT_URL": "minio:9000"}, {"S3_ADDRESSING": "sideways"}])
def test_settings_that_make_no_store(env: Mapping[str, str]) -> None:
    with pytest.raises(StoreMisconfigured) as caught:
        open_store(settings(S3_BUCKET="talks", **env))
    assert caught.value.field in env


def refused(code: str, status: int) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "GetObject")  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    ("error", "as_store", "as_source", "retryable"),
    [
        (refused("NoSuchBucket", 404), "storage_missing", "source_not_found", False),
        (refused("NoSuchKey", 404), "source_not_found", "source_not_found", False),
        (refused("404", 404), "source_not_found", "source_not_found", False),
        (refused("AccessDenied", 403), "storage_forbidden", "source_forbidden", False),
        (refused("403", 403), "storage_forbidden", "source_forbidden", False),
        (refused("SignatureDoesNotMatch", 403), "storage_credentials", "storage_credentials", False),
        (refused("InvalidAccessKeyId", 403), "storage_credentials", "storage_credentials", False),
        (refused("ExpiredToken", 400), "storage_credentials", "storage_credentials", False),
        (refused("RequestTimeTooSkewed", 403), "storage_clock_skew", "storage_clock_skew", False),
        (refused("PermanentRedirect", 301), "storage_misconfigured", "storage_misconfigured", False),
        (refused("AuthorizationHeaderMalformed", 400), "storage_misconfigured", "storage_misconfigured", False),
        (refused("NotImplemented", 501), "storage_misconfigured", "storage_misconfigured", False),
        (refused("SlowDown", 503), "storage_failed", "fetch_failed", True),
        (refused("InternalError", 500), "storage_failed", "fetch_failed", True),
        (refused("NeverHeardOf", 502), "storage_failed", "fetch_failed", True),
        (refused("RequestTimeout", 400), "storage_unreachable", "fetch_failed", True),
        (refused("BadDigest", 400), "storage_failed", "fetch_failed", True),
        (refused("QuotaExceeded", 403), "storage_full", "storage_full", False),
        (EndpointConnectionError(endpoint_url="http://h/?sig=SECRET"), "storage_unreachable", "fetch_failed", True),
        (SSLError(endpoint_url="h", error="CERTIFICATE_VERIFY_FAILED"), "storage_unreachable", "fetch_failed", False),
        (NoCredentialsError(), "storage_credentials", "storage_credentials", False),
        (ConnectionResetError(), "storage_unreachable", "fetch_failed", True),
        (TimeoutError(), "storage_unreachable", "fetch_failed", True),
    ],
)
def test_refusals(error: Exception, as_store: str, as_source: str, retryable: bool) -> None:
    for source, code in ((False, as_store), (True, as_source)):
        fault = explain(error, "read s3://b/k", field="audio_url" if source else None, source=source)
        assert fault is not None
        assert (fault.code, fault.retryable) == (code, retryable)
        assert fault.message.startswith("Could not read s3://b/k: ")
        assert "SECRET" not in fault.message
    assert explain(KeyError("x"), "read", field=None, source=False) is None
