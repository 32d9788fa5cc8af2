"""Why a model says what it says: how much each feature of a row adds to one of its outputs.

Rooms:
    wishes        what a request may ask for, and what it may cost (pure)
    perturbation  occlusion and Shapley sampling, by predictions alone (pure but for the predictions)
    gradients     integrated gradients of a torch network by captum, imported when they are asked for
    text          the same for networks over tokens, along the embeddings     reading  a model's tokens
    explainer     one explanation at a time, on the inference thread when no prediction waits
    answers       a prediction together with its explanation
Main flow: web.inference or rpc.calls -> answers -> explainer -> perturbation, gradients or text -> the protocol.
"""
