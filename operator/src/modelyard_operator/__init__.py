"""The Modelyard operator: ModelDeployments in, model servers out.

The main flow, in the order in which a newcomer may read it::

    __main__     settings, credentials, surroundings, signals, the HTTP port          I/O
    process      lease, informers, workers, shutdown                                  I/O
    model_watch  kopf, and lists of what it missed                                    I/O
    handlers     kopf events of ModelDeployments -> key in the queue                  I/O
    workqueue    keyed, deduplicated, backoff, fair between namespaces                clock injected
    reconcile    read caches -> decide -> children, policies, strays -> report        thin
    decide       PURE: one observed model -> what to apply, delete and report
      revision   PURE: what a spec asks for, resolved and hashed
      gpu        PURE: GPU request + profile + nodes -> resource name, affinity
      render/    PURE: resolved revision -> Kubernetes objects
      rollout    PURE: replica counts in, next step out
      diagnosis  PURE: pods -> the one cause that matters
      facts      PURE: what is known of the model now
    bundler      writes the runtimes and profiles of the installation, as bundle plans    thin
    conditions   PURE: facts -> status, with its one line by summary
    kube/        the only rooms that talk to the API server
    surroundings clocks, chance and network, injected by __main__
    api/         typed objects, defaults and bounds; `crd` writes them as CRDs
"""

__version__ = "0.1.0"
