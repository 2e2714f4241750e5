"""The schema in one place: jobs are checked against it when they write, readers get their views from it.

`nwh docs` prints it. One module per subject.
"""

from nwh.warehouse.schema import comparison, explanations, knowledge, neurons, profiles, text
from nwh.warehouse.schema.relation import Column, Relation
from nwh.warehouse.schema.runs import RUNS

__all__ = ["RELATIONS", "RUNS", "SCHEMA_VERSION", "Column", "Relation"]

SCHEMA_VERSION = 3
"""Of the relations and what is stored in them; a warehouse says its own, 1 where it says none. Whoever raises it says
in `ingest/upgrade.py` how a warehouse gets there."""

_SUBJECTS = (text, neurons, profiles, explanations, comparison, knowledge)
_ALL = (RUNS, *(relation for subject in _SUBJECTS for relation in subject.RELATIONS))
RELATIONS: dict[str, Relation] = {relation.name: relation for relation in _ALL}
