"""A chat model behind a server that speaks OpenAI's chat completions: vLLM, llama.cpp, Ollama and others."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from nwh.warehouse.errors import ModelError

_AT_ONCE = 8  # requests, which such servers put into batches
_SECONDS = 120
_ANSWER = 60  # tokens
_TOP = 10  # tokens whose probability is asked for
_T = TypeVar("_T")


class ServerChat:
    """Asks a server at `url` (such as http://127.0.0.1:8000/v1) for the model that it calls `name`.

    What $OPENAI_API_KEY holds is sent as the key. A request that the server is too busy for, or fails on, is repeated a
    few times. ModelError where no answer comes.
    """

    def __init__(self, url: str, name: str) -> None:
        import requests
        from requests.adapters import HTTPAdapter, Retry  # type: ignore[attr-defined]

        self.name = name
        self.about: dict[str, Any] = {"from": "url", "chat": name, "url": url.rstrip("/")}
        self._session = requests.Session()
        again = Retry(
            4,
            connect=0,
            backoff_factor=0.5,
            status_forcelist=(429, 500, 502, 503, 504),
            allowed_methods=None,
            raise_on_status=False,
        )
        adapter = HTTPAdapter(max_retries=again, pool_maxsize=_AT_ONCE)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)
        if key := os.environ.get("OPENAI_API_KEY"):
            self._session.headers["Authorization"] = f"Bearer {key}"

    def fits(self, prompt: str) -> bool:
        """Return true: how long its window is, a server does not say."""
        return True

    def answers(self, prompts: Sequence[str]) -> list[str]:
        """Return the likeliest answer to each prompt, at most 60 tokens."""
        return self._all(lambda prompt: _text(self._ask(prompt, max_tokens=_ANSWER)), prompts)

    def yes(self, prompts: Sequence[str]) -> list[float]:
        """Return the probability of Yes against No as the first token; 1 or 0 where the server gives no probabilities.

        0.5 where it says neither.
        """
        return self._all(
            lambda prompt: _yes(self._ask(prompt, max_tokens=1, logprobs=True, top_logprobs=_TOP)), prompts
        )

    def _all(self, ask: Callable[[str], _T], prompts: Sequence[str]) -> list[_T]:
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            return list(threads.map(ask, prompts))

    def _ask(self, prompt: str, **options: Any) -> dict[str, Any]:
        import requests

        url = f"{self.about['url']}/chat/completions"
        asked = {"model": self.name, "messages": [{"role": "user", "content": prompt}], "temperature": 0, **options}
        try:
            answer = self._session.post(url, json=asked, timeout=_SECONDS)
        except requests.RequestException as error:
            raise ModelError(
                f"no chat model answers at {url} ({type(error).__name__}): start one, or mend --url"
            ) from (error)
        try:
            if answer.ok:
                return dict(answer.json()["choices"][0])
        except (ValueError, LookupError, TypeError) as error:
            raise ModelError(f"{url} does not answer as OpenAI's chat completions do: {answer.text[:200]!r}") from error
        way_out = "; $OPENAI_API_KEY is sent as the key" if answer.status_code in (401, 403) else ""
        raise ModelError(f"{url} answers {answer.status_code} for model {self.name}: {answer.text[:200]!r}{way_out}")


def _text(choice: dict[str, Any]) -> str:
    return str((choice.get("message") or {}).get("content") or "")


def _yes(choice: dict[str, Any]) -> float:
    """Return the probability of Yes against No of a choice with the likeliest first tokens, or by its text."""
    first = ((choice.get("logprobs") or {}).get("content") or [{}])[0].get("top_logprobs") or []
    mass = {"yes": 0.0, "no": 0.0}
    for each in first:
        if (word := each["token"].strip().lower()) in mass:
            mass[word] += math.exp(each["logprob"])
    if any(mass.values()):
        return mass["yes"] / sum(mass.values())
    said = _text(choice).strip().lower()
    return 1.0 if said.startswith("yes") else 0.0 if said.startswith("no") else 0.5
