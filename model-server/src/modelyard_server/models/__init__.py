"""The models of the process: which there are, which are loaded, and what serves while one replaces another.

Rooms:
    layout      folders -> candidates, and which version is the highest
    loading     one candidate to a warm model, off the inference thread as far as possible
    served      one version of one model in service
    texts       the same for a model that generates text
    repository  states, load, unload, replace, drain; the only room that changes what is served
Main flow: layout.scan -> repository.load -> loading.load -> served.Served -> web and rpc, who are told of every change.
"""
