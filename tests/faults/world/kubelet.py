"""The scheduler and the kubelets: each pod comes up, or fails in the way that its image or its model asks for.

Words in an image or a model's address choose what happens: `no-such-image`, `crashes`, `too-large`, `missing`.
"""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from faults.api.kinds import NODES, PODS, SECRETS
from faults.api.storage import Event, Key
from faults.api.verbs import Verbs

from .placement import extended, node_for

Body = dict[str, Any]
RESTART_LIMIT = 300.0
PACKAGE = msgspec.json.encode(
    {"digest": "sha256:" + "a" * 64, "name": "digits", "version": "1", "format": "torch", "bytes": 10}
).decode()
MISSING = msgspec.json.encode({"reason": "ModelNotFound", "message": "nothing is stored there"}).decode()


class Kubelet:
    """All nodes."""

    def __init__(self, verbs: Verbs, later: Callable[[float, Callable[[], None]], object], chance: random.Random):
        self._verbs, self._later, self._chance = verbs, later, chance
        self._homeless: set[Key] = set()

    def changed(self, event: Event) -> None:
        """Take new pods, end those that are marked, and try again when there may be room."""
        if event.kind is NODES:
            self._later(0.1, self._retry)
            if event.after is None:
                self._evict(event.key[1])
        if event.kind is not PODS:
            return
        if event.after is None:
            self._homeless.discard(event.key)
            self._later(0.1, self._retry)
        elif event.before is None:
            self._after(0.1, 0.4, self._place, event.key, event.after.uid)
        elif _marked(event.after.body) and not _marked(event.before.body):
            self._after(0.5, 3.0, self._end, event.key, event.after.uid)

    def _after(self, least: float, more: float, step: Callable[[Key, str], None], key: Key, uid: str) -> None:
        self._later(least + more * self._chance.random(), partial(step, key, uid))

    def _retry(self) -> None:
        for key in sorted(self._homeless):
            if record := self._verbs.storage.get(PODS, key):
                self._place(key, record.uid)

    def _evict(self, node: str) -> None:
        for pod in self._verbs.storage.bodies(PODS):
            if pod["spec"].get("nodeName") == node:
                key = (pod["metadata"]["namespace"], pod["metadata"]["name"])
                self._later(0.2, partial(self._end, key, pod["metadata"]["uid"]))

    def _pod(self, key: Key, uid: str) -> Body | None:
        record = self._verbs.storage.get(PODS, key)
        return record.body if record and record.uid == uid and not _marked(record.body) else None

    def _place(self, key: Key, uid: str) -> None:
        pod = self._pod(key, uid)
        if pod is None or pod["spec"].get("nodeName"):
            return
        storage = self._verbs.storage
        # Only pods that hold devices can be in each other's way.
        others = storage.bodies(PODS) if extended(pod) else []
        node, message = node_for(pod, storage.bodies(NODES), others)
        if not node:
            self._homeless.add(key)
            condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
            self._write(key, pod, {**pod["status"], "conditions": [condition]})
            return
        self._homeless.discard(key)
        status = {**pod["status"], "conditions": [{"type": "PodScheduled", "status": "True"}]}
        self._write(key, {**pod, "spec": {**pod["spec"], "nodeName": node}}, status)
        self._after(0.1, 0.5, self._fetch, key, uid)

    def _fetch(self, key: Key, uid: str) -> None:
        pod = self._pod(key, uid)
        if pod and not self._has_secrets(pod):
            self._after(2.0, 2.0, self._fetch, key, uid)
        elif pod:
            self._write(key, pod, {**pod["status"], "initContainerStatuses": [_container("fetch", running={})]})
            self._after(0.3, 4.0, self._fetched, key, uid)

    def _has_secrets(self, pod: Body) -> bool:
        """Whether every Secret is there that the pod cannot do without."""
        wanted = [one["secret"] for one in pod["spec"]["volumes"] if "secret" in one]
        space = pod["metadata"]["namespace"]
        storage = self._verbs.storage
        return all(one.get("optional") or storage.get(SECRETS, (space, one["secretName"])) for one in wanted)

    def _fetched(self, key: Key, uid: str, restarts: int = 0) -> None:
        pod = self._pod(key, uid)
        if pod is None:
            return
        if any("missing" in word for word in pod["spec"]["initContainers"][0]["args"]):
            ended = {"exitCode": 1, "reason": "Error", "message": MISSING}
            self._fail(key, pod, "initContainerStatuses", _waits("fetch", ended, restarts))
            self._again(restarts, partial(self._fetched, key, uid, restarts + 1))
            return
        ended = {"exitCode": 0, "reason": "Completed", "message": PACKAGE}
        status = {**pod["status"], "initContainerStatuses": [_container("fetch", terminated=ended)]}
        self._write(key, pod, {**status, "phase": "Running", "containerStatuses": [_container("server", running={})]})
        self._after(0.3, 4.0, self._loaded, key, uid)

    def _loaded(self, key: Key, uid: str, restarts: int = 0) -> None:
        pod = self._pod(key, uid)
        if pod is None:
            return
        image = pod["spec"]["containers"][0]["image"]
        if "no-such-image" in image:
            waiting = {"reason": "ImagePullBackOff", "message": f"Back-off pulling image {image}"}
            self._fail(key, pod, "containerStatuses", _container("server", image=image, waiting=waiting))
        elif "crashes" in image or "too-large" in image:
            reason = "OOMKilled" if "too-large" in image else "Error"
            ended = {"exitCode": 137 if reason == "OOMKilled" else 1, "reason": reason, "message": ""}
            self._fail(key, pod, "containerStatuses", _waits("server", ended, restarts))
            self._again(restarts, partial(self._loaded, key, uid, restarts + 1))
        else:
            conditions = [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "True"}]
            server = _container("server", image=image, running={"startedAt": "2026-01-01T00:00:00Z"})
            status = {"containerStatuses": [{**server, "ready": True}], "conditions": conditions}
            self._write(key, pod, {**pod["status"], **status})

    def _again(self, restarts: int, step: Callable[[], None]) -> None:
        self._later(min(RESTART_LIMIT, 10.0 * 2.0**restarts), step)

    def _fail(self, key: Key, pod: Body, field: str, container: Body) -> None:
        conditions = [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "False"}]
        self._write(key, pod, {**pod["status"], field: [container], "conditions": conditions})

    def _write(self, key: Key, pod: Body, status: Body) -> None:
        record = self._verbs.storage.get(PODS, key)
        new = {**pod, "status": status}
        if record is not None and new != record.body:
            self._verbs.storage.put(PODS, key, new, record.managers)

    def _end(self, key: Key, uid: str) -> None:
        record = self._verbs.storage.get(PODS, key)
        if record is not None and record.uid == uid:
            self._verbs.end(PODS, key, now=True)


def _marked(body: Body) -> bool:
    return "deletionTimestamp" in body["metadata"]


def _container(name: str, image: str = "x", **state: Any) -> Body:
    return {"name": name, "image": image, "imageID": "x", "ready": False, "restartCount": 0, "state": state}


def _waits(name: str, ended: Body, restarts: int) -> Body:
    waiting = {"reason": "CrashLoopBackOff", "message": "back-off restarting failed container"}
    return {**_container(name, waiting=waiting), "restartCount": restarts, "lastState": {"terminated": ended}}
