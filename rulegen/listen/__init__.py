"""Alerts as they happen: HTTP and gRPC in, a store that outlives them out."""
