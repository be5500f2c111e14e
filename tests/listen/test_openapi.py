"""What is written down of the HTTP interface, held against it by a fuzzer that reads the description."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from listening import Listening, listening
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

import rulegen.listen

FILE = Path(rulegen.listen.__file__).with_name("openapi.yaml")
schema = schemathesis.openapi.from_path(FILE)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listening]:
    with listening(tmp_path_factory.mktemp("openapi") / "s.db") as one:
        yield one


@schema.parametrize()
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_does_what_it_says(case: schemathesis.Case, server: Listening) -> None:
    response = case.call(base_url=server.http)
    checks = [not_a_server_error, status_code_conformance, response_schema_conformance]
    case.validate_response(response, checks=checks)
