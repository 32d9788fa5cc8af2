"""Types of the group `modelyard.dev/v1alpha1` and the names that go with them.

Rooms: `names` (labels, annotations), `scalars` (bounded strings, quantities, durations), `gpus` (what a user asks of
GPUs), `model_deployment`, `model_status`, `model_runtime`, `accelerator_profile` (spec and status), `objects` (the
parts of core objects that are read). Nothing here imports another room of the operator.
"""
