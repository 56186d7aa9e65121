"""The tables of a config file and their keys. Only this module knows pydantic.

A key that is not given keeps the default of the value it becomes, in `feeder.model`; so each default stands in one place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, ValidationError
from pydantic_core import ErrorDetails

from feeder.config import values
from feeder.model import (
    CategoryFrom,
    CategoryMode,
    CategoryPath,
    ContentPolicy,
    DatePolicy,
    DedupScope,
    Dialect,
    Format,
    FuturePolicy,
    ImagePolicy,
    OnRemove,
    SourceKind,
    Watch,
)

MOST: Final = 1_000_000  # no feed is longer
FIELD_WORDS: Final = (
    "title",
    "date",
    "updated",
    "categories",
    "tags",
    "author",
    "image",
    "link",
    "slug",
    "guid",
    "summary",
)
"""The words of ours that ``fields`` may map to the keys of other people's front matter."""


def _one_of(words: type[StrEnum]) -> PlainValidator:
    choose = values.choice([word.value for word in words])
    return PlainValidator(lambda value: words(choose(value)))


def _watch(value: object) -> Watch:
    if isinstance(value, bool):
        return Watch.ON if value else Watch.OFF
    if value == Watch.AUTO:
        return Watch.AUTO
    raise ValueError(f'{values.shown(value)} is not one of "auto", true, false')


def _distinct(items: list[Any]) -> list[Any]:
    repeated = [item for index, item in enumerate(items) if item in items[:index]]
    if repeated:
        raise ValueError(f"{values.shown(repeated[0])} stands there twice")
    return items


def _distinct_headers(headers: dict[str, str]) -> dict[str, str]:
    _distinct([name.lower() for name in headers])
    return headers


Line = Annotated[str, PlainValidator(values.line)]
Name = Annotated[str, PlainValidator(values.name)]
Duration = Annotated[timedelta, PlainValidator(values.duration)]
PositiveDuration = Annotated[timedelta, PlainValidator(values.positive_duration)]
SignedDuration = Annotated[timedelta, PlainValidator(values.signed_duration)]
Zone = Annotated[ZoneInfo, PlainValidator(values.zone)]
Language = Annotated[str, PlainValidator(values.language)]
Url = Annotated[str, PlainValidator(values.url)]
LearnedOrDuration = Annotated[timedelta | Literal["auto"], PlainValidator(values.interval)]
PathOfNames = Annotated[CategoryPath, PlainValidator(values.category)]
Count = Annotated[int, Field(gt=0, le=MOST)]
Selector = Annotated[str, PlainValidator(values.page_selector)]
Lines: TypeAlias = list[Line]
Regexes: TypeAlias = list[Annotated[str, PlainValidator(values.pattern)]]


