"""Event files, byte for byte as TensorBoard's own reader takes them."""

from imaging.models import logs

#: TensorBoard 2.21's EventAccumulator reads this as loss/train = 0.5 at step 3 and wall time 1.5; with one bit of a check changed it reads
#: nothing of that record.
READ_BY_TENSORBOARD = bytes.fromhex(
    "1800000000000000a37f4b2209000000000000f83f1a0d627261696e2e4576656e743a322a28646c"
    "200000000000000029eda95009000000000000f83f10032a130a110a0a6c6f73732f747261696e150000003ffa3b7a03"
)


def test_a_file_is_what_tensorboard_reads(tmp_path, monkeypatch):
    monkeypatch.setattr(logs.time, "time", lambda: 1.5)
    events = logs.EventFile(tmp_path)
    events.write(3, {"loss/train": 0.5})
    (path,) = tmp_path.iterdir()
    assert "tfevents" in path.name
    assert path.read_bytes() == READ_BY_TENSORBOARD


def test_what_a_reader_meets_between_two_writes_is_whole(tmp_path):
    """TensorBoard reads while a training writes: each write leaves whole records."""
    events = logs.EventFile(tmp_path)
    (path,) = tmp_path.iterdir()
    for step in range(1, 4):
        events.write(step, {"a": 1.0})
        data, records = path.read_bytes(), 0
        while data:
            size = int.from_bytes(data[:8], "little") + 16
            assert len(data) >= size
            data, records = data[size:], records + 1
        assert records == step + 1
