"""Dynamic batching: whatever has queued up while the model was busy runs next, together.

Rooms:
    policy     which queued requests form the next batch, and which have expired (pure)
    execution  one batch through the model, a poisoned row isolated (no threads, no loop)
    worker     the one inference thread
    limits     what a batcher is given: bounds, who hears its figures
    batcher    the bounded queue on the event loop, joining the three
"""
