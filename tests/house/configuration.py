"""The page ``docs/configuration.md``, written from the settings' own declarations.

``python -m tests.house.configuration`` renews it; ``tests/house/test_docs.py`` says when that is needed.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import NODEFAULT, Meta

from channels import base as channels
from channels.base import Secret
from gateway import config
from gateway.sinks import base as sinks
from gateway.systems import SystemSettings

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "configuration.md"

INTRODUCTION = f"""\
# Configuration

One file, `allears.toml`; `allears init` writes it and `allears check --config allears.toml` finds mistakes in it, each with
its line. A key that does not exist is a mistake, never overlooked. Relative paths start at the file's folder.

Any key can be set by an environment variable instead, which wins: `{config.ENV_PREFIX}LISTEN` is `listen`,
`{config.ENV_PREFIX}COMPANY__NAME` is `name` under `[company]`, `{config.ENV_PREFIX}CHANNELS__API__MAIN__REPLY_URL` is `reply_url`
under `[channels.api.main]`. A value is read as TOML where it is TOML (`8`, `true`, `["a", "b"]`), else as text.

Changes count from the next start. A *secret* never shows itself in logs and errors; keep the file readable for its owner
alone, as `allears init` writes it.

This page is written from the program (`python -m tests.house.configuration`).
"""

NAMES: Mapping[Any, str] = {
    str: "text",
    Secret: "secret",
    int: "whole number",
    float: "number",
    bool: "`true` or `false`",
}


def page() -> str:
    """The whole page."""
    parts = [INTRODUCTION, *_tables(config.Config, "", heading="## The gateway")]
    parts.append(
        "## Channels\n\nEach account of a channel is a table, `[channels.<channel>.<account>]`; you choose the account's name."
    )
    for name in channels.names():
        where = f"channels.{name}.<account>"
        guide = f"How to set it up: [channels/{name}.md](../channels/{name}.md).\n"
        parts += _tables(channels.load(name).settings, where, heading=f"### {name}", remark=guide)
    parts.append(
        "## Sinks\n\nEach is a table, `[sinks.<name>]`; you choose the name, `kind` says which of these it is."
    )
    for kind in sinks.names():
        parts += _tables(sinks.load(kind).settings, "sinks.<name>", heading=f'### `kind = "{kind}"`')
    parts.append(
        "## Systems\n\nThe company's own systems, where the bot's actions are carried out; you choose the name."
    )
    parts += _tables(SystemSettings, "systems.<name>", heading="### `[systems.<name>]`")
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def _tables(type: type[msgspec.Struct], where: str, *, heading: str, remark: str = "") -> Iterator[str]:
    """The table of a struct, then those of the structs inside it."""
    hints = get_type_hints(type, include_extras=True)
    fields = msgspec.structs.fields(type)
    inner: list[tuple[str, Any]] = []
    rows = []
    for field in fields:
        hint, metas = _bare(hints[field.name])
        if _is_struct(hint):
            inner.append((f"[{_join(where, field.encode_name)}]", hint))
            continue
        if (element := _element(hint)) is not None:
            inner.append((f"[[{_join(where, field.encode_name)}]]", element))
        if type is config.Config and field.name in ("channels", "sinks", "systems"):
            continue
        rows.append(_row(field, hint, metas))
    yield heading + "\n"
    if remark:
        yield remark
    yield "\n".join(["| key | what it is | default | meaning |", "|---|---|---|---|", *rows]) + "\n"
    for table, struct in inner:
        yield from _tables(struct, table.strip("[]"), heading=f"{heading.partition(' ')[0]}# `{table}`")


def _row(field: msgspec.structs.FieldInfo, hint: Any, metas: list[Meta]) -> str:
    told = " ".join(meta.description for meta in metas if meta.description)
    if not told:
        raise TypeError(f"the setting `{field.name}` has no description")
    cells = (f"`{field.encode_name}`", f"{_type(hint)}{_bounds(metas)}", _default(field), told)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _bare(hint: Any) -> tuple[Any, list[Meta]]:
    if get_origin(hint) is Annotated:
        bare, *metas = get_args(hint)
        inner, more = _bare(bare)
        return inner, [*more, *(meta for meta in metas if isinstance(meta, Meta))]
    return hint, []


def _type(hint: Any) -> str:
    """A type in an operator's words. Raises TypeError for one that has none yet."""
    hint, _ = _bare(hint)
    origin, args = get_origin(hint), get_args(hint)
    if hint in NAMES:
        return NAMES[hint]
    if origin is Literal:
        return "one of " + ", ".join(f"`{value}`" for value in args)
    if origin in (tuple, list, frozenset):
        return "list of tables, see below" if _is_struct(args[0]) else f"list of {_type(args[0])}"
    if origin in (dict, Mapping):
        return f"table: {_type(args[0])} → {_type(args[1])}"
    if origin in (Union, types.UnionType):
        return " or ".join(_type(arg) for arg in args if arg is not type(None))
    if _is_struct(hint):
        return "table, see below"
    raise TypeError(f"no words for a setting of type {hint!r}")


def _bounds(metas: list[Meta]) -> str:
    found = []
    for meta in metas:
        for value, words in (
            (meta.gt, "more than {}"),
            (meta.ge, "at least {}"),
            (meta.lt, "less than {}"),
            (meta.le, "at most {}"),
            (meta.min_length, "at least {} long"),
            (meta.max_length, "at most {} long"),
        ):
            if value is not None:
                found.append(words.format(value))
    return "".join(f", {words}" for words in found)


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.default is not NODEFAULT:
        return f"`{_toml(field.default)}`"
    if field.default_factory is not NODEFAULT:
        return f"`{_toml(field.default_factory())}`"
    return "**needed**"


def _toml(value: Any) -> str:
    """A default as one would write it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{key} = {_toml(each)}" for key, each in value.items())
        return "{ " + pairs + " }" if pairs else "{}"
    if isinstance(value, (tuple, list, frozenset)):
        return "[" + ", ".join(_toml(each) for each in value) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _is_struct(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, msgspec.Struct)


def _element(hint: Any) -> Any:
    """The struct that a list or table is made of, else None."""
    for arg in get_args(hint):
        bare, _ = _bare(arg)
        if _is_struct(bare):
            return bare
    return None


def _join(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
