"""How the gateway is seen, how it ends, and what a part of it leaves when it is gone."""

from __future__ import annotations

import datetime as dt
import signal
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from prometheus_client.parser import text_string_to_metric_families

from integration.gateway.envoy_binary import envoy_binary
from integration.gateway.pods import Pod
from integration.gateway.standing import PODS, PORT, PROGRAM, Gateway, account, install, serving, standing
from integration.running import Cluster, eventually

pytestmark = pytest.mark.integration

TEAM = "running-team"


def write_certificate(mounted: Path, name: str, generation: int) -> None:
    """A self-signed certificate, brought as the kubelet brings a Secret: by one rename of a link."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(generation)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    data = mounted / f"..{generation}"
    data.mkdir(parents=True)
    (data / "tls.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (data / "tls.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    new = mounted / "..data_tmp"
    new.symlink_to(data.name)
    new.rename(mounted / "..data")
    for one in ("tls.crt", "tls.key"):
        if not (mounted / one).is_symlink():
            (mounted / one).symlink_to(f"..data/{one}")


@pytest.fixture(scope="module")
def mounted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("certificate")
    write_certificate(found, "first.example", 1)
    return found


@pytest.fixture(scope="module")
def prepared(shared: Cluster) -> Path:
    shared.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": TEAM}})
    shared.apply(*serving(TEAM, "digits", [PODS[0]]))
    return install(shared)


@pytest.fixture
def gateway(prepared: Path, tmp_path: Path) -> Iterator[Gateway]:
    with standing(prepared, tmp_path, envoy_binary(), drain_timeout="8") as found:
        yield found


@pytest.fixture
def pod(gateway: Gateway) -> Iterator[Pod]:
    found = Pod(gateway.network, PODS[0])
    yield found
    found.end()


@pytest.fixture(scope="module")
def token(shared: Cluster, prepared: Path) -> str:
    return account(shared, TEAM, "client", "digits")


def samples(gateway: Gateway, name: str) -> list[tuple[dict[str, str], float]]:
    text = gateway.observed("/metrics").body.decode()
    return [
        (one.labels, one.value)
        for family in text_string_to_metric_families(text)
        for one in family.samples
        # The parser calls counters so.
        if one.name == f"{name}_total"
    ]


def refusals(gateway: Gateway) -> float:
    found = samples(gateway, "envoy_http_models_downstream_rq_xx")
    return sum(value for labels, value in found if labels == {"envoy_response_code_class": "4"})


def test_requests_are_counted_by_model_and_class(gateway: Gateway, pod: Pod, token: str) -> None:
    for _ in range(3):
        assert gateway.ask(f"/{TEAM}/digits/v2/health/ready", token).status == 200
    labels = {"modelyard_namespace": TEAM, "modelyard_model": "digits", "modelyard_protocol": "http"}

    def counted() -> bool:
        found = samples(gateway, "envoy_cluster_upstream_rq_xx")
        return ({**labels, "envoy_response_code_class": "2"}, 3.0) in found

    eventually(counted)
    # Others were refused while the test waited for the gateway.
    before = refusals(gateway)
    assert gateway.ask(f"/{TEAM}/digits/v2/health/ready").status == 401
    eventually(lambda: refusals(gateway) == before + 1)


def test_envoys_interface_is_shut_but_for_what_is_read(gateway: Gateway) -> None:
    assert gateway.observed("/healthz").status == 200
    assert gateway.observed("/readyz").status == 200
    for path in ("/quitquitquit", "/config_dump", "/stats", "/", "/metrics/../quitquitquit", "/readyz/x"):
        assert gateway.observed(path).status == 404, path
        assert gateway.observed(path, "POST").status == 404, path
    assert gateway.observed("/metrics", "POST").status == 404


def test_requests_go_on_while_a_gateway_is_emptied_and_clients_are_asked_to_go(
    gateway: Gateway, pod: Pod, token: str
) -> None:
    path = f"/{TEAM}/digits/v2/health/ready"
    with gateway.network.connect(("127.0.0.1", PORT)) as stream:
        head = f"GET /{TEAM}/digits/v1/chat/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"
        stream.sendall(head.encode())
        draining = subprocess.Popen([*PROGRAM, "drain"], env=gateway.environment, stderr=subprocess.PIPE)
        eventually(lambda: gateway.observed("/readyz").status == 503)
        assert gateway.observed("/healthz").status == 200, "the kubelet must not kill it"
        answers = [gateway.ask(path, token) for _ in range(50)]
        assert {(one.status, one.headers.get("connection")) for one in answers} == {(200, "close")}
        received = b""
        while b"data: 4" not in received:
            received += stream.recv(65536)
    said = draining.communicate()[1]
    assert (draining.returncode, said) == (0, b"")


def test_streams_go_on_while_the_process_beside_envoy_is_replaced(gateway: Gateway, pod: Pod, token: str) -> None:
    path = f"/{TEAM}/digits/v2/health/ready"
    assert gateway.ask(path, token).status == 200
    assert gateway.beside is not None
    with gateway.network.connect(("127.0.0.1", PORT)) as stream:
        head = f"GET /{TEAM}/digits/v1/chat/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"
        stream.sendall(head.encode())
        received = stream.recv(65536)
        gateway.beside.end(signal.SIGKILL)
        assert gateway.ask(path, token).status == 503, "nobody says who may pass"
        gateway.beside = gateway.beside.again()
        while b"data: 4" not in received:
            received += stream.recv(65536)
    eventually(lambda: gateway.ask(path, token).status == 200)


def serial(gateway: Gateway) -> int:
    """Of the certificate that a client sees."""
    with gateway.connect() as connection:
        assert isinstance(connection, ssl.SSLSocket)
        seen = connection.getpeercert(binary_form=True)
        assert seen is not None
        return x509.load_der_x509_certificate(seen).serial_number


def test_a_new_certificate_is_taken_without_a_restart(
    prepared: Path, tmp_path: Path, mounted: Path, token: str
) -> None:
    with standing(prepared, tmp_path, envoy_binary(), tls=str(mounted)) as gateway:
        pod = Pod(gateway.network, PODS[0])
        assert gateway.ask(f"/{TEAM}/digits/v2/health/ready", token).status == 200
        assert serial(gateway) == 1
        write_certificate(mounted, "second.example", 2)
        eventually(lambda: serial(gateway) == 2)
        pod.end()


def test_a_gateway_of_some_namespaces_serves_those_only(
    shared: Cluster, prepared: Path, tmp_path: Path, token: str
) -> None:
    shared.kubectl("create", "namespace", "running-other")
    shared.apply(*serving("running-other", "digits", [PODS[0]]))
    other = account(shared, "running-other", "client", "digits")
    with standing(prepared, tmp_path, envoy_binary(), namespaces=TEAM) as gateway:
        pod = Pod(gateway.network, PODS[0])
        assert gateway.ask(f"/{TEAM}/digits/v2/health/ready", token).status == 200
        assert gateway.ask("/running-other/digits/v2/health/ready", other).status == 404
        pod.end()
