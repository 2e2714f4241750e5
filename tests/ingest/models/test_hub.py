"""The hub, played by a local server that speaks the few routes of its protocol that are used."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from nwh.ingest.models import load

COMMITS = {"main": "a" * 40, "step1000": "b" * 40, "step20": "c" * 40}


@pytest.fixture(scope="module")
def hub(model_folder):
    """Serve `lab/tiny`, `lab/series_0` and `lab/series_5`, three branches each; the server's address."""
    files = {file.name: file.read_bytes() for file in model_folder("gpt_neox").iterdir()}

    class Hub(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def reply(self, status, body=b"", **headers):
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def do_GET(self):
            path, _, query = self.path.partition("?")
            parts = path.strip("/").split("/")
            if parts == ["api", "models"]:
                found = [{"id": f"lab/series_{step}"} for step in (5, 0)] + [{"id": "lab/seriesly"}]
                assert "author=lab" in query
                return self.reply(200, json.dumps(found).encode(), Content_Type="application/json")
            name = "/".join(parts[2:4] if parts[0] == "api" else parts[:2])
            if name not in ("lab/tiny", "lab/series_0", "lab/series_5", "lab/pickled"):
                return self.reply(404, X_Error_Code="RepoNotFound")
            if parts[-1] == "refs":
                refs = [{"name": b, "ref": f"refs/heads/{b}", "targetCommit": c} for b, c in COMMITS.items()]
                body = json.dumps({"branches": refs, "tags": [], "converts": []}).encode()
                return self.reply(200, body, Content_Type="application/json")
            if "resolve" not in parts:
                return self.reply(404, X_Error_Code="EntryNotFound")
            revision, file = parts[parts.index("resolve") + 1 :]
            commit = revision if revision in COMMITS.values() else COMMITS.get(revision)
            if commit is None:
                return self.reply(404, X_Error_Code="RevisionNotFound")
            if name == "lab/pickled" and file == "pytorch_model.bin":
                assert self.command == "HEAD", "fetched before it is refused"
                return self.reply(200, b"pickle", ETag='"0"', X_Repo_Commit=commit)
            if file not in files or (name == "lab/pickled" and "safetensors" in file):
                return self.reply(404, X_Error_Code="EntryNotFound", X_Repo_Commit=commit)
            etag = f'"{hashlib.sha256(files[file]).hexdigest()}"'
            return self.reply(200, files[file], ETag=etag, X_Repo_Commit=commit)

        do_HEAD = do_GET

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


SHOW = (
    "c = load('lab/tiny', 'step1000', device='cpu').checkpoint; print(c.source, c.revision, c.step, c.weights_sha256)"
)
LISTS = "print(list_checkpoints('lab/tiny'), list_checkpoints('lab/series_{checkpoint}'))"
REFUSED = {
    "load('lab/tiny', 'step7')": "UsageError lab/tiny has no checkpoint 'step7'; it has: step20",
    "load('lab/series_{checkpoint}', '7')":
        "UsageError lab/series_{checkpoint} has no checkpoint '7'; it has: 0, 5",
    "load('lab/pickled')": "ModelError lab/pickled has pickled weights only (pytorch_model.bin)",
    "load('lab/other')": "RepositoryMissing there is no folder and no hub repository 'lab/other'",
    "load('not a name')": "RepositoryMissing there is no folder and no hub repository 'not a name'",
}  # fmt: skip


def run(statements, home, **settings):
    """Run statements in a process of their own, for the hub's address is read at import; what each prints."""
    program = (
        "import contextlib, io, json, sys\n"
        "from nwh.warehouse.errors import NwhError\n"
        "from nwh.ingest.models import *\n"
        "for statement in sys.argv[1:]:\n"
        "    with contextlib.redirect_stdout(io.StringIO()) as printed:\n"
        "        try:\n            exec(statement)\n"
        "        except NwhError as error:\n            print(type(error).__name__, error)\n"
        "    print(json.dumps(printed.getvalue().strip()))\n"
    )
    environment = {**os.environ, "HF_HOME": str(home), **settings}
    command = [sys.executable, "-c", program, *statements]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    printed = [json.loads(line) for line in done.stdout.splitlines()]
    return dict(zip(statements, printed, strict=True))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def answers(hub, home):
    """Return what each statement prints where the hub is there."""
    return run([SHOW, LISTS, *REFUSED], home, HF_ENDPOINT=hub)


def test_a_revision_of_a_repository(answers, home, model_folder):
    local = load(str(model_folder("gpt_neox")), device="cpu").checkpoint
    expected = f"lab/tiny {'b' * 40} 1000 {local.weights_sha256}"
    assert answers[SHOW] == expected
    assert run([SHOW], home, HF_HUB_OFFLINE="1") == {SHOW: expected}  # from the cache


def test_checkpoints_of_a_repository_and_of_a_pattern(answers):
    assert answers[LISTS] == "['step20', 'step1000', 'main'] ['0', '5']"


@pytest.mark.parametrize("statement", REFUSED)
def test_what_the_hub_does_not_have(answers, statement):
    assert answers[statement].startswith(REFUSED[statement])


@pytest.mark.parametrize(
    ("statements", "settings"),
    [
        (["load('lab/tiny')", "list_checkpoints('lab/tiny')"], {"HF_HUB_OFFLINE": "1"}),
        (["list_checkpoints('lab/tiny')"], {"HF_ENDPOINT": "http://127.0.0.1:9"}),
    ],
)
def test_no_network_is_one_line(tmp_path, statements, settings):
    for said in run(statements, tmp_path, **settings).values():
        assert said.startswith("ModelError")
        assert "lab/tiny" in said
        assert "check the network" in said
        assert "\n" not in said
