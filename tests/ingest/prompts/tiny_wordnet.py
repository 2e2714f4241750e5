"""A WordNet of a few words in the format of WordNet's own files (wndb(5WN)), as NLTK reads it."""

from __future__ import annotations

from collections import defaultdict

FILES = {"n": "noun", "v": "verb", "a": "adj", "r": "adv"}
NUMBERS = {"n": 1, "v": 2, "a": 3, "r": 4}
HEADER = "  1 WordNet 3.0 Copyright 2006 is what NLTK looks for\n"


def write(folder, synsets):
    """Write synsets (part of speech, words, how often each was counted) into a folder for `nltk.data.path`."""
    root = folder / "corpora" / "wordnet"
    root.mkdir(parents=True)
    for name in ("index.sense", *(f"{file}.exc" for file in FILES.values())):
        (root / name).write_text("")
    (root / "lexnames").write_text("00\tall\t1\n")
    counts = []
    for pos, file in FILES.items():
        data, offsets = HEADER, defaultdict(list)
        for number, (_, words, count) in enumerate(each for each in synsets if each[0] == pos):
            named = " ".join(f"{word.replace(' ', '_')} {number % 16:x}" for word in words)
            for word in words:
                offsets[word.lower().replace(" ", "_")].append(len(data))
                counts.append(f"{word.lower().replace(' ', '_')}%{NUMBERS[pos]}:00:{number % 16:02}:: 1 {count}\n")
            data += f"{len(data):08} 00 {pos} {len(words):02x} {named} 000 {'00 ' if pos == 'v' else ''}| a gloss\n"
        lines = [
            f"{word} {pos} {len(found)} 0 {len(found)} 0 {' '.join(f'{offset:08}' for offset in found)}\n"
            for word, found in sorted(offsets.items())
        ]
        (root / f"data.{file}").write_text(data)
        (root / f"index.{file}").write_text(HEADER + "".join(lines))
    (root / "cntlist.rev").write_text("".join(sorted(counts)))
    (root / "verb.exc").write_text("wrote write\nsang sing\n")


SYNSETS = [
    ("n", ["book", "volume"], 40),
    ("n", ["film", "movie", "moving picture"], 5),
    ("n", ["city", "metropolis"], 50),
    ("n", ["song", "vocal"], 9),
    ("n", ["Song", "Song dynasty"], 0),
    ("n", ["inch", "in"], 3),
    ("n", ["indium", "In"], 0),
    ("n", ["sang", "ginseng"], 0),
    ("v", ["write", "compose"], 90),
    ("v", ["sing"], 20),
    ("a", ["large", "big"], 100),
    ("a", ["bad", "big"], 0),
    ("a", ["famous", "renowned", "celebrated"], 10),
]
