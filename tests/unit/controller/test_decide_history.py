"""Decisions about records: what was Ready once is kept, and run again as it was."""

import zlib

import msgspec

from builders import DEFAULTS, catalog, live, model, runtime
from modelyard_operator.decide import Removal, asked_revision
from modelyard_operator.render.controller_revision import controller_revision
from modelyard_operator.render.deployment import deployment
from modelyard_operator.revision import Resolved
from unit.controller.deciding import applied, decided, revision, settled


def test_the_first_time_that_it_is_ready_is_written_down() -> None:
    parent = model()
    found = decided(parent, settled(parent, history=[]))
    assert [(one["kind"], one["revision"]) for one in found.apply] == [("ControllerRevision", 1)]


def test_going_back_runs_the_recorded_revision_and_makes_it_the_newest() -> None:
    first, second = model(), model(model={"uri": "s3://models/digits/2"})
    history = [
        live(controller_revision(first, revision(first), 1)),
        live(controller_revision(second, revision(second), 2)),
    ]
    found = decided(first, settled(first, history=history))
    assert [(one["kind"], one["revision"]) for one in found.apply] == [("ControllerRevision", 3)]


def test_a_runtime_edit_does_not_touch_a_revision_that_was_ready() -> None:
    parent = model()
    found = decided(parent, settled(parent), runtime(image="registry.example/other:2"))
    assert (found.apply, found.delete) == ([], [])


def test_an_operator_that_renders_pods_differently_restarts_no_revision_that_was_ready() -> None:
    parent = model()
    before = live(controller_revision(parent, revision(parent), 1))
    written = msgspec.json.decode(before.data())
    assert written["rendered"] == deployment(parent, revision(parent), 1)["spec"]["template"]
    rendered = {**written["rendered"], "metadata": {"labels": {"of": "an earlier version"}}}
    record = msgspec.structs.replace(
        before, packed=zlib.compress(msgspec.json.encode({**written, "rendered": rendered}))
    )
    pinned = asked_revision(parent, [record], catalog(), DEFAULTS)
    assert isinstance(pinned, Resolved)
    own = live(deployment(parent, pinned, 1), status={"readyReplicas": 1})
    assert msgspec.json.decode(own.spec)["template"] == rendered
    assert applied(decided(parent, settled(parent, history=[record], deployments=[own]))) == []


def test_a_record_is_never_written_with_other_content() -> None:
    first, second = model(), model(model={"uri": "s3://models/digits/2"})
    record = live(controller_revision(first, revision(first), 1))
    content = msgspec.json.decode(record.data()) | {"writtenByALaterVersion": True}
    foreign = msgspec.structs.replace(record, packed=zlib.compress(msgspec.json.encode(content)))
    newest = live(controller_revision(second, revision(second), 2))
    assert applied(decided(first, settled(first, history=[foreign]))) == []
    found = decided(first, settled(first, history=[foreign, newest]))
    assert [one["data"] for one in found.apply] == [content]


def test_a_runtime_edit_helps_a_revision_that_never_was() -> None:
    parent = model()
    other = runtime(image="registry.example/other:2")
    found = decided(parent, settled(parent, history=[], pods=[]), other)
    assert applied(found) == [("Deployment", f"digits-{revision(parent, other).name}")]
    assert found.delete == [Removal("Deployment", f"digits-{revision(parent).name}", "live")]


def test_a_record_that_cannot_be_read_any_more_is_resolved_anew() -> None:
    parent = model()
    record = live(controller_revision(parent, revision(parent), 1))
    unreadable = msgspec.structs.replace(record, packed=zlib.compress(b'{"intent": 1}'))
    assert asked_revision(parent, [unreadable], catalog(), DEFAULTS) == revision(parent)


def test_old_records_beyond_the_limit_are_removed() -> None:
    parent = model()
    others = [model(model={"uri": f"s3://models/digits/{number}"}) for number in range(2, 14)]
    history = [live(controller_revision(one, revision(one), number)) for number, one in enumerate(others, 1)]
    own = live(controller_revision(parent, revision(parent), 20))
    found = decided(parent, settled(parent, history=[*history, own]))
    assert [one.name for one in found.delete] == [f"digits-{revision(one).name}" for one in (others[1], others[0])]


def test_records_are_kept_as_many_as_asked_for_but_not_of_revisions_that_run() -> None:
    before = model(model={"uri": "s3://models/digits/0"})
    parent = model(rollout={"revisionHistoryLimit": 0})
    history = [
        live(controller_revision(before, revision(before), 1)),
        live(controller_revision(parent, revision(parent), 2)),
    ]
    assert [one.name for one in decided(parent, settled(parent, history=history)).delete] == [
        f"digits-{revision(before).name}"
    ]
    running = [*settled(parent).deployments, *settled(before).deployments]
    found = decided(parent, settled(parent, history=history, deployments=running, pods=settled(before).pods))
    assert "ControllerRevision" not in [one.kind for one in found.delete]
