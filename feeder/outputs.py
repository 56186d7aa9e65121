"""The output that a config names: a directory, or a bucket with the secrets that open it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from feeder.config import Config
from feeder.errors import FetchError, OutputError
from feeder.fetch.secrets import revealed
from feeder.output import Bucket, Output
from feeder.output.files import FileOutput

if TYPE_CHECKING:
    from feeder.output.s3 import BucketOutput


def output_of(settings: Config) -> Output:
    """Return what *settings* have published to.

    Raises:
        OutputError: What a bucket needs is not installed, or one of its secrets is not there.
    """
    place = settings.output
    return FileOutput(place) if isinstance(place, Path) else _in_bucket(place)


def make(settings: Config) -> None:
    """Make the directory that is published to; a bucket is there, or is not ours to make.

    Raises:
        OutputError: It cannot be made.
    """
    place = settings.output
    if isinstance(place, Path):
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{place}: {error.strerror}") from error


def fault_of_conditions(settings: Config) -> str | None:
    """Return how the store of a bucket breaks its word about conditions; None: it keeps it, or there is no bucket.

    Raises:
        OutputError: The bucket cannot be written to.
    """
    return None if isinstance(settings.output, Path) else _in_bucket(settings.output).fault_of_conditions()


def _in_bucket(bucket: Bucket) -> BucketOutput:
    try:
        from feeder.output.s3 import BucketOutput  # noqa: PLC0415 - the library is optional
    except ModuleNotFoundError as error:
        raise OutputError(f"{bucket}: a bucket needs more: pip install 'feeder[cluster]'") from error
    try:
        access_key, secret_key = (
            revealed(getattr(bucket, key), where=f"bucket: {key}") for key in ("access_key", "secret_key")
        )
    except FetchError as error:
        raise OutputError(str(error)) from error
    return BucketOutput(bucket, access_key=access_key, secret_key=secret_key)
