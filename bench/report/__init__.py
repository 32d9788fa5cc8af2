"""Makes docs/performance.md and its pictures from the committed results: `python -m bench.report [folder]`.

Rooms, all pure but `__main__`:
    results   a results file, parsed
    targets   what is good, and what KServe takes
    tables    figures beside their targets, as Markdown and as text
    servers   the model server's part, beside its peers
    language  text generation's part, beside its peers
    drawing   a line chart as SVG
    page      the page and its charts
tests/contract/test_performance_page.py compares what is committed with what the results say.
"""
