"""The only rooms that talk to the API server.

`resources` (which kinds, at which paths), `credentials` (kubeconfig or service account -> session), `throttle` (token
bucket), `client` (get, list, watch, apply, patch, delete), `errors` (one class for each thing a caller does next),
`informer` (list + watch -> events).
"""
