"""TLS for clients. The certificate is read again when its folder changes, as a mounted Secret does.

Source: envoy.extensions.transport_sockets.tls.v3.
"""

from pathlib import Path

from . import TYPE, Resource

_TLS = f"{TYPE}.extensions.transport_sockets.tls.v3"
_NAME = "certificate"


def certificate_file(folder: Path) -> Path:
    """Where Envoy finds which files hold the certificate."""
    return folder / "certificate.json"


def certificate(mounted: Path) -> Resource:
    """The certificate and key of a folder. Kubernetes replaces both at once, by renaming a link in it."""
    return {
        "@type": f"{_TLS}.Secret",
        "name": _NAME,
        "tls_certificate": {
            "certificate_chain": {"filename": str(mounted / "tls.crt")},
            "private_key": {"filename": str(mounted / "tls.key")},
            "watched_directory": {"path": str(mounted)},
        },
    }


def transport(folder: Path) -> Resource:
    """The listener's side: HTTP/2 where the client can, nothing older than TLS 1.2."""
    found = {"path_config_source": {"path": str(certificate_file(folder))}, "resource_api_version": "V3"}
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": f"{_TLS}.DownstreamTlsContext",
            "common_tls_context": {
                "alpn_protocols": ["h2", "http/1.1"],
                "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
                "tls_certificate_sds_secret_configs": [{"name": _NAME, "sds_config": found}],
            },
        },
    }
