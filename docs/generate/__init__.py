"""Makes docs/reference/ from the code that each page describes: `python -m docs.generate [folder]` at the root.

Rooms, all pure but `__main__`:
    kinds      fields, rules and columns of the custom resources, from the CRDs
    reasons    the catalogue of reasons
    settings   settings of operator and model server, and the model server's command line
    metrics    what both export
    markdown   page, table and code
Main flow: every room makes the text of its pages -> __main__ writes them. tests/contract/test_reference.py compares.
"""
