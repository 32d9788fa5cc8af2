"""The only rooms that talk to the API server.

`resources` (which kinds, at which paths), `credentials` (who we are) and `kubeconfig` (who we are outside the cluster),
`throttle` (token bucket), `transport` (HTTP), `client` (get, list, watch, apply, patch, delete), `errors` (one for each
thing that a caller does next), `watching` (lines of a watch), `informer` (list + watch -> events), `discovery` (whether
an API group is served).
"""
