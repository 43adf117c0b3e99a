"""Results of other circuits, of another job or of another machine: none is used."""

import numpy as np
import pytest
from qiskit.result import Result
from qiskit.result.models import ExperimentResult, ExperimentResultData
from remote_machine import RemoteMachine, answer_zeros, flip_bits, mirror_bits, open_backend
from sampler_service import Service, dies, ibm
from test_local_machines import OBSERVABLES, circuit

from qllmft_backends import BackendError, create
from qllmft_machines import ledger_jobs
from qllmft_machines.errors import JobFailedError
from qllmft_machines.ledger.chunk import Chunk, Setup

TWELVE = np.random.default_rng(7).uniform(-2, 2, (12, 9))


def measure(backend, circuits=12):
    return backend.expectations(circuit(), TWELVE[:circuits], OBSERVABLES)


def assert_right(answer, circuits):
    exact = create("aer_statevector").expectations(circuit(), TWELVE[:circuits], OBSERVABLES).values
    assert (np.abs(answer.values - exact) < 4.5 * answer.standard_errors).all()


def find_ledger_folder(backend):
    return backend.jobs.ledger.folder


@pytest.mark.parametrize("level", [0, 1, 3])
@pytest.mark.parametrize("coupling_map", [None, [[i, i + 1] for i in range(5)]])
def test_each_job_of_a_call_of_ten_circuits_has_a_known_answer(tmp_path, level, coupling_map):
    machine = RemoteMachine(6, coupling_map=coupling_map)
    backend = open_backend(machine, tmp_path, circuits_per_job=5, optimization_level=level)
    estimate = backend.estimate(circuit(), TWELVE)
    assert (estimate.circuits, estimate.jobs, estimate.known_answers) == (12, 3, 3)
    assert measure(backend).values.shape == (12, 3)
    assert machine.log == [6, 6, 3]
    rows = ledger_jobs(find_ledger_folder(backend))
    assert [(row.circuits, row.known_circuits) for row in rows] == [(5, 1), (5, 1), (2, 1)]
    assert {row.note for row in rows} == {""}


def test_a_job_is_no_larger_than_the_machine_takes(tmp_path):
    machine = RemoteMachine()
    machine.max_circuits = 5
    measure(open_backend(machine, tmp_path))
    machine.max_circuits = 1
    measure(open_backend(machine, tmp_path, repetition=1))
    assert machine.log == [5, 5, 5, *[1] * 12]


def test_the_rest_of_a_call_is_checked_as_its_beginning_was(tmp_path):
    machine = RemoteMachine()
    machine.breaks = lambda: (_ for _ in ()).throw(KeyboardInterrupt) if machine.log[1:] else None
    with pytest.raises(KeyboardInterrupt):
        measure(open_backend(machine, tmp_path, circuits_per_job=6))
    machine.breaks = None
    measure(open_backend(machine, tmp_path, circuits_per_job=6, retry_doubtful=True))
    assert machine.log == [7, 7, 7]


@pytest.mark.parametrize("lie", [flip_bits, mirror_bits, answer_zeros])
def test_a_machine_with_wrong_answers_is_found_out(tmp_path, lie):
    machine = RemoteMachine()
    machine.breaks = lambda: setattr(
        job := [*machine.jobs.values()][-1], "counts", [lie(c) for c in job.counts]
    )
    with pytest.raises(JobFailedError, match="the check circuit came back wrong on the qubits"):
        measure(open_backend(machine, tmp_path, circuits_per_job=6))
    assert machine.log == [7], "no further job is sent"
    machine.breaks = None
    with pytest.raises(
        JobFailedError, match="retry_wrong=true sends and pays these circuits again"
    ):
        measure(open_backend(machine, tmp_path, circuits_per_job=6))
    measure(open_backend(machine, tmp_path, circuits_per_job=6, retry_wrong=True))
    assert machine.log == [7, 7, 7]


def test_bits_that_are_right_by_chance_are_wrong_answers():
    """A qubit of random bits has the right one in more than a half of the shots every second time."""
    by_chance = {0b01: 0.29, 0b00: 0.25, 0b11: 0.25, 0b10: 0.21}  # 54 % of either qubit
    noisy = {0b01: 0.8, 0b00: 0.1, 0b11: 0.1}

    def error(answer, shots):
        setup = Setup("", "", "", 2, shots, 0)
        chunk = Chunk("0001", setup, np.zeros((1, 1)), checked=True, known_answer=0b01)
        return chunk.wrong_answer([answer, {0: 1.0}])

    assert "on the qubits [0, 1]" in error(by_chance, 500)
    assert error(by_chance, 10_000) is None
    assert error(noisy, 20) is None


