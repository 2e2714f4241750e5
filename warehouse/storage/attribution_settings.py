"""The settings of runs whose rows rules of attribution make side by side, each with numbers of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_OF_ADAPTIVE = ("tolerance", "agreement", "max_evaluations")
_OF_CHOICE = ("t", "p", "negatives", "seed")


def with_rules(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings of attributions or interventions as they are written now: `rules` holds each rule's numbers.

    Versions 1 and 2 had one rule in a unit: of the attributions it was `rule`, of the interventions that of what they
    had read.
    """
    if "rules" in settings:
        return dict(settings)
    if "attributions" in settings:
        read = with_rules(settings["attributions"])
        now = {name: value for name, value in settings.items() if name not in _OF_CHOICE}
        numbers = {name: settings[name] for name in _OF_CHOICE}
        return {**now, "attributions": read, "rules": dict.fromkeys(read["rules"], numbers)}
    now = {name: value for name, value in settings.items() if name not in ("rule", "steps", *_OF_ADAPTIVE)}
    rule = settings["rule"]
    own = _OF_ADAPTIVE if rule == "adaptive" else ("steps", "tolerance")
    return {**now, "baseline": "zero", "rules": {rule: {name: settings[name] for name in own}}}


def of_rules(settings: Mapping[str, Any], rules: Iterable[str]) -> dict[str, Any]:
    """Return the settings of attributions as if these of their rules were the only ones."""
    found = with_rules(settings)
    return {**found, "rules": {rule: found["rules"][rule] for rule in rules}}


def holds(stored: Mapping[str, Any], read: Mapping[str, Any]) -> bool:
    """Return whether stored attributions are still those that were read: other rules may have come to them since."""
    wanted = with_rules(read)
    return not plan(stored, wanted).new


@dataclass(frozen=True)
class Plan:
    """What a run over rules is to do beside what is stored of its unit.

    settings: of the run, with those rules that are carried over. new: rules to be computed. lost: rules whose rows
    would go, since other settings made them.
    """

    settings: dict[str, Any]
    new: tuple[str, ...]
    lost: tuple[str, ...] = ()


def plan(stored: Mapping[str, Any] | None, wanted: dict[str, Any]) -> Plan:
    """Return what is to be done for the rules of wanted settings; stored: those of the unit's rows, null for none."""
    if stored is None:
        return Plan(wanted, tuple(wanted["rules"]))
    there = with_rules(stored)
    if _apart(there) != _apart(wanted):
        return Plan(wanted, tuple(wanted["rules"]), tuple(sorted(there["rules"].keys() - wanted["rules"].keys())))
    new = tuple(rule for rule in wanted["rules"] if _numbers(there, rule) != _numbers(wanted, rule))
    settings = {**wanted, "rules": _sorted({**there["rules"], **wanted["rules"]})}
    if read := wanted.get("attributions"):
        both = {**there["attributions"]["rules"], **read["rules"]}
        settings["attributions"] = {**read, "rules": _sorted(both)}
    return Plan(settings, new)


def _apart(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings without their rules."""
    read = settings.get("attributions")
    without = {**settings, "rules": None}
    return {**without, "attributions": {**read, "rules": None}} if read else without


def _numbers(settings: Mapping[str, Any], rule: str) -> list[Any]:
    """Return what decides a rule's rows: its own numbers and, of interventions, those of its attributions."""
    return [part["rules"].get(rule) for part in (settings, settings.get("attributions")) if part]


def _sorted(rules: Mapping[str, Any]) -> dict[str, Any]:
    return {name: rules[name] for name in sorted(rules)}
