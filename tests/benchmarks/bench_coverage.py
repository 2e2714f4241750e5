"""How often 95 % intervals of the formation views hold a known mean effect, by the law that concepts' effects follow.

`python -m tests.benchmarks.bench_coverage`: for each law and number of concepts, coverage in percent of the macro
bootstrap_interval, of the percentiles of the same resamples (stretched as Hesterberg 2015, section 5.3, says) and of
BCa, and the macro's width over the percentiles'; then of concepts with prompts, drawn or not drawn as well.
"""

from __future__ import annotations

import sys

import duckdb
import numpy as np
import scipy.stats

from nwh.warehouse.catalog.sql_files import sql_files

DATA_SETS, N_PROMPTS = 2000, 6
LAWS = {  # chance and size -> effects, and their mean
    "normal": (lambda chance, size: chance.normal(0, 1, size), 0),
    "t, 3 degrees of freedom": (lambda chance, size: chance.standard_t(3, size), 0),
    "beta(0.5, 2)": (lambda chance, size: chance.beta(0.5, 2, size), 0.2),
    "exponential": (lambda chance, size: chance.exponential(1, size), 1),
    "lognormal, sigma 0.5": (lambda chance, size: chance.lognormal(0, 0.5, size), np.exp(0.125)),
    "lognormal, sigma 1": (lambda chance, size: chance.lognormal(0, 1, size), np.exp(0.5)),
    "half are 0, half gamma": (lambda chance, size: chance.integers(0, 2, size) * chance.gamma(1, 1, size), 0.5),
}
RESAMPLED = (
    "select bootstrap_means(x, 0), bootstrap_interval(bootstrap_means(x, 0), list_avg(x), len(x)) "
    "from (select unnest($sets) as x)"
)


def macros() -> duckdb.DuckDBPyConnection:
    """Return a connection with the macros of resampling."""
    connection = duckdb.connect()
    for name in ("random_bits", "bootstrap_means", "without_skewness", "bootstrap_interval"):
        connection.execute(next(file.sql for file in sql_files() if file.name == name))
    return connection


def percentiles(means: np.ndarray, estimates: np.ndarray, n: int) -> np.ndarray:
    """Return stretched percentile intervals [sets, 2] of resampled means [sets, resamples]."""
    stretch = scipy.stats.t.ppf(0.975, n - 1) / scipy.stats.norm.ppf(0.975) * np.sqrt(n / (n - 1))
    ends = np.quantile(means, [0.025, 0.975], axis=1).T
    return estimates[:, None] + (ends - estimates[:, None]) * stretch


def bca(means: np.ndarray, sets: np.ndarray) -> np.ndarray:
    """Return BCa intervals [sets, 2] of the means of sets [sets, n] (Efron 1987)."""
    estimates, errors = sets.mean(1), sets - sets.mean(1)[:, None]
    below = np.clip((means < estimates[:, None]).mean(1), 1e-3, 1 - 1e-3)
    bias, squares = scipy.stats.norm.ppf(below), (errors**2).sum(1)
    acceleration = (errors**3).sum(1) / (6 * np.where(squares > 0, squares, 1) ** 1.5)
    ends = []
    for quantile in scipy.stats.norm.ppf([0.025, 0.975]):
        shifted = bias + (bias + quantile) / (1 - acceleration * (bias + quantile))
        at = scipy.stats.norm.cdf(shifted)
        ends.append([np.quantile(row, each) for row, each in zip(means, at, strict=True)])
    return np.array(ends).T


def holds(found: np.ndarray, mean: float) -> float:
    """Return the percentage of intervals that hold the mean."""
    return float(100 * ((found[:, 0] <= mean) & (found[:, 1] >= mean)).mean())


def main(numbers: list[int]) -> None:
    """Print both tables."""
    asked = macros()
    print(f"{'effects of concepts':26} {'n':>3} {'macro':>6} {'percentiles':>12} {'BCa':>6} {'width':>6}")
    for name, (law, mean) in LAWS.items():
        for n in numbers:
            sets = law(np.random.default_rng(n), (DATA_SETS, n))
            rows = asked.execute(RESAMPLED, {"sets": sets.tolist()}).fetchall()
            means, found = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
            other = percentiles(means, sets.mean(1), n)
            width = np.mean(found[:, 1] - found[:, 0]) / np.mean(other[:, 1] - other[:, 0])
            figures = f"{holds(found, mean):6.1f} {holds(other, mean):12.1f} {holds(bca(means, sets), mean):6.1f}"
            print(f"{name:26} {n:3} {figures} {width:6.2f}", flush=True)
    print(f"\nConcepts with {N_PROMPTS} prompts: intervals from resamples of concepts, and of their prompts as well")
    print(f"{'between and within concepts':30} {'n':>3} {'concepts':>9} {'prompts too':>12}")
    for between, within in ((10, 5), (10, 30), (3, 30)):
        for n in numbers:
            chance = np.random.default_rng(n)
            sets = chance.normal(0, between, (DATA_SETS // 4, n, 1)) + chance.normal(
                0, within, (DATA_SETS // 4, n, N_PROMPTS)
            )
            drawn, twice = chance.integers(0, n, (1000, n)), []
            for of in sets:
                again = chance.integers(0, N_PROMPTS, (1000, n, N_PROMPTS))
                twice.append(of[drawn[..., None], again].mean((1, 2)))
            query = "select bootstrap_interval(m, e, $n) from (select unnest($means) as m, unnest($estimates) as e)"
            estimates = sets.mean((1, 2))
            figures = []
            for means in (sets.mean(2)[:, drawn].mean(2), np.array(twice)):
                asked_for = {"means": means.tolist(), "estimates": estimates.tolist(), "n": n}
                figures.append(holds(np.array([row[0] for row in asked.execute(query, asked_for).fetchall()]), 0))
            print(f"{f'{between} and {within}':30} {n:3} {figures[0]:9.1f} {figures[1]:12.1f}", flush=True)


if __name__ == "__main__":
    main([int(text) for text in sys.argv[1:]] or [8, 12, 20, 35])
