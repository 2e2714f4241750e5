"""Every test of the summaries runs twice: see `loops`."""

import pytest

from ingest.summaries import histogram, layer, moments, topk


@pytest.fixture(autouse=True, scope="module", params=["compiled", "torch"])
def loops(request):
    """Both ways on this machine's CPU: the compiled one, and torch's, which other devices take."""
    if request.param == "compiled":
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        for module in (layer, topk, moments, histogram):
            patch.setattr(module, "serves", lambda _: False)
        yield
