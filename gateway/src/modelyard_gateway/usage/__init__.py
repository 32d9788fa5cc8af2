"""What was used: Envoy's lines of answers that have ended -> metrics, limits, and the status of InferenceKeys.

line      one line of Envoy's -> who used what                          PURE
tallies   what a key used, added to what its status says                PURE
file      Envoy's file: read on, remembered, and given back to the disk
series    metrics of a bounded number of models and keys
ledger    what is not in any status yet, and writes it there
counting  the loop: file -> series, limits, ledger

A file is the one way between the two processes that never holds Envoy up, outlives either, and needs no port.
Design: docs/design/0011-inference-keys.md.
"""
