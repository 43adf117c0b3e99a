"""State of trackers and files of a run that somebody else wrote."""

import json

from any_input import JSON, damaged, examples
from hypothesis import example, given
from hypothesis import strategies as st

from qllmft.config import RunConfig
from qllmft.events import ignore
from qllmft.run import Tracking, tracking

STATE = b'{"noted": {"key": "a key", "epoch": 3}, "mlflow": {"key": null, "epoch": 0}}'


@examples(40)
@given(content=st.one_of(damaged(STATE), JSON.map(json.dumps).map(str.encode)))
@example(content=STATE.replace(b"3", b"1e999"))
@example(content=STATE.replace(b"3", b"NaN"))
@example(content=STATE.replace(b"3", b"9" * 400))
def test_any_state_of_trackers_is_read_or_left_out(content, tmp_path_factory):
    file = tmp_path_factory.mktemp("state") / "trackers.json"
    file.write_bytes(content)
    for state in tracking.read_state(file).values():
        assert state.keys() == {"key", "epoch", "ended"}
        assert isinstance(state["epoch"], int)


def test_a_link_in_a_run_is_not_sent(tmp_path):
    (tmp_path / "secret").write_text("precious")
    (tmp_path / "run" / "model").mkdir(parents=True)
    (tmp_path / "run" / "result.json").write_text("{}")
    for name in ("model/model.json", "config.toml"):
        (tmp_path / "run" / name).symlink_to(tmp_path / "secret")
    listener = tracking.TrackingListener(
        RunConfig(), tmp_path / "run", Tracking(files=True), ignore
    )
    assert listener.files_to_send() == [tmp_path / "run" / "result.json"]
