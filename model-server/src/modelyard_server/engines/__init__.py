"""Engines: one module per package format behind the `Model` protocol; heavy libraries are imported only on load.

Rooms:
    model          the `Model` protocol and what every engine is told
    registry       format -> engine; load and warm up
    preprocessing  declared scaling of raw inputs
    heads          scores -> the declared outputs (labels, probabilities)
    samples        inputs to warm up and measure with
    hardware       CPU share of the container        threads   CPU threads of a torch model, measured
    torch_model    safetensors and a declared architecture     torch_networks  the architecture as torch modules
    sklearn_model  skops files
"""
