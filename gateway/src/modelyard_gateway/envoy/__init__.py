"""What Envoy reads, as data. Pure.

    bootstrap   what it is started with: the listener, the authorizer, where clusters are found
    listener    one HTTP listener: who asks is decided by the authorizer, and where to as well
    clusters    the pods of each model
    tls         the certificate for clients
    observing   figures and health, on a port of their own
    usage       what Envoy tells of answers, for those who count
    shared_door the door of all models, /openai/v1: what is done there before the authorizer is asked

Source: Envoy's API, https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/api
"""

from typing import Any

Resource = dict[str, Any]
TYPE = "type.googleapis.com/envoy"
# The decision of the authorizer, as headers that Envoy puts on the request before it looks for its route.
CLUSTER_HEADER = "x-modelyard-cluster"
USER_HEADER = "x-modelyard-user"
PATH_HEADER = "x-modelyard-path"
# Of a question to the authorizer, the length is that of the question.
LENGTH_HEADER = "x-modelyard-length"
# What the body of a request at the door of all models names.
MODEL_HEADER = "x-modelyard-model"
REASON_HEADER = "x-modelyard-reason"
# Of an answer that the client gets, what it should know.
WARNING_HEADER = "x-modelyard-warning"
AUTHORIZER = "modelyard.authorizer"
ADMIN = "modelyard.admin"
# No namespace begins so. Envoy asks below it who somebody is, before it reads a body.
OURS = "/-/"
WHO = f"{OURS}who"
DOOR = "/openai/v1/"
