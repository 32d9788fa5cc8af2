"""What the cluster holds, as far as it was seen: one store for each kind, indexed by model."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

from .api.names import LABEL_MODEL
from .api.objects import ObjectMeta

Key = tuple[str, str]  # namespace, name
Listener = Callable[[Any], None]
# Deletions that are remembered: an answer of ours that is older than one comes within seconds of it.
REMEMBERED = 10_000


class Store:
    """Objects of one kind by namespace and name, and by the model that they belong to.

    A store never goes back in time: an object older than the one at hand is ignored, so a watch that lags behind our
    own write cannot undo what the write returned; and the answer to a write that comes after the news that the object
    is gone does not bring it back.
    """

    def __init__(self, listener: Listener) -> None:
        self._objects: dict[Key, Any] = {}
        self._by_model: dict[Key, set[Key]] = {}
        self._gone: OrderedDict[str, str] = OrderedDict()
        # The version of the last list, by namespace: what it lacked and is older was gone by then.
        self._listed: dict[str, str] = {}
        self._listener = listener

    def __len__(self) -> int:
        return len(self._objects)

    def __iter__(self) -> Any:
        return iter(list(self._objects.values()))

    def get(self, namespace: str, name: str) -> Any:
        """The object, or None when it was not seen."""
        return self._objects.get((namespace, name))

    def of_model(self, namespace: str, model: str) -> list[Any]:
        """Objects that belong to this model."""
        return [self._objects[key] for key in sorted(self._by_model.get((namespace, model), ()))]

    def put(self, found: Any, *, announce: bool = True) -> None:
        """Take an object that was seen; tell the listener unless it is old news or our own doing."""
        key, before = _key(found.metadata), self._objects.get(_key(found.metadata))
        if before is not None and not newer(found.metadata, before.metadata):
            return
        if (before is None or before.metadata.uid != found.metadata.uid) and self._ended(found.metadata):
            return
        self._forget(key)
        self._objects[key] = found
        model = model_of(found.metadata)
        if before is not None and announce and model_of(before.metadata) != model:
            self._listener(before)
        if model:
            self._by_model.setdefault((found.metadata.namespace, model), set()).add(key)
        if announce:
            self._listener(found)

    def remove(self, gone: Any) -> None:
        """Drop an object that was deleted, unless another of that name is here by now."""
        key, before = _key(gone.metadata), self._objects.get(_key(gone.metadata))
        self._remember(gone.metadata.uid, gone.metadata.resource_version)
        if before is None or (gone.metadata.uid and before.metadata.uid != gone.metadata.uid):
            return
        self._forget(key)
        self._listener(gone)

    def replace(self, namespace: str, objects: Iterable[Any], version: str) -> None:
        """Take a whole list: what is not in it was deleted while nobody watched, unless it is younger than the list."""
        seen: set[Key] = set()
        self._listed.pop(namespace, None)
        for found in objects:
            seen.add(_key(found.metadata))
            self.put(found)
        for key in [key for key in self._objects if key not in seen and namespace in ("", key[0])]:
            gone = self._objects[key]
            if not after(gone.metadata.resource_version, version):
                self._forget(key)
                self._listener(gone)
        self._listed[namespace] = version

    def _ended(self, metadata: ObjectMeta) -> bool:
        """Whether an object that is not here, though another of its name may be, is known to have gone by now."""
        known = (self._gone.get(metadata.uid), self._listed.get(metadata.namespace), self._listed.get(""))
        return any(version is not None and not after(metadata.resource_version, version) for version in known)

    def _remember(self, uid: str, version: str) -> None:
        """Until which version an object is known to have been here no more."""
        self._gone[uid] = version
        if len(self._gone) > REMEMBERED:
            self._gone.popitem(last=False)

    def _forget(self, key: Key) -> None:
        before = self._objects.pop(key, None)
        if before is None:
            return
        model = model_of(before.metadata)
        if model:
            group = (before.metadata.namespace, model)
            members = self._by_model.get(group, set())
            members.discard(key)
            if not members:
                self._by_model.pop(group, None)


def model_of(metadata: ObjectMeta) -> str:
    """The model that an object belongs to: by its owner, which nobody changes in passing, else by its label."""
    for owner in metadata.owner_references:
        if owner.controller and owner.kind == "ModelDeployment":
            return owner.name
    return metadata.labels.get(LABEL_MODEL, "")


def newer(one: ObjectMeta, other: ObjectMeta) -> bool:
    """Whether `one` is a later state than `other`. Resource versions of one object compare as integers.

    Source: KEP-5504, comparable resource versions.
    """
    return one.uid != other.uid or after(one.resource_version, other.resource_version)


def later(one: ObjectMeta, other: ObjectMeta) -> bool:
    """The same for objects that may have been deleted and created again: a late event of the old one is not news."""
    return after(one.resource_version, other.resource_version)


def after(one: str, other: str) -> bool:
    """Whether a resource version is later than another."""
    if one.isdigit() and other.isdigit():
        return int(one) > int(other)
    return one != other


def _key(metadata: ObjectMeta) -> Key:
    return metadata.namespace, metadata.name