class NamingMachine(RemoteMachine):
    """Machine whose results have the circuits' names, as ``named`` changes them."""

    named = staticmethod(lambda names: names)

    def run(self, circuits, *, shots):
        job = super().run(circuits, shots=shots)
        counts = job.counts
        names = self.named([c.name for c in circuits])

        def make_result(counts, name):
            data = ExperimentResultData(counts={hex(int(k, 2)): n for k, n in counts.items()})
            header = {"name": name, "memory_slots": 4}
            return ExperimentResult(shots, True, data, header=header)

        results = [make_result(*pair) for pair in zip(counts, names, strict=True)]
        job.result = lambda: Result(results=results, backend_name="faraway", success=True)
        return job


def test_names_that_were_sent_are_right(tmp_path):
    machine = NamingMachine()
    assert_right(measure(open_backend(machine, tmp_path / "a")), 12)
    assert_right(measure(open_backend(machine, tmp_path / "b"), 3), 3)


@pytest.mark.parametrize(
    "named",
    [
        lambda names: [names[1], names[0], *names[2:]],
        lambda names: names[::-1],
        lambda names: [names[0]] * len(names),
        lambda names: [f"circuit-{i}" for i in range(len(names))],
        lambda names: [*names[:-1], "0002-2"],
        lambda names: [f"0123456789ab-{i}" for i in range(len(names))],
    ],
    ids=["swapped", "reversed", "one", "another program's", "another job's", "another token's"],
)
def test_results_of_other_names_are_not_used(tmp_path, named):
    machine = NamingMachine()
    machine.named = named
    with pytest.raises(JobFailedError, match=r"answered circuits named .*, expected .*compare_nam"):
        measure(open_backend(machine, tmp_path), 3)
    (row,) = ledger_jobs(find_ledger_folder(open_backend(machine, tmp_path)))
    assert row.state == "submitted"
    answer = measure(open_backend(machine, tmp_path, compare_names=False), 3)
    assert answer.values.shape == (3, 3)
    assert machine.log == [3]


def test_a_sampler_answers_the_names_too(monkeypatch, tmp_path):
    service = Service()
    make = ibm(monkeypatch, tmp_path, service)
    measure(make())
    assert [len(job.circuits) for job in service.accepted.values()] == [7, 7]
    second_round = {"repetition": 1, "known_answer_shots": 0}
    dies(monkeypatch, "jobs.collect", lambda: measure(make(**second_round)))
    with monkeypatch.context() as patch:
        swap = {"job-2": "job-3", "job-3": "job-2"}
        patch.setattr(service, "job", lambda job_id: service.accepted[swap[job_id]])
        with pytest.raises(JobFailedError, match="answered circuits named"):
            measure(make(**second_round))
    assert_right(measure(make(**second_round)), 12)
    assert service.submissions == 4


def test_a_local_machine_s_names_are_compared_as_well(tmp_path):
    machine = NamingMachine()
    machine.named = lambda names: names[::-1]
    with pytest.raises(BackendError, match="answered circuits named"):
        measure(create("qiskit", {"local": True}, backend=machine), 3)


def test_two_objects_of_one_class_and_name_need_names(tmp_path):
    first_machine = RemoteMachine()
    second_machine = RemoteMachine()
    measure(open_backend(first_machine, tmp_path), 3)
    with pytest.raises(
        BackendError,
        match=r"another object of the class RemoteMachine named 'faraway' .*object_name",
    ):
        open_backend(second_machine, tmp_path)
    del first_machine
    with pytest.raises(BackendError, match="object_name"):
        open_backend(RemoteMachine(), tmp_path)
    assert second_machine.log == []
    measure(open_backend(second_machine, tmp_path, object_name="right"), 3)
    assert second_machine.log == [3]
    measure(
        open_backend(RemoteMachine(), tmp_path, object_name="right"), 3
    )  # the same, says its name
    measure(open_backend(second_machine, tmp_path / "elsewhere"), 3)
    assert second_machine.log == [3, 3]
    with pytest.raises(BackendError, match="object_name is 'a' without an object"):
        create("qiskit", {"object_name": "a"})
