"""Checks an inference server against the Open Inference Protocol, clause by clause, from outside.

Rooms:
    clauses      what a clause is, the list of all, and how one is judged
    wire         one HTTP exchange
    tensors      inputs from a model's metadata; values to bytes and back (pure)
    target       the server and the model under test
    checks       the expectations that clauses share
    rest, rest_errors, binary, repository, v1, rpc, rpc_errors    the clauses
    report       verdicts as a table and as JSON (pure)
Main flow: __main__ -> target -> clauses -> report.
Sources: github.com/kserve/open-inference-protocol (inference_rest.md, inference_grpc.md), Triton's
extension_binary_data.md and extension_model_repository.md, KServe's "V1 Protocol".
"""

__version__ = "0.1.0"
