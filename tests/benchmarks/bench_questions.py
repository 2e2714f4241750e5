"""How long statements take that a researcher would type: each by `nwh sql` in a process of its own, and again warm.

    python -m tests.benchmarks.bench_questions --warehouse DIR [--repeats 5]

The statements are those of questions.sql. Cold is the whole process, its start included; warm the median in a process
that has run the statement once. Printed in milliseconds, the slowest warm ones last.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

from nwh.warehouse import Warehouse


def questions() -> list[str]:
    """Return the statements of questions.sql, without their comments."""
    text = Path(__file__).with_name("questions.sql").read_text()
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    return [statement.strip() for statement in lines.split(";") if statement.strip()]


def seconds(work: object) -> float:
    """Return how long a call takes."""
    began = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - began


def main() -> None:
    """Run every statement and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--warehouse", required=True)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    warehouse = Warehouse.open(options.warehouse)
    nwh = [sys.executable, "-m", "nwh", "--warehouse", options.warehouse, "sql", "--format", "csv"]
    rows = []
    for statement in questions():
        command = [*nwh, statement]
        cold = seconds(lambda command=command: subprocess.run(command, check=True, capture_output=True))
        asked = [
            seconds(lambda statement=statement: warehouse.sql(statement).fetchall()) for _ in range(options.repeats + 1)
        ]
        rows.append((statistics.median(asked[1:]), cold, " ".join(statement.split())[:90]))
    print("| statement | cold | warm |\n|---|---:|---:|")
    for warm, cold, statement in sorted(rows):
        print(f"| `{statement}` | {cold * 1000:,.0f} | {warm * 1000:,.0f} |")
    print(f"\n{len(rows)} statements; cold at most {max(row[1] for row in rows):.2f} s", end=", ")
    print(f"warm at most {max(row[0] for row in rows) * 1000:,.0f} ms")


if __name__ == "__main__":
    main()
