"""Measures text generation beside its peers: `python -m bench.llm`, or `make bench-llm`.

Rooms:
    peers         who is measured, with which settings
    environments  a Python environment for each foreign one, from pinned requirements
    model         the one model in the forms that the peers take
    streams       a client of the OpenAI API: many streams at once, the time of every token
    generate      plain transformers, in an environment of its own
    machine       CPU, load, and how fast memory is read
bench/report/language.py makes the page's part from bench/results/llm.jsonl.
"""
