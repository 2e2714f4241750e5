"""The demo's findings as examples of SQL, for pages."""

from __future__ import annotations


def examples() -> list[tuple[str, str]]:
    """Return (question, SQL that answers it)."""
    from ingest.demo_findings import FINDINGS

    return [(finding.title, finding.sql) for finding in FINDINGS]
