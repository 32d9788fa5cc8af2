"""Fetch: from a URI to a verified package directory. Runs as the pod's init container and imports no engine.

Rooms:
    uri          text -> location (pure)
    credentials  mounted Secret and environment -> what the stores take (names may be logged, values never)
    source       what a place to fetch from must do
    objects      s3:// and https:// through obstore      volume   pvc://
    archive      .tar and .zip, unpacked without trusting them
    transfer     streams with retries, hashes and progress
    download     the flow: manifest, files, verification, publication
    command      the subcommand: outcome -> exit code and termination message
"""
