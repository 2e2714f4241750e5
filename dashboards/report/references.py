"""The works that a report cites, as a list and as BibTeX."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Work:
    """A work that captions name as `cited` (`Oba et al. 2021`).

    key, kind, fields: as BibTeX has them.
    """

    cited: str
    key: str
    kind: str
    fields: Mapping[str, str]

    @property
    def text(self) -> str:
        """The work as a line of a list of references."""
        of = self.fields
        names = [" ".join(reversed(name.split(", "))) for name in of["author"].split(" and ")]
        authors = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
        place = of.get("booktitle") or of.get("journal")
        volume = f" {of['volume']}" if "volume" in of else ""
        pages = f", {of['pages'].replace('--', chr(0x2013))}" if "pages" in of else ""
        parts = (
            f"{authors}. {of['year']}",
            of.get("title"),
            place and f"{place}{volume}{pages}",
            of.get("note"),
            of.get("url"),
        )
        return ". ".join(part for part in parts if part)

    @property
    def bibtex(self) -> str:
        """The work as an entry of BibTeX."""
        lines = (f"  {name} = {{{value}}}," for name, value in self.fields.items())
        return "\n".join([f"@{self.kind}{{{self.key},", *lines, "}"])


WORKS = (
    Work(
        "Ariyama 2024",
        "ariyama-2024",
        "misc",
        {
            "author": "Ariyama",
            "year": "2024",
            "note": "Master's thesis on the formation of knowledge neurons over pre-training, Tohoku University",
        },
    ),
    Work(
        "Dai et al. 2021",
        "dai-etal-2021",
        "misc",
        {
            "author": "Dai, Damai and Dong, Li and Hao, Yaru and Sui, Zhifang and Chang, Baobao and Wei, Furu",
            "title": "Knowledge Neurons in Pretrained Transformers",
            "year": "2021",
            "note": "arXiv 2104.08696",
            "url": "https://arxiv.org/abs/2104.08696",
        },
    ),
    Work(
        "Gurnee et al. 2024",
        "gurnee-etal-2024",
        "article",
        {
            "author": "Gurnee, Wes and Horsley, Theo and Guo, Zifan Carl and Kheirkhah, Tara Rezaei and Sun, Qinyi and "
            "Hathaway, Will and Nanda, Neel and Bertsimas, Dimitris",
            "title": "Universal Neurons in GPT2 Language Models",
            "journal": "Transactions on Machine Learning Research",
            "year": "2024",
            "url": "https://arxiv.org/abs/2401.12181",
        },
    ),
    Work(
        "Oba et al. 2021",
        "oba-etal-2021",
        "inproceedings",
        {
            "author": "Oba, Daisuke and Yoshinaga, Naoki and Toyoda, Masashi",
            "title": "Exploratory Model Analysis Using Data-Driven Neuron Representations",
            "booktitle": "Proceedings of the Fourth BlackboxNLP Workshop on Analyzing and Interpreting Neural Networks "
            "for NLP",
            "year": "2021",
            "pages": "518--528",
            "url": "https://aclanthology.org/2021.blackboxnlp-1.41",
        },
    ),
)


def cited_in(text: str) -> list[Work]:
    """Return the works that a text names, also where a line or a tag breaks between the words, by author."""
    return [work for work in WORKS if re.search(work.cited.replace(" ", r"\s+"), text)]


def bibtex(works: list[Work]) -> str:
    """Return a file of BibTeX."""
    return "\n\n".join(work.bibtex for work in works) + "\n"
