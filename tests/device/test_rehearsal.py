"""The script for machines with a GPU works, at a small size, on one without."""

from __future__ import annotations

import json

from tests.device.__main__ import main


def test_the_script_runs_on_the_cpu_and_everything_holds(tmp_path):
    assert main(["--out", str(tmp_path), "--small"]) == 0
    found = json.loads((tmp_path / "figures.json").read_text())
    assert len(found["checks"]) == 9 + 2 * 6
    assert all(check["holds"] for check in found["checks"])
    assert [(figure["dtype"], figure["k"]) for figure in found["figures"]] == [
        (dtype, k) for _ in range(2) for dtype in ("bfloat16", "float32") for k in (20, 200)
    ]
    assert [line["what"] for line in found["knowledge"][5:]] == [
        "the public way, 20 rows",
        *("riemann", "adaptive", "gradient"),
        "interventions",
    ]
    assert all(line["per_second"] > 0 for line in found["knowledge"])
    assert all(figure["ratio"] > 0 and figure["sentences"] > 64 for figure in found["figures"])
    assert "| tiny BERT | bfloat16 | 20 |" in (tmp_path / "figures.md").read_text()
