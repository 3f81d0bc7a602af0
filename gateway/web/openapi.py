"""The description of the API: ``/openapi.json``, a page to read at ``/docs/api``, and the record's JSON Schema.

Paths come from the table that the routes are made of (:data:`gateway.web.rest.OPERATIONS`), shapes from the types that
encode and decode: neither can say something that the server does not do.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from http import HTTPStatus
from typing import Any, Literal, get_origin

import msgspec
from aiohttp import web

from channels.api import ReplyEvent
from gateway.web import api_page, static
from gateway.web.api_types import Problem
from gateway.web.operation import BYTES, TEXT, Operation
from gateway.web.rest import OPERATIONS
from normalizer import record
from normalizer.record import SCHEMA_VERSION, ComplaintRecord

#: Version of the API: the first number changes when a caller would have to.
API_VERSION = "1.0.0"
RECORD_SCHEMA = "/schemas/complaint-record.json"
_REF = "#/components/schemas/{name}"


def document(operations: Sequence[Operation] = OPERATIONS) -> dict[str, Any]:
    """The OpenAPI 3.1 document of the operations."""
    types = _types(operations)
    refs, components = msgspec.json.schema_components(types, ref_template=_REF)
    schemas = dict(zip(map(repr, types), refs, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Allears",
            "version": API_VERSION,
            "description": "Complaint intake for apps, counters, call centres and letters. Accepted means durable.",
        },
        "paths": paths,
        "webhooks": {"reply": {"post": _reply(schemas)}},
        "components": {
            "schemas": _plain(components),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "A token of an `api` channel account."}
            },
        },
    }


def record_schema() -> dict[str, Any]:
    """The JSON Schema of a complaint record, on its own."""
    schema: dict[str, Any] = _plain(msgspec.json.schema(ComplaintRecord))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": RECORD_SCHEMA,
        "title": f"ComplaintRecord, version {SCHEMA_VERSION}",
        **schema,
    }


def routes() -> list[web.AbstractRouteDef]:
    return [
        web.get("/openapi.json", _openapi),
        web.get("/docs/api", _page),
        web.get(RECORD_SCHEMA, _record_schema),
    ]


async def _openapi(http: web.Request) -> web.Response:  # noqa: ARG001
    return web.Response(body=_encoded(), content_type="application/json")


async def _record_schema(http: web.Request) -> web.Response:  # noqa: ARG001
    return web.Response(body=msgspec.json.encode(record_schema()), content_type="application/schema+json")


async def _page(http: web.Request) -> web.Response:  # noqa: ARG001
    return web.Response(text=_rendered(), content_type="text/html")


@cache
def _encoded() -> bytes:
    return msgspec.json.encode(document())


@cache
def _rendered() -> str:
    return api_page.page(document(), static.url("api/api.css"))


# --- one operation ------------------------------------------------------------------------------------


def _types(operations: Sequence[Operation]) -> list[Any]:
    """Every type that stands for a body, once."""
    found: list[Any] = [Problem, ReplyEvent]
    for operation in operations:
        found += [operation.body, *(type for types in operation.answers.values() for type in types)]
    bodies = [one for one in found if one not in (None, BYTES, TEXT)]
    return [one for n, one in enumerate(bodies) if one not in bodies[:n]]


def _operation(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = {"operationId": operation.id, "summary": operation.summary}
    if operation.description:
        said["description"] = operation.description
    if parameters := [*_path_parameters(operation), *_query_parameters(operation), *_header_parameters(operation)]:
        said["parameters"] = parameters
    if operation.body is not None:
        said["requestBody"] = {"required": True, "content": _content((operation.body,), schemas)}
    said["responses"] = _responses(operation, schemas)
    said["security"] = [{"token": [operation.scope]}] if operation.scope else []
    return said


def _responses(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    problem = {"application/problem+json": {"schema": schemas[repr(Problem)]}}
    good = {
        str(status): {"description": HTTPStatus(status).phrase, "content": _content(types, schemas)}
        for status, types in operation.answers.items()
    }
    bad = {
        str(status): {"description": HTTPStatus(status).phrase, "content": problem}
        for status in sorted(operation.errors)
    }
    return good | bad


def _content(types: Sequence[Any], schemas: dict[str, Any]) -> dict[str, Any]:
    plain = {BYTES: {"schema": {"type": "string", "format": "binary"}}, TEXT: {"schema": {"type": "string"}}}
    return {
        one if one in plain else "application/json": plain.get(one) or {"schema": schemas[repr(one)]} for one in types
    }


def _path_parameters(operation: Operation) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in operation.path_names()
    ]


def _query_parameters(operation: Operation) -> list[dict[str, Any]]:
    if operation.query is None:
        return []
    schema = _inlined(operation.query)
    return [
        {"name": name, "in": "query", "required": name in schema["required"], **_parameter(one)}
        for name, one in schema["properties"].items()
    ]


def _inlined(type: type[msgspec.Struct]) -> dict[str, Any]:
    schema: dict[str, Any] = msgspec.json.schema(type)["$defs"][type.__name__]
    return schema


def _parameter(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter that is left out has no value; JSON's null cannot be written in a query."""
    choices = [one for one in schema.get("anyOf", []) if one != {"type": "null"}]
    values = [one for one in schema.get("enum", []) if one is not None]
    kept = {name: value for name, value in schema.items() if name not in ("anyOf", "description", "enum")}
    if choices or values:
        kept.pop("default", None)
    shown = {**kept, **(choices[0] if choices else {}), **({"enum": values} if values else {})}
    return {"description": schema.get("description", ""), "schema": shown}


def _header_parameters(operation: Operation) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "header", "required": required, "description": text, "schema": {"type": "string"}}
        for name, (required, text) in operation.headers.items()
    ]


def _reply(schemas: dict[str, Any]) -> dict[str, Any]:
    return {
        "operationId": "reply",
        "summary": "A reply to a customer",
        "description": "Sent to `reply_url`, signed as Standard Webhooks. Any 2xx is taken as delivered.",
        "requestBody": {"required": True, "content": _content((ReplyEvent,), schemas)},
        "responses": {"2XX": {"description": "Delivered."}},
    }


def _plain(value: Any) -> Any:
    """A schema as its readers want it: Markdown for the reStructuredText of docstrings, and short names of types."""
    if isinstance(value, dict):
        return {_short(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return _short(value.replace("``", "`")) if isinstance(value, str) else value


def _short(text: str) -> str:
    """``Found[Literal['urgent', …]]`` is ``FoundUrgency``: as a title, as a component's name, and at a reference's end."""
    path, slash, name = text.rpartition("/")
    return path + slash + _names().get(name, name)


@cache
def _names() -> dict[str, str]:
    values = {name: one for name, one in vars(record).items() if get_origin(one) is Literal}
    titles = {f"Found[{one}]": f"Found{name}" for name, one in values.items()}
    titles |= {"Found[str]": "FoundText", "Found[Money]": "FoundMoney", "Found[Moment]": "FoundMoment"}
    return titles | {re.sub(r"[^\w.]", "_", title): name for title, name in titles.items()}
