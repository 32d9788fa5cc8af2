"""Our model server beside its peers: `make bench-model-server PEERS="ours mlserver"`.

Rooms:
    peers         who is measured, with which settings
    environments  a Python environment for each, from pinned requirements, kept in the tools' cache
    networks      the models: our package, the peers' copy, a reference for the answers
    bodies        one request in each form, and the answer back (pure)
    processes     a running server: ready, CPU and memory of all its processes, the end
    load          wrk in a closed loop
    drain         requests that are lost when the server is told to stop
    measure       all figures of one peer
    store         results as JSON lines; a peer that is measured anew replaces its own lines only
    apps          the peers' code, run by their own Python
    conformance   the conformance suite against ours and the peers
Main flow: __main__ -> environments -> networks -> measure -> store; bench/report draws.
"""
