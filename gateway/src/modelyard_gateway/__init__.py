"""The door to all models: tells Envoy where models are, and whether a request may reach one.

    client -> Envoy --- may it? ---> authorizer (this process, a Unix socket)
                 \\-- to the model's pods, as `clusters` in files say, which this process keeps current

Rooms:
    process        wires everything            settings     what the gateway is told
    directory      models and their addresses, from watches of the API server
    publishing     writes Envoy's files when the directory changes
    carrier        Envoy as a process: begins it, and empties it before its end
    envoy          what Envoy reads, as data: bootstrap, listener, clusters, endpoints       PURE
    accounts       wires InferenceKeys: who holds one, and what was used
    keys           InferenceKeys: what they open, how fast, how much
    usage          what was used, from Envoy's lines to metrics and statuses
    access         who asks, and whether they may                                            mostly PURE
    answers        refusals in the words of each protocol                                    PURE
    door           ASGI: one question of Envoy -> one answer

The decision names the cluster, so Envoy's routes never change: what changes are clusters and endpoints.
Design: docs/design/0010-gateway.md, 0011-inference-keys.md.
"""

__version__ = "0.1.0"
