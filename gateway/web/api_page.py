"""The API's description as one plain page: no script, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any


def page(document: dict[str, Any], style: str) -> str:
    """The page of an OpenAPI document. ``style`` is the path of the style sheet."""
    return "".join(_page(document, style))


def _page(document: dict[str, Any], style: str) -> Iterator[str]:
    info = document["info"]
    yield '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Allears API</title>'
    yield f'<link rel="stylesheet" href="{escape(style)}"></head><body>'
    yield f"<header><h1>{escape(info['title'])} API {escape(info['version'])}</h1><p>{_text(info['description'])}</p>"
    yield '<p>For programs: <a href="/openapi.json">openapi.json</a>, '
    yield '<a href="/schemas/complaint-record.json">complaint-record.json</a>.</p></header><main>'
    yield "<h2>Operations</h2><ul>"
    operations = [(m, p, one) for p, methods in document["paths"].items() for m, one in methods.items()]
    for method, path, one in operations:
        yield f'<li><a href="#{escape(one["operationId"])}">{method.upper()} {escape(path)}</a>: {escape(one["summary"])}</li>'
    yield "</ul>"
    for method, path, one in operations:
        yield from _operation(method, path, one)
    for name, methods in document["webhooks"].items():
        yield from _operation("webhook", name, methods["post"])
    yield "<h2>Types</h2>"
    for name, schema in document["components"]["schemas"].items():
        yield from _schema(name, schema)
    yield "</main></body></html>"


def _operation(method: str, path: str, one: dict[str, Any]) -> Iterator[str]:
    yield f'<section id="{escape(one["operationId"])}"><h3>{method.upper()} <code>{escape(path)}</code></h3>'
    yield f"<p><strong>{escape(one['summary'])}.</strong> {_text(one.get('description', ''))}</p>"
    for need in one.get("security", []):
        yield f"<p>Needs a token with the scope <code>{escape(' '.join(need['token']))}</code>.</p>"
    if parameters := one.get("parameters"):
        yield "<table><caption>Parameters</caption><tr><th>name</th><th>in</th><th>type</th><th>meaning</th></tr>"
        for parameter in parameters:
            yield _parameter(parameter)
        yield "</table>"
    if body := one.get("requestBody"):
        yield f"<p>Body: {_content(body['content'])}</p>"
    yield "<table><caption>Answers</caption>"
    for status, answer in one["responses"].items():
        yield f"<tr><th>{escape(status)}</th><td>{escape(answer['description'])}</td>"
        yield f"<td>{_content(answer.get('content', {}))}</td></tr>"
    yield "</table></section>"


def _parameter(one: dict[str, Any]) -> str:
    needed = " (required)" if one["required"] else ""
    return (
        f"<tr><th><code>{escape(one['name'])}</code></th><td>{escape(one['in'])}{needed}</td>"
        f"<td>{_type(one['schema'])}</td><td>{_text(one.get('description', ''))}</td></tr>"
    )


def _schema(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f'<section id="type-{escape(name)}"><h3>{escape(name)}</h3><p>{_text(schema.get("description", ""))}</p><table>'
    for field, one in schema.get("properties", {}).items():
        needed = " (required)" if field in schema.get("required", ()) else ""
        yield f"<tr><th><code>{escape(field)}</code>{needed}</th><td>{_type(one)}</td>"
        yield f"<td>{_text(one.get('description', ''))}</td></tr>"
    yield "</table></section>"


def _content(content: dict[str, Any]) -> str:
    return ", ".join(f"{escape(kind)} {_type(one['schema'])}" for kind, one in content.items())


def _type(schema: dict[str, Any]) -> str:
    """A schema in a few words, with a link where it is a type of its own."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rsplit("/", 1)[-1])
        return f'<a href="#type-{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(f"<code>{escape(repr(one))}</code>" for one in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}" if schema.get("items") else "list"
    kind = schema.get("format") or schema.get("type", "any")
    return escape(" or ".join(kind) if isinstance(kind, list) else kind)


def _text(text: str) -> str:
    """Text whose back-quoted parts are code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if n % 2 else part for n, part in enumerate(parts))
