"""What the cluster holds, as far as it was seen: one store for each kind, indexed by model."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Set
from sys import intern
from typing import Any

from msgspec.structs import replace

from .api.names import LABEL_MODEL
from .api.objects import Child, ObjectMeta
from .sharing import shared

Key = tuple[str, str]  # namespace, name
Listener = Callable[[Any], None]
# Deletions that are remembered: an answer of ours that is older than one comes within seconds of it.
REMEMBERED = 10_000
FOR_EVER = ""


class Store:
    """Objects of one kind by namespace and name, and by the model that they belong to.

    A store never goes back in time: an object older than the one at hand is ignored, so a watch that lags behind our
    own write cannot undo what the write returned; and the answer to a write that comes after the news that the object
    is gone does not bring it back. The listener hears only of changes that a decision can depend on: a new resource
    version with nothing else new is noise.
    """

    def __init__(self, listener: Listener) -> None:
        self._objects: dict[Key, Any] = {}
        # Names, in order: a tuple takes a fifth of the memory of a set, and a model has few objects of a kind.
        self._by_model: dict[Key, tuple[str, ...]] = {}
        self._missing: dict[Key, dict[str, str]] = {}  # by model: names and their uids
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
        return [self._objects[namespace, name] for name in self._by_model.get((namespace, model), ())]

    def put(self, found: Any, *, announce: bool = True) -> None:
        """Take an object that was seen; tell the listener unless it is old news or our own doing."""
        key = key_of(found.metadata)
        before = self._objects.get(key)
        if before is not None and not newer(found.metadata, before.metadata):
            return
        if (before is None or before.metadata.uid != found.metadata.uid) and self._ended(found.metadata):
            return
        if before is not None and isinstance(found, Child):
            found = found.knowing(before)
        if before is not None and (same := _with_version(before, found)) == found:
            self._objects[key] = same
            return
        self._objects[key] = shared(found)
        if before is not None:
            self._unindex(before)
        self._index(found)
        for one in self._concerned(before, found) if announce else ():
            self._listener(one)

    def _concerned(self, before: Any, found: Any) -> Iterator[Any]:
        """The object, and as it was before if it belonged to another model."""
        if before is not None and model_of(before.metadata) != model_of(found.metadata):
            yield before
        yield found

    def compared(self, child: Child) -> None:
        """Drop the content of an object that was found to be as it was applied."""
        key = key_of(child.metadata)
        if self._objects.get(key) is child:
            self._objects[key] = replace(child, spec=b"", compared=True)

    def remove(self, gone: Any) -> None:
        """Drop an object that was deleted, unless another of that name is here by now."""
        self._remember(gone.metadata.uid, gone.metadata.resource_version)
        if self._dropped(gone.metadata.namespace, gone.metadata.name, gone.metadata.uid):
            self._miss(gone)

    def forget(self, namespace: str, name: str, uid: str) -> None:
        """Drop an object that we deleted, and take no more news of it."""
        self._remember(uid, FOR_EVER)
        self._dropped(namespace, name, uid)

    def missing(self, namespace: str, model: str) -> list[str]:
        """Names of children that went without our doing: deleted, or out of sight because a label was taken away."""
        return [
            name
            for name, uid in self._missing.get((namespace, model), {}).items()
            if (namespace, name) not in self._objects and self._gone.get(uid) != FOR_EVER
        ]

    def sought(self, namespace: str, model: str) -> None:
        """What is missing was looked for by its name, or need not be."""
        self._missing.pop((namespace, model), None)

    def _miss(self, gone: Any) -> None:
        if isinstance(gone, Child) and (model := model_of(gone.metadata)):
            self._missing.setdefault((gone.metadata.namespace, model), {})[gone.metadata.name] = gone.metadata.uid
        self._listener(gone)

    def _dropped(self, namespace: str, name: str, uid: str) -> bool:
        before = self._objects.get((namespace, name))
        if before is None or (uid and before.metadata.uid != uid):
            return False
        self._forget((namespace, name))
        return True

    def begin_list(self, namespace: str) -> None:
        """A list begins: what it brings is from after every earlier one."""
        self._listed.pop(namespace, None)

    def end_list(self, namespace: str, seen: Set[Key], version: str) -> None:
        """The list was put: what it lacks was deleted while nobody watched, unless it is younger than the list."""
        for key in [key for key in self._objects if key not in seen and namespace in ("", key[0])]:
            gone = self._objects[key]
            if not after(gone.metadata.resource_version, version):
                self._forget(key)
                self._miss(gone)
        self._listed[namespace] = version

    def _ended(self, metadata: ObjectMeta) -> bool:
        """Whether an object that is not here, though another of its name may be, is known to have gone by now."""
        ended = self._gone.get(metadata.uid)
        known = (ended, self._listed.get(metadata.namespace), self._listed.get(""))
        return ended == FOR_EVER or any(
            version is not None and not after(metadata.resource_version, version) for version in known
        )

    def _remember(self, uid: str, version: str) -> None:
        """Until which version an object is known to have been here no more."""
        self._gone[uid] = version
        if len(self._gone) > REMEMBERED:
            self._gone.popitem(last=False)

    def _forget(self, key: Key) -> None:
        self._unindex(self._objects.pop(key))

    def _index(self, found: Any) -> None:
        if model := model_of(found.metadata):
            group = (found.metadata.namespace, model)
            self._by_model[group] = tuple(sorted((*self._by_model.get(group, ()), found.metadata.name)))

    def _unindex(self, gone: Any) -> None:
        if model := model_of(gone.metadata):
            group = (gone.metadata.namespace, model)
            left = tuple(name for name in self._by_model[group] if name != gone.metadata.name)
            if left:
                self._by_model[group] = left
            else:
                del self._by_model[group]


def model_of(metadata: ObjectMeta) -> str:
    """The model that an object belongs to: by its owner, which nobody changes in passing, else by its label."""
    for owner in metadata.owner_references:
        if owner.controller and owner.kind == "ModelDeployment":
            return owner.name
    return metadata.labels.get(LABEL_MODEL, "")


def newer(one: ObjectMeta, other: ObjectMeta) -> bool:
    """Whether `one` is a later state than `other`, also of an object that was deleted and made again meanwhile.

    Resource versions of one kind compare as integers. Source: KEP-5504, comparable resource versions.
    """
    return after(one.resource_version, other.resource_version)


def after(one: str, other: str) -> bool:
    """Whether a resource version is later than another."""
    if one.isdigit() and other.isdigit():
        return int(one) > int(other)
    return one != other


def _with_version(one: Any, other: Any) -> Any:
    """The first object with the version of the second; what it holds is shared, so it takes next to no memory."""
    return replace(one, metadata=replace(one.metadata, resource_version=other.metadata.resource_version))


def key_of(metadata: ObjectMeta) -> Key:
    """Where an object is kept; its strings are shared, since queues and logs keep keys."""
    return intern(metadata.namespace), intern(metadata.name)
