"""The Modelyard model server: one model package or several, one process, one inference thread.

Main flow of a request:
    web.front (bytes) -> protocol (tensors) -> batching (bounded queue, one batch at a time)
    -> engines (forward) -> protocol (bytes)

Rooms:
    package    the model package: card, manifest, digest (pure parsing plus small file I/O)
    fetch      s3://, https:// and pvc:// to a verified directory (the pod's init container)
    protocol   Open Inference Protocol V2 and KServe V1: bytes to tensors and back (pure)
    batching   which rows run together (pure policy) and the thread that runs them
    engines    torch and sklearn behind one `Model` protocol
    generation text, token by token, for many at once
    openai     the OpenAI API's bodies, answers and errors (pure)
    explain    what each feature of a row adds to a score
    models     which models there are; load, replace and unload them while others serve
    web        the HTTP side: hot routes, management routes, errors, OpenAPI
    lifecycle  STARTING -> READY -> DRAINING | FAILED      serving    load, serve, drain, exit
    settings   the only reader of the environment          keys   who may ask
    metrics, pauses, tracing, logs, termination   what operators see
"""

NAME = "modelyard-server"
"""Name of the server in its metadata."""
LOAD_PARAMETERS = "parameters: none is known for a load; the package's model.yaml says it all"
EXTENSIONS = ("binary_tensor_data", "model_repository")
"""Extensions of the protocol that server metadata names."""
__version__ = "0.1.0"
