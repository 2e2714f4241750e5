"""The demo's findings: every statement is SQL that runs, and no row leaves open which model it is of."""

from __future__ import annotations

import pytest

from nwh.ingest.demo.findings import FINDINGS
from nwh.ingest.demo.run import MODEL
from nwh.warehouse import Warehouse
from nwh.warehouse.names import short_name


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    return Warehouse.create(tmp_path_factory.mktemp("demo") / "w")


@pytest.mark.parametrize("finding", FINDINGS, ids=lambda finding: finding.title[:40])
def test_a_finding_is_of_one_model_or_says_which(warehouse, finding):
    columns = warehouse.sql(finding.sql).columns
    of_one = f"model = '{short_name(MODEL)}'" in finding.sql
    assert of_one or any(column in ("model", "model_before") for column in columns)
    assert not of_one or "MiniLM" in finding.title
