"""Engines: one module per package format behind the `Model` protocol; heavy libraries are imported only on load.

Rooms:
    model          the `Model` protocol and what every engine is told
    registry       format -> engine; load and warm up
    preprocessing  declared scaling of raw inputs
    heads          scores -> the declared outputs (labels, probabilities)
    hardware       CPU share of the container, choice of the device
    torch_model    safetensors and a declared architecture     torch_networks  the architecture as torch modules
    sklearn_model  skops files
"""
