"""Write the tables of docs/options.md and docs/config.md from what the runtime states of its options.

python tools/options_page.py            print the pages
python tools/options_page.py --write    put them in place
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from connpool_runtime import EndpointSettings, PoolSettings
from connpool_runtime._concurrency.random_numbers import draw
from connpool_runtime.admin.settings import AdminSettings
from connpool_runtime.breaker.settings import BreakerSettings
from connpool_runtime.config.middleware import middleware_table
from connpool_runtime.config.sections import section_tables
from connpool_runtime.config.tables import Entry, Table
from connpool_runtime.connectors import TLS, ConnectorConfig
from connpool_runtime.connectors.config.fields import Field
from connpool_runtime.connectors.config.record import Record
from connpool_runtime.connectors.kinds import KINDS, config_class
from connpool_runtime.discovery import DiscoverySettings
from connpool_runtime.discovery.kinds import SOURCES, source_config_class
from connpool_runtime.options import Option, Settings
from connpool_runtime.sharing.settings import SharingSettings

__all__ = ["PAGE", "PAGES", "filled"]

PAGE = Path(__file__).parents[1] / "docs" / "options.md"
PAGES = (PAGE, PAGE.with_name("config.md"))

_MARKED = re.compile(
    r"(?P<begin><!-- table: (?P<name>[\w ]+) -->\n).*?(?P<end><!-- end of table -->)", re.DOTALL
)


def filled(page: str) -> str:
    """Return a page with every table between its marks made anew.

    Raises:
        KeyError: there is no table of this name.
    """
    tables = _tables()
    return _MARKED.sub(lambda found: found["begin"] + tables[found["name"]]() + found["end"], page)


def _tables() -> Mapping[str, Callable[[], str]]:
    breaker = set(BreakerSettings.declared) - {"random"}  # which other parts of a pool use too
    pool = {**PoolSettings.declared}
    pool["random"] = pool.pop("random")  # beside the clock, also for tests
    shared = set(ConnectorConfig.fields)
    kinds = {kind: partial(_of_fields, config_class(kind), shared) for kind in KINDS}
    return {
        "pool": lambda: _of_options(each for name, each in pool.items() if name not in breaker),
        "breaker": lambda: _of_options(each for name, each in pool.items() if name in breaker),
        "endpoint": lambda: _of_settings(EndpointSettings),
        "shared clients": lambda: _of_settings(SharingSettings),
        "connector": lambda: _of_fields(ConnectorConfig, set()),
        "tls": lambda: _of_fields(TLS, set()),
        "discovery": lambda: _of_settings(DiscoverySettings),
        "admin": lambda: _of_settings(AdminSettings),
        "middleware": _of_middleware,
        **{f"{name} section": partial(_of_section, name) for name in section_tables()},
        **{f"{kind} source": partial(_of_source, kind) for kind in SOURCES},
        **kinds,
    }


def _of_middleware() -> str:
    head = ("key", "default", "allowed", "what it is")
    rows: list[tuple[str, ...]] = []
    for name, kind in middleware_table().entries.items():
        assert isinstance(kind, Table)
        rows.append((f"`{name}`", "", "true, false or a mapping", kind.does))
        rows += _rows_of(f"{name}.", kind)
    return _table(head, rows)


def _of_section(name: str) -> str:
    head = ("key", "default", "allowed", "what it is")
    return _table(head, _rows_of("", section_tables()[name]))


def _rows_of(prefix: str, table: Table) -> list[tuple[str, ...]]:
    return [
        (
            f"`{prefix}{name}`",
            "" if entry.default in (None, ()) else f"`{entry.default!r}`",
            "a duration" if entry.unit == "seconds" else entry.words,
            f"{entry.does} {entry.why}".strip(),
        )
        for name, entry in table.entries.items()
        if isinstance(entry, Entry)
    ]


def _of_source(kind: str) -> str:
    config = source_config_class(kind)
    return "" if config is None else _of_fields(config, set())


def _of_settings(settings: type[Settings]) -> str:
    return _of_options(iter(settings.declared.values()))


def _of_options(options: Iterator[Option]) -> str:
    head = (
        "option",
        "type",
        "default",
        "allowed",
        "running pool",
        "what it does",
        "why this default",
    )
    rows = [
        (
            f"`{option.name}`",
            f"`{option.type}`" + (f", {option.rule.unit}" if option.rule.unit else ""),
            _default(option),
            option.rule.words,
            _yes(option.reloadable),
            option.does,
            option.why,
        )
        for option in options
    ]
    return _table(head, rows)


def _default(option: Option) -> str:
    if callable(option.default):
        return "a generator of its own" if option.default is draw else "the system's"
    return f"`{option.default!r}`"


def _of_fields(record: type[Record], left_out: set[str]) -> str:
    head = ("field", "default", "allowed", "running pool", "what it is")
    meanings = record.meanings()
    rows = [
        (
            f"`{name}`",
            _held(field),
            "a duration" if field.unit == "seconds" else field.words,
            _yes(field.reloadable),
            meanings[name],
        )
        for name, field in record.fields.items()
        if name not in left_out or field is not ConnectorConfig.fields.get(name)
    ]
    return _table(head, rows)


def _held(field: Field[Any, Any]) -> str:
    plain = field.canonical(field.default) if field.default is not None else None
    return "" if plain in ((), [], None) else f"`{plain!r}`"


def _yes(reloadable: bool) -> str:
    return "yes" if reloadable else "no"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines
    )


if __name__ == "__main__":
    for page in PAGES:
        made = filled(page.read_text("utf-8"))
        if "--write" in sys.argv[1:]:
            page.write_text(made, "utf-8")
        else:
            sys.stdout.write(made)
