"""What fails, and for how long, when a part of the platform is killed under load; on the local cluster.

load       clients that ask a model through the gateway, and what became of each request
cluster    the namespace with its model, and how each part is killed
__main__   one failure after the other; results as JSON and as a table
"""
