"""The description and the server say the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jsonschema  # type: ignore[import-untyped]
import msgspec

from gateway.web import uploads
from gateway.web.openapi import document, record_schema
from gateway.web.rest import OPERATIONS, routes

if TYPE_CHECKING:
    from tests.web.api.conftest import Running


def test_every_operation_has_its_route_and_every_route_its_operation() -> None:
    described = {(one.method, one.path) for one in OPERATIONS if one.handler}
    assert described == {(one.method, one.path) for one in routes()}  # type: ignore[attr-defined]
    assert {(method.upper(), path) for path, methods in document()["paths"].items() for method in methods} == {
        (one.method, one.path) for one in OPERATIONS
    }


async def test_the_server_serves_nothing_under_v1_that_is_not_described(running: Running) -> None:
    """But the uploads in pieces: they speak tus, whose own description is at tus.io."""
    described = {(one.method, one.path.replace("{account}", "main")) for one in OPERATIONS}
    described |= {(one.method, one.path.replace("{account}", "other")) for one in OPERATIONS}
    served = {
        (route.method, route.resource.canonical)
        for route in running.app.router.routes()
        if route.resource
        and route.resource.canonical.startswith(("/v1/", "/in/api/"))
        and not route.resource.canonical.startswith(uploads.PATH)
        and route.method != "HEAD"
    }
    assert served == described


def test_the_document_is_a_valid_openapi_schema_of_valid_schemas() -> None:
    said = document()
    assert said["openapi"].startswith("3.1")
    for schema in said["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    text = msgspec.json.encode(said).decode()
    assert "typing." not in text
    assert "``" not in text
    names = {ref.partition('"')[0] for ref in text.split("#/components/schemas/")[1:]}
    assert names <= set(said["components"]["schemas"])


def test_every_parameter_and_operation_says_what_it_is() -> None:
    for methods in document()["paths"].values():
        for one in methods.values():
            assert one["summary"]
            assert all(p.get("description") for p in one.get("parameters", []) if p["in"] != "path")


async def test_a_record_fits_its_published_schema(running: Running) -> None:
    status, schema, headers = await running.call("GET", "/schemas/complaint-record.json", token="")
    assert (status, headers["Content-Type"]) == (200, "application/schema+json")
    assert schema == record_schema()
    said = await running.say("I want a refund of 199 yuan for order 202611200017, call me at 13800138000!")
    number = await running.number(said["conversation"])
    _, record = await running.get(f"/v1/records/{number}")
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    validator.validate(record)


async def test_the_page_needs_nothing_from_elsewhere(running: Running) -> None:
    status, page, headers = await running.call("GET", "/docs/api", token="")
    text = page.decode()
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    for one in OPERATIONS:
        assert f'id="{one.id}"' in text
    for foreign in ("<script", "src=", "http://", "https://", "//"):
        assert foreign not in text, foreign
    style = text.partition('rel="stylesheet" href="')[2].partition('"')[0]
    status, css, headers = await running.call("GET", style, token="")
    assert (status, headers["Content-Type"].partition(";")[0]) == (200, "text/css")
    assert b"url(" not in css
    assert b"@import" not in css


async def test_the_document_is_served(running: Running) -> None:
    status, said, _ = await running.call("GET", "/openapi.json", token="")
    assert status == 200
    assert said == msgspec.json.decode(msgspec.json.encode(document()))
