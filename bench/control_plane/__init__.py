"""The operator on a real control plane, beside a bare apply of the same children.

    make bench-control-plane

Rooms:
    figures    what is written to bench/results/control_plane.jsonl
    arena      fresh control planes with our CRDs and RBAC: one that only stores, and one with controllers and nodes
    operators  operator processes, measured from outside: CPU, memory, when one is quiet
    load       the client that creates models, and a second one that watches what comes of them
    children   what the operator made, as manifests that a bare client can apply
    bursts     many models at once: with the operator there, before it is started, and without it
    pacing     latency of one model at a time
    stored     the figures of a control plane that only stores
    steady     foreign changes, restart, fail-over
    serving    the figures of one with nodes
    fake       the same operator against an API server that costs nothing
Main flow of `__main__`: for each number of models `stored`, then `serving`, each measurement on a fresh control plane;
then the fake. Requests are counted from the API server's audit log, never by the operator's own word.
"""
