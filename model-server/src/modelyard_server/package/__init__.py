"""The model package: what the trainer writes and the server reads.

Rooms (all but `files` are pure):
    card           frozen structs of `model.yaml`
    architectures  its networks        steps   its pre- and post-processing        fields   what both stand on
    parse          YAML text -> card, with errors that name the field
    rules          what must hold between the fields of a card
    networks       shapes of the architectures a card may declare
    manifest       `manifest.json`: every file's sha256, and the package digest
    safety         which paths and formats a package may hold
    files          directory -> `Package`; write the manifest; verify the digests
Main flow: files.read -> parse.card -> rules -> card; files.seal -> manifest.encode -> digest.
"""
