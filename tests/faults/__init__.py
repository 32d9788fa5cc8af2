"""The operator against a fake API server, with faults, on a clock that jumps.

Rooms, from the ground up:

    virtual      event loops, one a machine, that share a clock which jumps when all of them wait
    network      connections in memory between machines: cut, reset, hung, slow
    api/         the API server: storage with versions, server-side apply, watches, what is served over HTTP
    world        what plays the controller manager, scheduler and kubelet
    injection    which faults a request, a watch or a clock meets, by seed
    scenario     which edits users, admins and strangers make, by seed
    containers   an operator process: its machine, its log, its writes
    harness      one run: all of the above and real operator processes
    watchman     looks on while a run goes
    pictures     what is left of a run, and in what two of them differ
    judgement    what must be true of a run whatever happened
    staging      how a run begins and ends
    trouble      what is broken on purpose, and mended
    oracles      the nine questions, each (seed) -> what is wrong, in words; `weather` and `crashes` hold five of them
    mutants      defects that the oracles must find
    __main__     `make faults`: many seeds in two processes, or one again
    server       the fake API server as a process of its own, for benchmarks

Everything that happens in a run follows from its seed: clocks, chance and network are the harness's own.
"""
