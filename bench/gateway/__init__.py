"""What the gateway costs: beside a direct call and beside Envoy alone, in one run.

scene       a real API server, Envoys as pods, Envoy alone, and the gateway; all in a network of their own
wrk         wrk within that network, and what it cost the gateway's processes
single      single requests: with tokens that are new, first events, and how soon a new address is used
"""
