"""A fake API server, as far as the operator can tell.

    kinds        what it serves, and which kinds have a status of their own
    paths        objects as sets of paths: which lists have keys, what differs
    ownership    server-side apply: who owns which path
    patches      merge patch and JSON patch
    defaulting   what a real server adds to what was sent
    storage      versions, history, watchers, garbage collection
    verbs        one request -> one answer
    discovery    which groups and kinds there are
    watching     a watch: history, then events, then bookmarks
    front        HTTP, by aiohttp

It is checked against a real API server: see `conformance/`.
"""
