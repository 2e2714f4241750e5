"""The Hugging Face hub, as far as models need it: a file, a repository's branches, repositories by prefix."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nwh.warehouse.errors import ModelError

SAFE = ("model.safetensors", "model.safetensors.index.json")
PICKLED = ("pytorch_model.bin", "pytorch_model.bin.index.json")
"""What files of weights are called, or lists of them."""


class RevisionMissing(ModelError):
    """The repository exists but has no such revision."""


class RepositoryMissing(ModelError):
    """There is no such repository, or it is private."""


def fetch(repository: str, revision: str, filename: str) -> Path | None:
    """Return the local copy of a repository's file, downloaded where needed; null where it has no such file.

    RevisionMissing, RepositoryMissing; ModelError: no access, or no network and no copy in the cache.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import LocalEntryNotFoundError, RemoteEntryNotFoundError, RevisionNotFoundError

    with _explained(repository):
        try:
            return Path(hf_hub_download(repository, filename, revision=revision))
        except RevisionNotFoundError:
            raise RevisionMissing(f"{repository} has no revision {revision!r}") from None
        except RemoteEntryNotFoundError:
            return None
        except LocalEntryNotFoundError as error:
            raise ModelError(
                f"{repository} ({filename}, revision {revision}) is not in the local cache and the hub "
                "cannot be reached: check the network, or name a local folder or package:NAME"
            ) from error


def is_cached(repository: str, commit: str) -> bool:
    """Return whether weights of a repository at a commit are on this machine; the hub is not asked."""
    from huggingface_hub import try_to_load_from_cache

    names = (try_to_load_from_cache(repository, name, revision=commit) for name in SAFE + PICKLED)
    return any(isinstance(name, str) for name in names)


def exists(repository: str, revision: str, filename: str) -> bool:
    """Return whether a repository has a file, without fetching it; ModelError: no network."""
    from huggingface_hub import HfApi

    with _explained(repository):
        return HfApi().file_exists(repository, filename, revision=revision)


def branches(repository: str) -> list[str]:
    """Return the names of a repository's branches; ModelError as for `fetch`."""
    from huggingface_hub import HfApi

    with _explained(repository):
        return [branch.name for branch in HfApi().list_repo_refs(repository).branches]


def repositories(prefix: str) -> list[str]:
    """Return the repositories whose full name (`owner/name`) begins with `prefix`; ModelError: no network."""
    from huggingface_hub import HfApi

    author, _, search = prefix.rpartition("/")
    with _explained(prefix):
        found = HfApi().list_models(author=author or None, search=search)
        return [model.id for model in found if model.id.startswith(prefix)]


@contextmanager
def _explained(repository: str) -> Iterator[None]:
    """Turn the hub client's errors into a ModelError that says what to do."""
    from huggingface_hub.errors import (  # type: ignore[attr-defined]  # HTTPError: httpx or httpx2
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        HTTPError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    try:
        yield
    except GatedRepoError as error:
        raise ModelError(f"{repository} is gated: accept its terms on the hub, then `hf auth login`") from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise RepositoryMissing(
            f"there is no folder and no hub repository {repository!r} (or it is private): check the name"
        ) from error
    except HfHubHTTPError as error:
        raise ModelError(f"the hub answered with an error for {repository}: {error}") from error
    except (OfflineModeIsEnabled, HTTPError) as error:
        raise ModelError(
            f"the hub cannot be reached for {repository}: check the network, or name a local folder or package:NAME"
        ) from error
