"""Open Inference Protocol V2 and KServe V1: bytes to tensors and back. Pure: no HTTP, no engine, no clock.

Rooms:
    datatypes  protocol names <-> numpy types
    tensors    one tensor from JSON or binary data, and back
    signature  a request's tensors against what the model declares
    v2         the V2 request and response, with the binary tensor extension
    v1         the V1 `predict` request and response
"""
