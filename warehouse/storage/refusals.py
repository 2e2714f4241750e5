"""What a disk or an object store says where it does not do as asked: one line, with the way out."""

from __future__ import annotations

import re

from nwh.warehouse.errors import StorageError, first_line

_WAYS_OUT = (
    (r"timetooskewed|time_too_skewed", "set this machine's clock right, it is off"),
    (r"slow_?down|throttl|status 503|service_?unavailable", "wait a while, or let fewer processes run at once"),
    (r"quota|insufficientstorage|storagefull|status 507|no space left|errno 28\b", "free space there"),
    (
        r"access.?denied|privileges|signature|access_?key|authenticat|authoriz|status 40[13]",
        "see whether these are its credentials, and whether this machine's clock is right",
    ),
)
"""Patterns of what is said in lower case, by any of the clients, and what to do then; the first that is found."""
_GONE = re.compile(r"nosuchbucket|no_such_bucket", re.IGNORECASE)
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_ANSWER = re.compile(r"<Code>([^<]*)</Code>(?:\s*<Message>([^<]*)</Message>)?")
_AWS = re.compile(  # as pyarrow says it
    r"AWS Error (\w+)(?: \((HTTP status \d+)\))? during \w+ operation: "
    r"(?:Unable to parse ExceptionName: (\w+) Message: )?(.*)"
)
_OURS = re.compile(rf"(?s:Traceback.*){StorageError.__name__}: (.+)")


def refusal(what: str, error: BaseException) -> StorageError:
    """Return the error of something, `what`, that a store did not do: what it said, and what to do about it."""
    text = said(error).removesuffix(".")
    if _GONE.search(text):  # with what it held, or only out of reach
        return StorageError(
            f"{what}: {text}; see whether that bucket was deleted, or another is meant (--warehouse, "
            "AWS_ENDPOINT_URL). Where it is there again, the same command goes on"
        )
    found = (way for pattern, way in _WAYS_OUT if re.search(pattern, text.lower()))
    way_out = next(found, "see whether the store is there, and whether you may use it")
    return StorageError(
        f"{what}: {text}; {way_out}. Nothing stored is lost: run the same command again, it goes on from what is staged"
    )


def said(error: BaseException) -> str:
    """Return in one line what a store has said: its code and message, which clients put behind words of their own."""
    text = _COLOURS.sub("", str(error))
    if answer := _ANSWER.search(text):
        return ": ".join(part for part in answer.groups() if part)
    if answer := _AWS.search(text):
        kind, status, name, message = answer.groups()
        return f"{name or status or kind}: {message}"
    lines = [line.strip(" ↳\t") for line in text.splitlines()]
    last = [line for line in lines[1:] if line][-1:]
    return ": ".join([first_line(error), *last]) if "↳" in text else first_line(error)


def through_duckdb(error: BaseException) -> StorageError | None:
    """Return the refusal that DuckDB met in a file of ours and gives as text, with a traceback; null for others."""
    found = _OURS.search(str(error))
    return StorageError(found[1]) if found else None
