"""The Open Inference Protocol over gRPC, and gRPC's own health protocol. Imported only when the port is on.

Rooms:
    inference.proto  the protocol; `inference_pb2` is generated from it
    contents         typed tensor contents <-> arrays (pure)
    messages         requests and responses <-> tensors (pure)
    status           our errors as gRPC codes (pure)
    calls            one method for each call of the protocol
    health           grpc.health.v1
    interceptors     before everything, when they are on: the key, a log line
    server           the port, its limits and its end
"""