class Table(BaseModel):
    """A table of the config. Unknown keys are refused and nothing is converted behind the operator's back."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    def given(self) -> dict[str, Any]:
        """Return the keys that the file gives, lists as tuples."""
        found = {key: getattr(self, key) for key in type(self).model_fields if key in self.model_fields_set}
        return {key: tuple(value) if isinstance(value, list) else value for key, value in found.items()}


class SiteTable(Table):
    """``[site]``."""

    title: Line
    url: Annotated[str, PlainValidator(values.root_url)]
    id: Annotated[str, PlainValidator(values.site_id)]
    author: Line | None = None
    language: Language | None = None
    timezone: Zone | None = None


class FeedsTable(Table):
    """``[feeds]``."""

    formats: (
        Annotated[list[Annotated[Format, _one_of(Format)]], Field(min_length=1), AfterValidator(_distinct)] | None
    ) = None
    entries: Count | None = None
    window: Duration | None = None
    max_entries: Count | None = None
    content: Annotated[ContentPolicy, _one_of(ContentPolicy)] | None = None
    settle: Duration | None = None
    archive: Annotated[int, Field(ge=0, le=MOST)] | None = None
    deletions: Duration | None = None


def _auto_or_false(value: object) -> bool:
    if value is False or value == "auto":
        return value == "auto"
    raise ValueError(f'{values.shown(value)} is not one of "auto", false')


class PagesTable(Table):
    """``[pages]``."""

    articles: Annotated[bool, PlainValidator(_auto_or_false)] | None = None


class StorageTable(Table):
    """``[storage]``."""

    state: Line = "sqlite:///var/feeder.db"
    local: Line = "var"
    output: Line = "public"
    keep: PositiveDuration | None = None
    after_publish: list[Annotated[str, PlainValidator(values.argument)]] = []
    after_publish_timeout: PositiveDuration = timedelta(minutes=10)
    status_every: Duration = timedelta(minutes=1)


class BucketTable(Table):
    """``[bucket]``, for an output in S3."""

    region: Annotated[str, PlainValidator(values.region)] | None = None
    endpoint: Annotated[str, PlainValidator(values.endpoint)] | None = None
    path_style: bool | None = None
    access_key: Annotated[str, PlainValidator(values.secret)] | None = None
    secret_key: Annotated[str, PlainValidator(values.secret)] | None = None
    cache_control: Annotated[str, PlainValidator(values.header_value)] | None = None


class AlertsTable(Table):
    """``[alerts]``."""

    command: list[Annotated[str, PlainValidator(values.argument)]] = []
    timeout: PositiveDuration = timedelta(minutes=1)


class WebsubTable(Table):
    """``[websub]``."""

    hub: Annotated[str, PlainValidator(values.hub)] | None = None
    batch: Count = 1


class ServerTable(Table):
    """``[server]``."""

    listen: Annotated[str, PlainValidator(values.listen)] = "127.0.0.1:8080"
    admin: Annotated[str, PlainValidator(values.listen)] = ""
    cache: Annotated[int, PlainValidator(values.size)] = 64 << 20


class DatesTable(Table):
    """``[dates]``."""

    zones: dict[
        Annotated[str, PlainValidator(values.zone_name)], Annotated[timedelta, PlainValidator(values.zone_offset)]
    ] = {}


class DedupTable(Table):
    """``[dedup]``."""

    never: Lines = []


class CategoryTable(Table):
    """``[categories."A/B"]``."""

    title: Line | None = None
    slug: Annotated[str, PlainValidator(values.category_slug)] | None = None
    description: Line | None = None
    language: Language | None = None
    entries: Count | None = None
    same_as: PathOfNames | None = None
    alert_after: LearnedOrDuration | None = None


class PatternsTable(Table):
    """``[source.only]`` and ``[source.without]``."""

    title: Regexes | None = None
    author: Regexes | None = None
    category: Regexes | None = None
    link: Regexes | None = None


class DefaultsTable(Table):
    """``[defaults]``, for the sources of its file."""

    enabled: bool | None = None
    interval: LearnedOrDuration | None = None
    cron: Annotated[str, PlainValidator(values.cron)] | None = None
    watch: Annotated[Watch, PlainValidator(_watch)] | None = None
    dialect: Annotated[Dialect, _one_of(Dialect)] | None = None
    include: Annotated[list[Annotated[str, PlainValidator(values.glob)]], Field(min_length=1)] | None = None
    exclude: list[Annotated[str, PlainValidator(values.glob)]] | None = None
    require_front_matter: bool | None = None
    timezone: Zone | None = None
    language: Language | None = None
    dates: Annotated[DatePolicy, _one_of(DatePolicy)] | None = None
    date_offset: SignedDuration | None = None
    future: Annotated[FuturePolicy, _one_of(FuturePolicy)] | None = None
    category: PathOfNames | None = None
    category_mode: Annotated[CategoryMode, _one_of(CategoryMode)] | None = None
    category_from: Annotated[CategoryFrom, _one_of(CategoryFrom)] | None = None
    fields: dict[Annotated[str, PlainValidator(values.choice(FIELD_WORDS))], Line] | None = None
    author: Line | None = None
    permalink: Annotated[str, PlainValidator(values.permalink)] | None = None
    base_url: Url | None = None
    image: Annotated[ImagePolicy, _one_of(ImagePolicy)] | None = None
    remove: list[Annotated[str, PlainValidator(values.selector)]] | None = None
    only: PatternsTable | None = None
    without: PatternsTable | None = None
    keep_deleted: bool | None = None
    withdraw_after: Duration | None = None
    on_remove: Annotated[OnRemove, _one_of(OnRemove)] | None = None
    dedup: Annotated[DedupScope, _one_of(DedupScope)] | None = None
    limit: Count | None = None
    content: Annotated[ContentPolicy, _one_of(ContentPolicy)] | None = None
    rights: Line | None = None
    attribution: Line | None = None
    alert_after: LearnedOrDuration | None = None
    # Of a URL:
    kind: Annotated[SourceKind, _one_of(SourceKind)] | None = None
    keep_ids: bool | None = None
    max_categories: Count | None = None
    first: Count | None = None
    min_interval: Duration | None = None
    max_interval: PositiveDuration | None = None
    timeout: Annotated[timedelta, PlainValidator(values.timeout)] | None = None
    max_size: Annotated[int, PlainValidator(values.size)] | None = None
    allow_private: Annotated[list[Annotated[str, PlainValidator(values.network)]], AfterValidator(_distinct)] | None = (
        None
    )
    proxy: Annotated[str, PlainValidator(values.proxy)] | None = None
    tls_ca: Line | None = None


class SelectTable(Table):
    """``[source.select]``."""

    item: Selector
    title: Selector | None = None
    link: Selector | None = None
    date: Selector | None = None
    body: Selector | None = None
    image: Selector | None = None
    category: Selector | None = None


class SourceTable(DefaultsTable):
    """``[[source]]``. What is sent to one server only is not for defaults."""

    name: Name
    path: Line | None = None
    url: Annotated[str, PlainValidator(values.source_url)] | None = None
    was: Name | None = None
    select: SelectTable | None = None
    headers: (
        Annotated[
            dict[
                Annotated[str, PlainValidator(values.header_name)], Annotated[str, PlainValidator(values.header_value)]
            ],
            AfterValidator(_distinct_headers),
        ]
        | None
    ) = None
    auth: Annotated[str, PlainValidator(values.auth)] | None = None
    cookies: Annotated[str, PlainValidator(values.cookies)] | None = None


TABLES: Final[Mapping[str, type[Table]]] = MappingProxyType(
    {
        "site": SiteTable,
        "feeds": FeedsTable,
        "pages": PagesTable,
        "storage": StorageTable,
        "bucket": BucketTable,
        "server": ServerTable,
        "websub": WebsubTable,
        "alerts": AlertsTable,
        "dates": DatesTable,
        "dedup": DedupTable,
        "defaults": DefaultsTable,
    }
)
"""The tables that stand once in a file."""

TOP_KEYS: Final = ("include", *TABLES, "redirects", "categories", "source")
INCLUDED_KEYS: Final = ("defaults", "source")

AnyTable = TypeVar("AnyTable", bound=Table)


def read(kind: type[AnyTable], raw: object) -> tuple[AnyTable | None, tuple[str, ...]]:
    """Return *raw* as a table without its faulty keys, and a line for each of these.

    No table: a key that must be there is faulty or missing.
    """
    if not isinstance(raw, dict):
        return None, (f"{values.shown(raw)} is not a table",)
    try:
        return kind.model_validate(raw), ()
    except ValidationError as error:
        faults = error.errors(include_url=False)
    sound = {key: value for key, value in raw.items() if key not in {fault["loc"][0] for fault in faults}}
    try:
        rest = kind.model_validate(sound)
    except ValidationError:
        rest = None
    return rest, tuple(_sentence(kind, fault) for fault in faults)


def unknown_key(key: str, known: Iterable[str]) -> str:
    """Return the sentence on a key that nobody knows."""
    return f"unknown key {values.shown(key)}{values.suggestion(key, known)}"


def keys() -> tuple[str, ...]:
    """Return every key that a config may hold, as "site.title", "source.interval" or "categories.*.title"."""
    once = (f"{name}.{key}" for name, table in TABLES.items() if name != "defaults" for key in table.model_fields)
    category = (f"categories.*.{key}" for key in CategoryTable.model_fields)
    source = (f"source.{key}" for key in SourceTable.model_fields)
    select = (f"source.select.{key}" for key in SelectTable.model_fields)
    patterns = (f"source.{name}.{key}" for name in ("only", "without") for key in PatternsTable.model_fields)
    return ("include", "redirects", *once, *category, "defaults", *source, *select, *patterns)


REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "bool_type": "is not true or false",
        "int_type": "is not a whole number",
        "greater_than": "is not 1 or more",
        "less_than_equal": f"is more than {MOST}",
        "list_type": "is not a list",
        "dict_type": "is not a table",
        "model_type": "is not a table",
        "too_short": "is empty",
    }
)
"""What pydantic calls a fault, and what it means to the operator."""


def _sentence(kind: type[Table], fault: ErrorDetails) -> str:
    where = ".".join(
        values.printable(str(part)) for part in fault["loc"] if not isinstance(part, int) and part != "[key]"
    )
    if fault["type"] == "extra_forbidden":
        return _unknown(kind, *map(str, fault["loc"]))
    if fault["type"] == "missing":
        return f"{where}: is missing"
    if fault["type"] == "value_error":
        return f"{where}: {fault['ctx']['error']}"
    return f"{where}: {values.shown(fault['input'])} {REASONS[fault['type']]}"


def _unknown(kind: type[Table], *way: str) -> str:
    *above, key = way
    if above:
        return f"{above[0]}: {unknown_key(key, SelectTable.model_fields)}"  # the one table inside a table
    if kind is DefaultsTable and key in SourceTable.model_fields:
        return f"{key}: is for one source alone; it may stand in [[source]] only"
    return unknown_key(key, kind.model_fields)
