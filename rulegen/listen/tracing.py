"""Spans from receipt to commit, with the deadline and where it was spent; nothing where nobody asks for them.

OpenTelemetry's own environment variables turn it on and say where spans go: ``OTEL_EXPORTER_OTLP_ENDPOINT`` or
``OTEL_EXPORTER_OTLP_TRACES_ENDPOINT``. A ``traceparent`` that comes in is followed (W3C Trace Context).
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from rulegen.errors import InputError

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class Span(Protocol):
    def set(self, **attributes: str | int | float) -> None:
        """Attributes, each under ``rulegen.``."""
        ...


class Spans(Protocol):
    def span(self, name: str, traceparent: str) -> Any:
        """A context manager that gives a :class:`Span`; ``traceparent`` "" starts a trace."""
        ...


class _Nothing:
    """Costs next to nothing either: every request has a span."""

    def set(self, **attributes: str | int | float) -> None:
        pass

    def span(self, name: str, traceparent: str) -> _Nothing:
        return self

    def __enter__(self) -> Span:
        return self

    def __exit__(self, *_: object) -> None:
        pass


NOTHING: Spans = _Nothing()


class Traced:
    """Spans of an OpenTelemetry ``tracer``."""

    def __init__(self, tracer: Any) -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._tracer, self._propagator = tracer, TraceContextTextMapPropagator()

    @contextmanager
    def span(self, name: str, traceparent: str) -> Iterator[Span]:
        parent = self._propagator.extract({"traceparent": traceparent}) if traceparent else None
        with self._tracer.start_as_current_span(name, context=parent, record_exception=False) as made:
            yield _Made(made)


class _Made:
    def __init__(self, made: Any) -> None:
        self._made = made

    def set(self, **attributes: str | int | float) -> None:
        self._made.set_attributes({f"rulegen.{name}": value for name, value in attributes.items()})


def spans(environment: Mapping[str, str] = os.environ) -> Spans:
    """Those that ``environment`` asks for. Raises InputError where OpenTelemetry is asked for and not installed."""
    if not any(environment.get(name) for name in ENDPOINTS):
        return NOTHING
    if importlib.util.find_spec("opentelemetry") is None:
        raise InputError(f"{ENDPOINTS[0]} asks for spans: pip install 'rulegen[otel]'")
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": "rulegen-listen"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Traced(provider.get_tracer("rulegen.listen"))
