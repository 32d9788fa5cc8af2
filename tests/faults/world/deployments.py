"""The Deployment controller: pods for each Deployment, and a status that says how far they are."""

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zlib import crc32

import msgspec

from faults.api.kinds import DEPLOYMENTS, PODS
from faults.api.storage import Event, Key
from faults.api.verbs import Verbs

Body = dict[str, Any]
HASH = "pod-template-hash"


class Deployments:
    """Keeps each Deployment at its number of pods."""

    def __init__(
        self,
        verbs: Verbs,
        later: Callable[[float, Callable[[], None]], object],
        now: Callable[[], datetime],
        chance: random.Random,
    ) -> None:
        self._verbs, self._later, self._now, self._chance = verbs, later, now, chance
        self._due: set[Key] = set()
        self._number = 0
        # Best count of updated and ready pods so far, and when it was reached.
        self._progress: dict[str, tuple[tuple[int, int], datetime]] = {}
        # Why pods of a namespace cannot be created: the words of a quota.
        self.quota: dict[str, str] = {}

    def changed(self, event: Event) -> None:
        """A Deployment or one of its pods changed."""
        if event.kind is DEPLOYMENTS and event.after is not None:
            old = event.before.body["metadata"]["generation"] if event.before else 0
            if event.after.body["metadata"]["generation"] != old:
                self._soon(event.key)
        elif event.kind is PODS:
            for owner in event.last.body["metadata"].get("ownerReferences", []):
                self._soon((event.key[0], owner["name"]))

    def again(self) -> None:
        """Look at everything, as after a quota was changed."""
        for key in self._verbs.storage.objects[DEPLOYMENTS]:
            self._soon(key)

    def _soon(self, key: Key, seconds: float | None = None) -> None:
        if key not in self._due:
            self._due.add(key)
            self._later(0.05 + self._chance.random() / 3 if seconds is None else seconds, lambda: self._sync(key))

    def _sync(self, key: Key) -> None:
        self._due.discard(key)
        record = self._verbs.storage.get(DEPLOYMENTS, key)
        if record is None or record.body["metadata"].get("deletionTimestamp"):
            return
        body, uid = record.body, record.uid
        template = f"{crc32(msgspec.json.encode(body['spec']['template'])):08x}"
        pods = [one for one in self._verbs.storage.bodies(PODS, key[0]) if _belongs(one, uid)]
        current = [one for one in pods if one["metadata"]["labels"][HASH] == template]
        old = [one for one in pods if one not in current]
        failure = self._resize(body, template, current, len(old))
        wanted = body["spec"]["replicas"]
        crowded = not _surges(body) or (len(pods) > wanted and not any(not is_ready(one) for one in current))
        if old and (crowded or sum(map(is_ready, current)) >= wanted):
            self._end(old[0])
        self._report(key, body, (pods, current), failure)

    def _resize(self, body: Body, template: str, current: list[Body], old: int) -> str:
        """Create or delete pods; why some could not be created."""
        wanted = body["spec"]["replicas"]
        for pod in sorted(current, key=is_ready)[: max(0, len(current) - wanted)]:
            self._end(pod)
        room = wanted + (1 if _surges(body) else 0) - len(current) - old
        for _ in range(min(wanted - len(current), room)):
            if words := self.quota.get(body["metadata"]["namespace"]):
                return words
            self._create(body, template)
        return ""

    def _create(self, body: Body, template: str) -> None:
        self._number += 1
        metadata, wanted = body["metadata"], body["spec"]["template"]
        name = f"{metadata['name']}-{template}-{self._number}"
        owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": metadata["name"], "uid": metadata["uid"]}
        pod = {
            "metadata": {
                "name": name,
                "namespace": metadata["namespace"],
                "labels": {**wanted["metadata"]["labels"], HASH: template},
                "ownerReferences": [{**owner, "controller": True}],
            },
            "spec": wanted["spec"],
        }
        self._verbs.create(PODS, metadata["namespace"], pod)

    def _end(self, pod: Body) -> None:
        self._verbs.end(PODS, (pod["metadata"]["namespace"], pod["metadata"]["name"]))

    def _report(self, key: Key, body: Body, pods: tuple[list[Body], list[Body]], failure: str) -> None:
        record = self._verbs.storage.get(DEPLOYMENTS, key)
        if record is None:
            return
        status = self._status(body, pods, failure)
        if status != record.body.get("status"):
            self._verbs.storage.put(DEPLOYMENTS, key, {**record.body, "status": status}, record.managers)

    def _status(self, body: Body, pods: tuple[list[Body], list[Body]], failure: str) -> Body:
        live, current = pods
        ready, wanted = sum(map(is_ready, live)), body["spec"]["replicas"]
        updated_ready = sum(map(is_ready, current))
        complete = updated_ready >= wanted and len(live) == len(current) == wanted
        conditions = [
            {"type": "Available", "status": "True" if ready >= wanted else "False", "reason": "x", "message": ""},
            self._progressing(body, (len(current), updated_ready), complete=complete),
        ]
        if failure:
            reason = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate"}
            conditions.append({**reason, "message": failure})
        counts = {"replicas": len(live), "updatedReplicas": len(current), "readyReplicas": ready}
        counts["availableReplicas"] = ready
        counts["unavailableReplicas"] = max(0, wanted - ready)
        present = {name: count for name, count in counts.items() if count}
        return {"observedGeneration": body["metadata"]["generation"], **present, "conditions": conditions}

    def _progressing(self, body: Body, reached: tuple[int, int], *, complete: bool) -> Body:
        uid, now = body["metadata"]["uid"], self._now()
        best, since = self._progress.get(uid, ((-1, -1), now))
        if complete or reached > best:
            best, since = reached, now
        self._progress[uid] = (best, since)
        base = {"type": "Progressing", "status": "True", "message": ""}
        if complete:
            return {**base, "reason": "NewReplicaSetAvailable"}
        limit = timedelta(seconds=body["spec"]["progressDeadlineSeconds"])
        if now - since >= limit:
            return {**base, "status": "False", "reason": "ProgressDeadlineExceeded"}
        key = (body["metadata"]["namespace"], body["metadata"]["name"])
        self._later((limit - (now - since)).total_seconds() + 0.5, lambda: self._soon(key))
        return {**base, "reason": "ReplicaSetUpdated"}


def is_ready(pod: Body) -> bool:
    """Whether a pod answers."""
    conditions = pod["status"].get("conditions", [])
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
    return ready and "deletionTimestamp" not in pod["metadata"]


def _belongs(pod: Body, uid: str) -> bool:
    metadata = pod["metadata"]
    return "deletionTimestamp" not in metadata and any(
        one["uid"] == uid for one in metadata.get("ownerReferences") or []
    )


def _surges(body: Body) -> bool:
    return bool(body["spec"]["strategy"].get("rollingUpdate", {}).get("maxSurge") != 0)
