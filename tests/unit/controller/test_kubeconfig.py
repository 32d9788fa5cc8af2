"""Who we are: everything that a kubeconfig or a pod may say, and what is told when it is wrong."""

import base64
import ssl
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelyard_local.pki import Certificate
from modelyard_local.pki import ensure as ensure_pki
from modelyard_operator.kube import kubeconfig
from modelyard_operator.kube.credentials import Credentials, CredentialsError, in_cluster


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pki")
    ensure_pki(folder, [Certificate("admin", "admin")])
    return folder


def write(folder: Path, user: dict[str, Any], **cluster: Any) -> Path:
    path = folder / "config"
    document = {
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "team"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:6443/", **cluster}}],
        "users": [{"name": "u", "user": user}],
    }
    path.write_text(yaml.safe_dump(document))
    return path


def load(path: Path) -> Credentials:
    return kubeconfig.load({"KUBECONFIG": str(path), "PATH": "/usr/bin:/bin"})


def plugin(folder: Path, script: str, **more: Any) -> dict[str, Any]:
    command = folder / "plugin"
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "./plugin", **more}}


def test_a_token_and_a_namespace(tmp_path: Path) -> None:
    found = load(write(tmp_path, {"token": "secret"}))
    assert (found.server, found.namespace) == ("https://127.0.0.1:6443", "team")
    assert found.authorization() == {"Authorization": "Bearer secret"}


async def test_a_token_file_is_sought_beside_the_kubeconfig_and_read_again_in_time(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("first\n")
    found = load(write(tmp_path, {"tokenFile": "token"}))
    now = [0.0]
    found.clock = lambda: now[0]
    assert found.authorization() == {"Authorization": "Bearer first"}
    (tmp_path / "token").write_text("second")
    assert found.authorization() == {"Authorization": "Bearer first"}
    now[0] = 61.0
    assert found.authorization() == {"Authorization": "Bearer second"}
    (tmp_path / "token").write_text("third")
    await found.refresh()
    assert found.authorization() == {"Authorization": "Bearer third"}


def test_certificates_may_be_inline_or_files_beside_the_kubeconfig(tmp_path: Path, pki: Path) -> None:
    def inline(name: str) -> str:
        return base64.b64encode((pki / name).read_bytes()).decode()

    user = {"client-certificate-data": inline("admin.crt"), "client-key-data": inline("admin.key")}
    found = load(write(tmp_path, user, **{"certificate-authority-data": inline("ca.crt")}))
    assert found.context.get_ca_certs()
    assert found.authorization() == {}
    user = {"client-certificate": "admin.crt", "client-key": "admin.key"}
    for name in ("admin.crt", "admin.key", "ca.crt"):
        (tmp_path / name).write_bytes((pki / name).read_bytes())
    assert load(write(tmp_path, user, **{"certificate-authority": "ca.crt"})).context.get_ca_certs()


def test_a_server_may_be_trusted_unseen(tmp_path: Path) -> None:
    assert load(write(tmp_path, {}, **{"insecure-skip-tls-verify": True})).context.verify_mode == ssl.CERT_NONE
    assert load(write(tmp_path, {})).context.verify_mode == ssl.CERT_REQUIRED


async def test_a_plugin_is_asked_at_the_start_and_when_its_token_is_refused(tmp_path: Path) -> None:
    script = """n=$(cat "$COUNTER" 2>/dev/null || echo 0); echo $((n + 1)) > "$COUNTER"
echo "{\\"status\\": {\\"token\\": \\"$1-$n\\"}}"; echo "$KUBERNETES_EXEC_INFO" > "$COUNTER.info" """
    user = plugin(tmp_path, script, args=["token"], env=[{"name": "COUNTER", "value": str(tmp_path / "counter")}])
    found = load(write(tmp_path, user))
    assert found.token == "token-0"
    await found.refresh()
    assert found.authorization() == {"Authorization": "Bearer token-1"}
    assert '"interactive":false' in (tmp_path / "counter.info").read_text()


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo no luck >&2; exit 3", "exit code 3: no luck"),
        ("echo not-json", "printed no ExecCredential"),
    ],
)
def test_a_plugin_that_fails_is_named_with_its_own_words(tmp_path: Path, script: str, said: str) -> None:
    with pytest.raises(CredentialsError, match=f"exec plugin ./plugin.*{said}"):
        load(write(tmp_path, plugin(tmp_path, script)))


def test_a_plugin_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError, match="exec plugin no-such-plugin"):
        load(write(tmp_path, {"exec": {"command": "no-such-plugin"}}))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("current-context: x", "no context named 'x'"),
        ("just text", "is not a kubeconfig"),
        ("[", "is not a kubeconfig"),
        ("contexts: [{}]", "is not a kubeconfig"),
    ],
)
def test_what_is_no_kubeconfig_is_said(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(CredentialsError, match=said):
        load(path)


def test_files_that_are_missing_are_named(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError, match="set KUBECONFIG"):
        load(tmp_path / "nowhere")
    with pytest.raises(CredentialsError, match=r"missing\.crt"):
        load(write(tmp_path, {}, **{"certificate-authority": "missing.crt"}))
    with pytest.raises(CredentialsError, match="auth-provider is not supported"):
        load(write(tmp_path, {"auth-provider": {"name": "old"}}))


def test_a_pod_has_its_service_account(tmp_path: Path, pki: Path) -> None:
    (tmp_path / "ca.crt").write_bytes((pki / "ca.crt").read_bytes())
    (tmp_path / "token").write_text("pod-token")
    (tmp_path / "namespace").write_text("modelyard-system\n")
    found = in_cluster({"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}, tmp_path)
    assert (found.server, found.namespace) == ("https://[fd00::1]:443", "modelyard-system")
    assert found.authorization() == {"Authorization": "Bearer pod-token"}
