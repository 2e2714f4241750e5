"""Every error a user can meet: one tree, each message saying what, which object, what to do next."""


class NwhError(Exception):
    """A failure that the message explains; the command line exits with `exit_code` 1."""

    exit_code = 1


class UsageError(NwhError):
    """Wrong use: an argument names something that does not exist or cannot be; exit code 2."""

    exit_code = 2


class SourceError(NwhError):
    """Text, a prompt file or a corpus source that cannot be read as asked."""


class ModelError(NwhError):
    """A model or checkpoint that cannot be loaded, or that computed something unusable."""


class StorageError(NwhError):
    """The warehouse's files are missing, damaged, or cannot be written."""


class MemoryLimitError(NwhError):
    """A question needs more memory than DuckDB may use."""


class BusyError(NwhError):
    """Another run is already working on the same unit."""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its type's name where it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def check_least(settings: object, **least: int) -> None:
    """Raise UsageError for the first of some settings that is less than it may be, by the name of its option."""
    for name, lowest in least.items():
        if (value := getattr(settings, name)) < lowest:
            raise UsageError(f"--{name.replace('_', '-')} must be at least {lowest}, not {value}")
