"""Counters of energy: found, refused, wrapped around, and what is computed from them."""

import sys
import time
from types import SimpleNamespace

import pytest

from lab.experiments import energy_measurement as measurement
from lab.experiments.energy_measurement import EnergyCounter, find_counters, measure_here
from qllmft.config import ModelConfig, RunConfig
from qllmft_base.errors import UserError


class NVMLError(Exception):
    pass


@pytest.fixture(autouse=True)
def powercap(monkeypatch, tmp_path):
    """A machine without counters: an empty folder of zones, and NVML without a driver."""
    monkeypatch.setattr(measurement, "POWERCAP", tmp_path)
    monkeypatch.setitem(sys.modules, "pynvml", nvml())
    return tmp_path


def nvml(millijoules=None):
    """A module of one GPU, or without a driver."""

    def init():
        if millijoules is None:
            raise NVMLError("Driver Not Loaded")

    return SimpleNamespace(
        nvmlInit=init,
        nvmlDeviceGetCount=lambda: 1,
        nvmlDeviceGetHandleByIndex=lambda i: i,
        nvmlDeviceGetTotalEnergyConsumption=lambda handle: millijoules,
        NVMLError=NVMLError,
    )


def zone(root, name, kind, microjoules, span=1_000_000):
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{kind}\n")
    (folder / "energy_uj").write_text(f"{microjoules}\n")
    (folder / "max_energy_range_uj").write_text(f"{span}\n")
    return folder


def test_packages_and_memory_are_counted_once(powercap):
    zone(powercap, "intel-rapl:0", "package-0", 2_500_000)
    zone(powercap, "intel-rapl:0:0", "core", 1_000_000)
    zone(powercap, "intel-rapl:0:1", "dram", 700_000)
    zone(powercap, "intel-rapl:1", "psys", 9_000_000)
    counters = find_counters()
    assert [c.name for c in counters] == [
        "RAPL package-0 (intel-rapl:0)",
        "RAPL dram (intel-rapl:0:1)",
    ]
    assert [c.read_j() for c in counters] == [2.5, 0.7]
    assert counters[0].span_j == 1.0


def test_a_counter_wraps_around():
    counter = EnergyCounter("x", lambda: 0.0, span_j=100.0)
    assert counter.used_j(90.0, 95.0) == 5.0
    assert counter.used_j(95.0, 3.0) == 8.0


def test_gpus_are_counted_in_joules(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", nvml(12_345))
    (counter,) = find_counters("cuda")
    assert (counter.name, counter.read_j()) == ("NVML GPU 0", 12.345)


@pytest.mark.public_report(
    case="energy_of_the_wrong_device",
    source="own audit",
    seen="energy --here printed the power of an idle GPU as the energy of a circuit on the CPU",
    outcome="the device that computes is counted, and a power within the noise of idling is refused",
)
def test_only_devices_that_take_part_are_counted(powercap, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", nvml(12_345))
    with pytest.raises(
        UserError, match=r"device 'cpu' cannot be measured.*NVML counts NVML GPU 0 \(--device cuda"
    ):
        find_counters()
    with pytest.raises(UserError, match="device 'cuda:1' cannot be measured"):
        find_counters("cuda:1")
    zone(powercap, "intel-rapl:0", "package-0", 2_500_000)
    assert [c.name for c in find_counters()] == ["RAPL package-0 (intel-rapl:0)"]
    counter_names = ["NVML GPU 0", "RAPL package-0 (intel-rapl:0)"]
    assert [c.name for c in find_counters("cuda")] == counter_names


def test_no_counters_say_what_was_looked_for():
    with pytest.raises(
        UserError, match=r"no zones intel-rapl.*NVML: Driver Not Loaded.*`qllmft energy` needs none"
    ):
        find_counters()


def test_a_counter_for_root_only_is_named(powercap, monkeypatch):
    file = zone(powercap, "intel-rapl:0", "package-0", 1) / "energy_uj"
    original = type(file).read_text

    def read_text(self, *args, **kwargs):
        if self == file:
            raise PermissionError
        return original(self, *args, **kwargs)

    monkeypatch.setattr(type(file), "read_text", read_text)
    with pytest.raises(
        UserError, match=r"energy_uj is readable by root only \(sudo chmod a\+r it\)"
    ):
        find_counters()


def pretend_counter(monkeypatch, read_j):
    """Put one counter in the place of the machine's, and return the configuration of a small head."""
    counters = [EnergyCounter("pretended", read_j)]
    patches = {"find_counters": lambda device: counters, "WORK_S": 0.3, "IDLE_S": 0.2}
    for name, value in patches.items():
        monkeypatch.setattr(measurement, name, value)
    return RunConfig(model=ModelConfig(n_qubits=4))


def test_a_batch_is_run_and_the_energy_divided(monkeypatch):
    """A pretended counter of 50 W at all times, and of 1000 W more while this process works."""

    def read_j():
        return 50.0 * time.perf_counter() + 1000.0 * time.process_time()

    config = pretend_counter(monkeypatch, read_j)
    measured = measure_here(config)
    assert measured.seconds >= 0.3
    assert measured.samples % config.train.batch_size == 0
    assert measured.counts.n_qubits == 4
    assert measured.power_w > 50.0
    assert measured.energy_kj * measured.samples == pytest.approx(
        measured.power_w / 1000 * measured.seconds
    )
    assert 0 < measured.net_energy_kj < measured.energy_kj
    assert measured.as_dict()["energy_kj"] == measured.energy_kj
    assert measured.device == "cpu"


def test_an_inference_is_that_of_a_text_with_all_its_registers(monkeypatch):
    config = pretend_counter(monkeypatch, lambda: 1000.0 * time.process_time())
    config = config.model_copy(update={"model": ModelConfig(n_qubits=12, registers=3)})
    rows = []
    create = measurement.create

    def create_and_count(name, options):
        backend = create(name, options)
        expectations = backend.expectations

        def count_rows(circuit, values, observables):
            rows.append(len(values))
            return expectations(circuit, values, observables)

        backend.expectations = count_rows
        return backend

    monkeypatch.setattr(measurement, "create", create_and_count)
    measured = measure_here(config)
    assert measured.registers == 3
    assert measured.counts.n_qubits == 4
    assert 3 * measured.samples == sum(rows[1:])  # the first call compiles


def test_a_power_within_the_noise_of_idling_is_refused(monkeypatch):
    config = pretend_counter(monkeypatch, lambda: 50.0 * time.perf_counter())
    with pytest.raises(
        UserError, match=r"during the batches was 50\.0 W.*within the noise of idling.*batch_size"
    ):
        measure_here(config)


def test_other_backends_are_refused():
    config = RunConfig.model_validate({"backend": {"name": "aer_statevector"}})
    with pytest.raises(
        UserError, match=r"'aer_statevector'. Measured here is the backend 'adjoint' only"
    ):
        measure_here(config)
