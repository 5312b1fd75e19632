"""Limits as written under control groups version 1 and 2, on a pretended /sys/fs/cgroup."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub_config.cgroups import detect, files_v1, files_v2
from hub_config.errors import HubError
from hub_config.settings import Limits

LIMITS = Limits(memory_mb=1024, cpu_cores=1.5, processes=300)
OWN_V1 = "3:cpu,cpuacct:/agent\n2:memory:/agent/deep\n1:pids:/\n0::/\n"


def pretend_v1(root: Path) -> None:
    for folder in ("cpu/agent", "memory/agent/deep", "pids"):
        (root / folder).mkdir(parents=True)


def pretend_v2(root: Path, controllers: str = "cpuset cpu io memory pids") -> None:
    base = root / "system.slice" / "hub.service"
    base.mkdir(parents=True)
    (root / "cgroup.controllers").write_text(controllers)
    (base / "cgroup.procs").write_text("12\n34\n")


def test_values():
    assert files_v1(LIMITS)["memory"]["memory.limit_in_bytes"] == str(1 << 30)
    assert files_v1(LIMITS)["cpu"] == {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "150000"}
    assert files_v1(LIMITS)["pids"] == {"pids.max": "300"}
    assert files_v2(LIMITS) == {"memory.max": str(1 << 30), "memory.swap.max": "0", "cpu.max": "150000 100000", "pids.max": "300"}


def test_version_1_writes_below_each_controller(tmp_path):
    pretend_v1(tmp_path)
    hierarchy = detect(tmp_path, own=OWN_V1)
    assert hierarchy.version == 1
    hierarchy.group("cwb-x").create(LIMITS)
    assert (tmp_path / "memory/agent/deep/cwb-x/memory.limit_in_bytes").read_text() == str(1 << 30)
    assert (tmp_path / "cpu/agent/cwb-x/cpu.cfs_quota_us").read_text() == "150000"
    assert (tmp_path / "pids/cwb-x/pids.max").read_text() == "300"


def test_version_2_writes_one_folder_and_hands_controllers_down(tmp_path):
    pretend_v2(tmp_path)
    hierarchy = detect(tmp_path, own="0::/system.slice/hub.service\n")
    base = tmp_path / "system.slice" / "hub.service"
    assert hierarchy.version == 2
    assert (base / "cgroup.subtree_control").read_text() == "+memory +cpu +pids"
    assert (base / "services" / "cgroup.procs").read_text() == "34"  # the last one moved; the real file takes each
    hierarchy.group("cwb-x").create(LIMITS)
    assert {path.name: path.read_text() for path in (base / "cwb-x").iterdir()} == {
        name: value for name, value in files_v2(LIMITS).items() if name != "memory.swap.max"
    }


def test_without_the_controllers_nothing_starts(tmp_path):
    with pytest.raises(HubError, match="'memory' is not mounted"):
        detect(tmp_path, own="1:name=systemd:/\n0::/\n")
    pretend_v2(tmp_path, "cpu hugetlb")
    with pytest.raises(HubError, match="lacks memory, pids"):
        detect(tmp_path, own="0::/\n")


def test_swap_accounting_is_limited_where_there_is_any(tmp_path):
    pretend_v1(tmp_path)
    folder = tmp_path / "memory/agent/deep/cwb-x"
    folder.mkdir()
    (folder / "memory.memsw.limit_in_bytes").write_text("")
    detect(tmp_path, own=OWN_V1).group("cwb-x").create(LIMITS)
    assert (folder / "memory.memsw.limit_in_bytes").read_text() == str(1 << 30)


def test_groups_of_an_earlier_run_are_found_where_they_were_left(tmp_path):
    pretend_v1(tmp_path)
    (tmp_path / "memory" / "elsewhere" / "cwb-1-old").mkdir(parents=True)
    (tmp_path / "pids" / "cwb-2-foreign").mkdir()
    hierarchy = detect(tmp_path, own=OWN_V1)
    assert hierarchy.names("cwb-1-") == {"cwb-1-old"}
    assert hierarchy.group("cwb-1-old").remove()
    assert hierarchy.names("cwb-1-") == set()
    assert (tmp_path / "pids" / "cwb-2-foreign").exists()
