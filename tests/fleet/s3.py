"""A server that answers as S3 does. Its packages are not those of development."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def bucket_of_s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Start a server for the test; yield the name of a bucket there."""
    s3fs = pytest.importorskip("s3fs", reason="needs rheo-tui[s3]")
    s3fs.S3FileSystem.clear_instance_cache()  # they know the server of another test
    moto = pytest.importorskip("moto.server", reason="needs moto[server]")
    import boto3

    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    values = {"ACCESS_KEY_ID": "id", "SECRET_ACCESS_KEY": "key", "DEFAULT_REGION": "us-east-1"}
    for name, value in {**values, "ENDPOINT_URL": f"http://{host}:{port}"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    name = f"bucket-{uuid.uuid4()}"
    boto3.client("s3").create_bucket(Bucket=name)
    try:
        yield name
    finally:
        server.stop()
