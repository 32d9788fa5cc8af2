"""Where Envoy is."""

import importlib.resources


def envoy_binary() -> str:
    """Path of the Envoy that is installed with the development dependencies."""
    return str(importlib.resources.files("envoy") / "_bin" / "envoy")
