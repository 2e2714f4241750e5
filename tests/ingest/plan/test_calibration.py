"""What groups take, on a clock that only the work moves: the line that the work follows, whatever is timed of it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from nwh.ingest.knowledge.passes import alike
from nwh.ingest.knowledge.reading import read_prompts
from nwh.ingest.plan import calibration, estimate, knowledge
from nwh.ingest.plan.calibration import Calibration, _line, calibrated
from nwh.ingest.plan.estimate import Timing
from nwh.ingest.prompts.stored import stored_prompts
from tests.ingest.plan.test_plan import RULES, cities  # noqa: F401

MODEL = SimpleNamespace(device=torch.device("cpu"))


class Clock:
    """Seconds that work takes: 2 for the first call, some for each call, some for each item, which are floats."""

    def __init__(self, monkeypatch, of_group: float) -> None:
        self.now, self.of_group, self.sizes = 2.0, of_group, []
        for module in (calibration, estimate):
            monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: self.now))

    def run(self, part: list[float]) -> None:
        self.now += self.of_group + sum(part) + 2 * (not self.sizes)
        self.sizes.append(len(part))


@pytest.mark.parametrize("seconds", [1, 10, 1000])
def test_what_is_not_timed_follows_from_the_line_through_what_is(monkeypatch, seconds):
    clock = Clock(monkeypatch, 0.5)
    groups = [[0.1] * size for size in (64, 1, 2, 40, 7, 3, 3, 18, 64, 12)]
    found = calibrated(MODEL, groups, len, clock.run, seconds)
    assert found.seconds(map(len, groups)) == pytest.approx(10 * 0.5 + 0.1 * 214)
    assert found.once == pytest.approx(2)
    assert found.n <= sum(clock.sizes)
    assert clock.now < 4 + 3 * seconds  # short, whatever there is to do
    assert (max(clock.sizes) < 64) == (seconds < 1000)


def test_neither_groups_nor_units_take_less_than_nothing():
    for timed, line in (([(1, 2.0), (2, 1.0)], (1.5, 0)), ([(1, 1.0), (2, 5.0)], (0, 2)), ([(4, 2.0)], (0, 0.5))):
        assert _line(timed) == pytest.approx(line)
    assert Calibration(0.5, 2, 7, 1).seconds([1, 3]) == 9


def test_what_is_timed_are_the_groups_of_the_job(cities, monkeypatch):  # noqa: F811
    warehouse, model = cities
    timed = []
    real = knowledge.of_group

    def of_group(model, group, *rest):
        timed.append(sorted(tuple(ids) for ids in group.input_ids.tolist()))
        return real(model, group, *rest)

    monkeypatch.setattr(knowledge, "of_group", of_group)
    knowledge.plan_attributions(warehouse, model, "cities", RULES, Timing(1e6))
    prompts = read_prompts(model, stored_prompts(warehouse, "cities")[0]).inputs
    groups = alike(model, prompts)
    assert max(map(len, groups)) > 2
    assert sorted(timed[-len(groups) :]) == sorted(sorted(prompts[i].input_ids for i in group) for group in groups)
