"""Engines: one module per package format behind the `Model` protocol; heavy libraries are imported only on load.

Rooms:
    model          the `Model` protocol and what every engine is told
    registry       format -> engine; load and warm up
    preparation    declared decoding of inputs: images (Pillow), tokens (tokenizers)
    preprocessing  declared scaling of raw inputs
    sequences      rows of different lengths (pure)
    heads          scores -> the declared outputs (labels, probabilities, the best few)
    samples        inputs to warm up and measure with
    hardware       CPU share of the container        threads   CPU threads of a torch model, measured
    torch_model    safetensors and a declared architecture: torch_networks (modules), torch_weights, torch_device,
                   torch_inputs (arrays to tensors and back)
    torch_options  int8 and compile, kept when they pay        timing   how long a prediction takes
    torch_program  TorchScript and torch.export: programs, only when allowed and pinned
    python_model   a class of one's own, by entry point
    sklearn_model  skops files
    onnx_model     ONNX Runtime: onnx_signature (does the card fit), onnx_files (what the file refers to; both pure)
    generation_model   decoders of the Llama family from transformers' directories and GGUF files
"""
