"""One request -> one answer: get, list, create, update, patch, apply, delete."""

from collections.abc import Callable
from typing import Any

import msgspec

from . import ownership
from .answers import Answer, RefusedError, invalid, modified, not_found, plural
from .defaulting import defaulted
from .kinds import HISTORY, LEASES, PODS, Kind
from .ownership import Managers
from .patches import PatchError, json_patch, merge
from .requests import Request, Target, parse, token_of, version_and_key
from .selectors import selector
from .storage import Body, Key, Record, Storage

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
# The server keeps these; what a client sends for them is not believed.
_SERVER_S = ("namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp")
_WITHOUT_GENERATION = ("Service", "ControllerRevision", "Lease", "ConfigMap", "Node")


Admission = Callable[[Kind, Body, Body | None], RefusedError | None]


class Verbs:
    """Reads and writes of the storage, with the rules of an API server."""

    def __init__(self, storage: Storage, new_uid: Callable[[], str], now: Callable[[], str]) -> None:
        self.storage = storage
        self._new_uid, self._now = new_uid, now
        self.admit: Admission = lambda _kind, _new, _old: None
        # Tells every accepted write that changed something: request, target, and the version that it made.
        self.wrote: Callable[[Request, Target, int], None] = lambda _request, _target, _version: None
        # Tells every request that may write, before it is carried out.
        self.asked: Callable[[Request, Target], None] = lambda _request, _target: None
        # Which version lists show; the present one unless a view lags.
        self.shown: Callable[[Request], int] = lambda _request: self.storage.version

    def handle(self, request: Request) -> Answer:
        """The answer to anything but a watch."""
        try:
            target = parse(request.path)
            if request.method != "GET":
                self.asked(request, target)
            before = self.storage.version
            answer = self._dispatch(request, target)
        except RefusedError as error:
            return error.answer()
        except (msgspec.DecodeError, PatchError):
            return RefusedError(422, "the server rejected our request due to an error in our request").answer()
        if self.storage.version != before:
            self.wrote(request, target, self.storage.version)
        return answer

    def _dispatch(self, request: Request, target: Target) -> Answer:
        if request.method == "GET":
            return self._get(target) if target.name else self._list(request, target)
        if request.method == "POST" and not target.name:
            body = msgspec.json.decode(request.body)
            return self._create(target, body, {})
        if request.method == "PUT" and target.name:
            return self._replace(request, target)
        if request.method == "PATCH" and target.name:
            return self._apply(request, target) if request.content_type == APPLY else self._patch(request, target)
        if request.method == "DELETE" and target.name:
            return self._delete(request, target)
        raise RefusedError(405, f"the server does not allow {request.method} on {request.path}")

    def _present(self, target: Target) -> Record:
        record = self.storage.get(target.kind, target.key)
        if record is None:
            raise not_found(target.kind, target.name)
        return record

    def _get(self, target: Target) -> Answer:
        return Answer(200, self._present(target).raw)

    def _list(self, request: Request, target: Target) -> Answer:
        version, start = self.shown(request), ("", "")
        if token := request.query.get("continue"):
            version, start = version_and_key(token)
            if not self.storage.remembers(version):
                raise RefusedError(410, "The provided continue parameter is too old", "Expired")
        found = self.storage.at(target.kind, version)
        matches = selector(request.query.get("labelSelector", ""))
        keys = sorted(
            key
            for key, one in found.items()
            if key > start and target.namespace in ("", key[0]) and matches(one.body["metadata"].get("labels") or {})
        )
        limit = int(request.query.get("limit") or 0) or len(keys)
        metadata: dict[str, Any] = {"resourceVersion": str(version)}
        if len(keys) > limit:
            metadata["continue"] = token_of(version, keys[limit - 1])
            metadata["remainingItemCount"] = len(keys) - limit
        head = {"kind": f"{target.kind.name}List", "apiVersion": target.kind.api_version, "metadata": metadata}
        items = b",".join(found[key].raw for key in keys[:limit])
        return Answer(200, msgspec.json.encode(head)[:-1] + b',"items":[' + items + b"]}")

    def _create(self, target: Target, body: Body, managers: Managers) -> Answer:
        kind, metadata = target.kind, dict(body.get("metadata") or {})
        name = metadata.get("name") or target.name
        if not name:
            raise invalid(kind, "", "metadata.name: Required value: name or generateName is required")
        key = (target.namespace, name)
        if self.storage.get(kind, key) is not None:
            raise RefusedError(409, f'{plural(kind)} "{name}" already exists', "AlreadyExists")
        for field in _SERVER_S:
            metadata.pop(field, None)
        metadata |= {"name": name, "uid": self._new_uid(), "creationTimestamp": self._now()}
        if target.namespace:
            metadata["namespace"] = target.namespace
        if kind.name not in _WITHOUT_GENERATION:
            metadata["generation"] = 1
        new = {**body, "kind": kind.name, "apiVersion": kind.api_version, "metadata": metadata}
        if kind.status:
            new.pop("status", None)
        new = defaulted(kind, new, f"10.96.{self.storage.version // 250 % 250}.{self.storage.version % 250 + 1}")
        self._admitted(kind, new, None)
        return Answer(201, self.storage.put(kind, key, new, managers).raw)

    def _replace(self, request: Request, target: Target) -> Answer:
        live, sent = self._present(target), msgspec.json.decode(request.body)
        metadata = sent.get("metadata") or {}
        if target.kind is LEASES and not metadata.get("resourceVersion"):
            what = "metadata.resourceVersion: Invalid value: 0: must be specified for an update"
            raise RefusedError(422, f'{plural(target.kind)} "{target.name}" is invalid: {what}')
        return self._changed(request, target, live, sent)

    def _patch(self, request: Request, target: Target) -> Answer:
        live, patch = self._present(target), msgspec.json.decode(request.body)
        if request.content_type == MERGE:
            return self._changed(request, target, live, merge(live.body, patch))
        if request.content_type == JSON_PATCH:
            return self._changed(request, target, live, json_patch(live.body, patch))
        raise RefusedError(415, f"the body of the request was in an unknown format: {request.content_type}")

    def _apply(self, request: Request, target: Target) -> Answer:
        applied = msgspec.json.decode(request.body)
        metadata = applied.get("metadata") or {}
        manager = request.query.get("fieldManager", "")
        if not manager:
            raise RefusedError(400, "fieldManager is required for apply patch")
        live = self.storage.get(target.kind, target.key)
        if live is None:
            if uid := metadata.get("uid"):
                what = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
                raise RefusedError(
                    409, f'Operation cannot be fulfilled on {plural(target.kind)} "{target.name}": {what}'
                )
            return self._create(target, applied, {(manager, "Apply"): ownership.Owned(applied)})
        managers = dict(live.managers)
        new = ownership.apply(live.body, applied, managers, manager)
        return self._changed(request, target, live, new, managers)

    def _changed(
        self, request: Request, target: Target, live: Record, new: Body, managers: Managers | None = None
    ) -> Answer:
        """Store what a request makes of an object, unless that is nothing new."""
        kind, new = target.kind, self._revised(target, live.body, new)
        if managers is None:
            managers = dict(live.managers)
            if new != live.body:
                ownership.update(live.body, new, managers, request.query.get("fieldManager", "unknown"))
        if new == live.body and managers == live.managers:
            return Answer(200, live.raw)
        self._admitted(kind, new, live.body)
        metadata = new["metadata"]
        if "generation" in metadata and _wanted(new) != _wanted(live.body):
            new = {**new, "metadata": {**metadata, "generation": metadata["generation"] + 1}}
        if metadata.get("deletionTimestamp") and not metadata.get("finalizers"):
            return Answer(200, self.storage.remove(kind, target.key).raw)
        return Answer(200, self.storage.put(kind, target.key, new, managers).raw)

    def _revised(self, target: Target, live: Body, new: Body) -> Body:
        """What an object becomes: the server's own fields kept, defaults added; RefusedError when that must not be."""
        kind, name, old = target.kind, target.name, live["metadata"]
        metadata = dict(new.get("metadata") or {})
        if metadata.get("resourceVersion") not in (None, "", old["resourceVersion"]):
            raise modified(kind, name)
        if metadata.get("uid") not in (None, "", old["uid"]):
            raise invalid(kind, name, f'metadata.uid: Invalid value: "{metadata["uid"]}": field is immutable')
        for field in _SERVER_S:
            metadata.pop(field, None)
            if field in old:
                metadata[field] = old[field]
        new = {**new, "kind": kind.name, "apiVersion": kind.api_version, "metadata": metadata}
        new = self._merged_status(target, live, new)
        if not target.subresource:
            new = defaulted(kind, new, live.get("spec", {}).get("clusterIP", ""))
        if kind is HISTORY and new.get("data") != live.get("data"):
            raise invalid(kind, name, "data: Forbidden: field is immutable")
        return new

    def _merged_status(self, target: Target, live: Body, new: Body) -> Body:
        """A write of the status changes nothing else, and another write does not change the status."""
        if target.subresource == "status":
            changed = {**live, "status": new.get("status", {})}
            return changed if "status" in new else {key: value for key, value in changed.items() if key != "status"}
        if target.kind.status:
            new = {key: value for key, value in new.items() if key != "status"}
            return {**new, **({"status": live["status"]} if "status" in live else {})}
        return new

    def _admitted(self, kind: Kind, new: Body, old: Body | None) -> None:
        if refusal := self.admit(kind, new, old):
            raise refusal

    def _delete(self, request: Request, target: Target) -> Answer:
        live = self._present(target)
        options = msgspec.json.decode(request.body) if request.body else {}
        for field, words in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
            wanted, found = (options.get("preconditions") or {}).get(field), live.body["metadata"][field]
            if wanted not in (None, found):
                what = f"the {words} in the precondition ({wanted}) does not match the {words} in record ({found})"
                raise RefusedError(409, f'Operation cannot be fulfilled on {target.kind.name} "{target.name}": {what}')
        self.end(target.kind, target.key)
        return Answer(200, msgspec.json.encode({"kind": "Status", "apiVersion": "v1", "status": "Success"}))

    def create(self, kind: Kind, namespace: str, body: Body) -> None:
        """Create an object as a controller of the cluster does, without a request."""
        self._create(Target(kind, namespace), body, {})

    def end(self, kind: Kind, key: Key, *, now: bool = False) -> None:
        """Delete an object; one with finalizers, or a pod that runs on a node, is only marked."""
        live = self.storage.get(kind, key)
        if live is None:
            return
        metadata = live.body["metadata"]
        runs = kind is PODS and bool(live.body.get("spec", {}).get("nodeName"))
        if now or not (metadata.get("finalizers") or runs):
            self.storage.remove(kind, key)
        elif not metadata.get("deletionTimestamp"):
            marked = {**metadata, "deletionTimestamp": self._now()}
            self.storage.put(kind, key, {**live.body, "metadata": marked}, live.managers)


def _wanted(body: Body) -> Body:
    """What counts for the generation: everything but metadata and status."""
    return {key: value for key, value in body.items() if key not in ("metadata", "status")}
