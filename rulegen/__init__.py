"""rulegen: alert history in, better Prometheus rules out, and only those that the replay proved."""

__version__ = "0.1.0"
