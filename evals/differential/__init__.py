"""The engine held against a real Prometheus: what is asked (``grow``), of what (``raw``), and how (``compare``)."""
