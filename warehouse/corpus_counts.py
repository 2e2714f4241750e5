"""How often words and tags stand in whole corpora: the same for every neuron of a checkpoint, so counted once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    import pyarrow as pa

    from warehouse.neurons import Neuron

_MOST = 64
_Key = tuple[str, ...]
_kept: OrderedDict[_Key, pa.Table] = OrderedDict()


def counted(warehouse: Warehouse, view: str, neuron: Neuron, corpora: Sequence[str], annotator: str) -> pa.Table:
    """Return the rows of `corpus_words` or `corpus_tags` of the neuron's checkpoint over these corpora.

    Each corpus is kept, until one of the files behind it is another: a vocabulary is small, counting it is not.
    """
    import pyarrow as pa

    return pa.concat_tables([_of_corpus(warehouse, view, neuron, corpus, annotator) for corpus in corpora])


def _of_corpus(warehouse: Warehouse, view: str, neuron: Neuron, corpus: str, annotator: str) -> pa.Table:
    place = {"model": neuron.model, "checkpoint": neuron.checkpoint, "corpus": corpus, "annotator": annotator}
    files = (uri for relation in ("annotations", "sentence_tokens") for uri in warehouse.snapshot.get(relation, []))
    key = (view, *place.values(), *(uri for uri in files if f"/corpus={corpus}/" in uri))
    if key not in _kept:
        with warehouse.connection.cursor() as cursor:
            _kept[key] = cursor.sql(
                f"select * from {view} where model = $model and checkpoint = $checkpoint and corpus = $corpus "
                "and annotator = $annotator",
                params=place,
            ).to_arrow_table()
        while len(_kept) > _MOST:
            _kept.popitem(last=False)
    return _kept[key]
