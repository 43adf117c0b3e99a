"""JSON objects of IonQ's API v0.4, filled by the mock server."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from qllmft_backends.noise import pauli_error_probability
from qllmft_machines.rows import UNCHARGED_STATES
from qllmft_machines.sandbox.circuits import NOISE
from qllmft_machines.sandbox.job import (
    ACCOUNT,
    PRICE_ONE_QUBIT,
    PRICE_TWO_QUBITS,
    PRICE_UNIT,
    StoredJob,
    circuit_price,
)
from qllmft_machines.sandbox.request import iso_time
from qllmft_machines.sandbox.store import BACKENDS

SHARPENING = {"average": 1.0, "voting": 3.0, "dnl": 2.0, "majority": 4.0}  # powers; invented
_PRICES = {"cost_1q_gate": PRICE_ONE_QUBIT, "cost_2q_gate": PRICE_TWO_QUBITS}
_RATE_CARD = {"sku": "sandbox", "unit": "gates", **_PRICES}
_JSON_TYPES = {"probabilities": "object", "histogram": "object", "shots": "array"}
FORMATS = {  # JSON type of each format
    **{f"ionq.result.{name}.json.v1": kind for name, kind in _JSON_TYPES.items()},
    **{f"ionq.result.{name}.json.v2": "object" for name in _JSON_TYPES},
    "ionq.result.probabilities-aggregate.json.v1": "object",
    "ionq.native.v1": "object",
}
ResultsForm = Literal["url", "artifacts", "v2"]  # of a job's results; see `Api`
GATE_US = (130, 970)  # of one gate on one qubit and on two; invented power
MACHINE_KW = 20.0
_GATE_TIMES = {"readout": 150e-6, "reset": 50e-6, "1q": 130e-6, "2q": 970e-6, "t1": 100, "t2": 1}
LABEL = "local mock server of qllmft: no ions, no IonQ, no money"


def job_description(job: StoredJob, form: ResultsForm) -> dict[str, Any]:
    """Return a job as GET /jobs/{id} and the list describe it."""
    failure = job.failure
    is_waiting = job.status in ("submitted", "ready")
    if failure and form == "url":
        failure = {**failure, "error": failure["message"]}  # the older name
    return {
        "id": job.id,
        "status": job.status,
        "type": "ionq.circuit.v1" if job.parent else job.payload["type"],
        "backend": job.backend,
        "dry_run": job.dry_run,
        "submitter_id": "sandbox",
        "project_id": ACCOUNT,
        "parent_job_id": job.parent,
        "child_job_ids": job.children or None,
        "session_id": job.payload.get("session_id"),
        "metadata": job.payload.get("metadata"),
        "name": job.name,
        "submitted_at": job.submitted_at,
        "started_at": job.started_at,
        "completed_at": job.completed_at,
        "predicted_wait_time_ms": 0 if is_waiting else None,
        "predicted_execution_duration_ms": 0,
        "shots": job.shots,
        **({"noise": {"model": "ideal", **job.noise}} if job.backend == "simulator" else {}),
        "settings": job.payload.get("settings") or {},
        "failure": failure,
        "execution_duration_ms": 0,
        "stats": _stats(job),
        "results": _results(job, form),
        "output": _output(job, form),
    }


def _stats(job: StoredJob) -> dict[str, Any]:
    """Return the statistics of a job; its energy and time are invented, and proportional to gates and shots."""
    counts = job.gate_counts
    stats = {"qubits": job.qubits, "circuits": len(job.circuits), "gate_counts": counts}
    if job.backend == "simulator" or job.status != "completed" or job.dry_run:
        return stats
    time_us = job.shots * (GATE_US[0] * counts["1q"] + GATE_US[1] * counts["2q"])
    names = ("predicted_quantum_compute_time_us", "billed_quantum_compute_time_us")
    return stats | dict.fromkeys(names, time_us) | {"kwh": time_us / 3.6e9 * MACHINE_KW}


def _results(job: StoredJob, form: ResultsForm) -> dict[str, Any] | None:
    """Return the names of a job's results, None before its end."""
    if job.status != "completed" or job.dry_run:
        return None
    names = {"probabilities": "/probabilities"}
    if job.children:
        names = {"probabilities-aggregate": "/probabilities/aggregated"}
    elif job.sampled:
        names["shots"] = "/shots"
    result_artifacts = {}
    for name, path in names.items():
        if form == "url":
            url = {"url": f"/v0.4/jobs/{job.id}/results{path}"}
            result_artifacts[name.removesuffix("-aggregate")] = url | _artifact(name, _format(name))
        else:
            is_v2 = form == "v2" and not job.children
            identity = _format(name, "v2" if is_v2 else "v1")
            result_artifacts[identity] = _artifact(f"{name}-v2" if is_v2 else name, identity)
    return result_artifacts


def _output(job: StoredJob, form: ResultsForm) -> dict[str, Any]:
    """Return the compiled circuit of a dry run, or a debiased circuit's variants and their combinations."""
    if job.status != "completed" or job.children:
        return {}
    if job.dry_run:
        native = {"ionq.native.v1": _artifact("native", "ionq.native.v1")}
        return {"compilation": {"compiled_circuits": native}}
    if form == "url" or not job.debiased:
        return {}
    histogram = _format("histogram", "v2")
    variants = [
        {
            "variant_id": str(number),
            "qubit_map": [(qubit + number) % job.qubits for qubit in range(job.qubits)],
            "shots": len(shots),
            "results": {histogram: _artifact(f"variant-{number}", histogram)},
        }
        for number, shots in enumerate(job.variant_shots())
    ]
    combined_artifacts = {name: _artifact(f"aggregation-{name}", histogram) for name in SHARPENING}
    debiasing = {"variants": variants, "aggregation_method": "average"}
    return {"error_mitigation": {"debiasing": debiasing, "aggregations": combined_artifacts}}


def _format(name: str, version: str = "v1") -> str:
    return f"ionq.result.{name}.json.{version}"


def _artifact(name: str, form: str) -> dict[str, str]:
    """Return the descriptor of an artifact."""
    return {"id": name, "format": form, "media_type": "application/json"}


def backend(name: str) -> dict[str, Any]:
    """Return a backend as GET /backends/{name} describes it."""
    return {
        "backend": name,
        "status": "available",
        "qubits": BACKENDS[name],
        "average_queue_time": 0,
        "last_updated": iso_time(time.time()),
        "supported_error_mitigations": ["debiasing", "symmetry_verification"],
        **({} if name == "simulator" else {"kw": MACHINE_KW}),
        "sandbox": LABEL,
    }


def characterization(name: str, *, with_former_names: bool) -> dict[str, Any]:
    """Return process fidelities of the noise model (F = 1 - 3r/4 and 1 - 15r/16).

    ``with_former_names`` adds Forte's gate times in seconds, which are whole numbers in the form published in 2026.
    """
    noise = NOISE[name.removeprefix("qpu.")]
    one_qubit_fidelity, two_qubit_fidelity = (
        1 - pauli_error_probability(noise.rate(n), n) for n in (1, 2)
    )
    return {
        "id": "00000000-0000-4000-8000-000000000001",
        "backend": name,
        "date": iso_time(time.time()),
        "qubits": BACKENDS[name],
        "connectivity": [],
        "fidelity": {
            "spam": {"median": 1.0},
            "1q": {"median": one_qubit_fidelity},
            "2q": {"median": two_qubit_fidelity},
        },
        **({"timing": _GATE_TIMES} if with_former_names else {}),
        "sandbox": LABEL,
    }


def describe_price(query: Mapping[str, str], *, with_former_names: bool) -> dict[str, Any]:
    """Return the answer of GET /jobs/estimate. ``with_former_names`` adds the names of the form before 2026."""
    names = ("qubits", "shots", "1q_gates", "2q_gates")
    numbers = {name: int(query[name]) for name in names if name in query}
    one_qubit_gates, two_qubit_gates = (numbers.get(name, 0) for name in ("1q_gates", "2q_gates"))
    machine = query.get("backend", "simulator")
    amount = circuit_price(machine, one_qubit_gates, two_qubit_gates, numbers.get("shots", 1000))
    former_fields: dict[str, Any] = {
        "input_values": dict(query),
        "cost_unit": PRICE_UNIT,
        "estimated_cost": amount,
        "rate_information": {},
    }
    return {
        **(former_fields if with_former_names else {}),
        "estimate_context": {
            "backend": machine,
            "type": query.get("type", "ionq.circuit.v1"),
            **numbers,
            "error_mitigation": query.get("error_mitigation", "false") == "true",
            "organization": ACCOUNT,
            "project": ACCOUNT,
        },
        "estimated_at": iso_time(time.time()),
        "estimated_unit": PRICE_UNIT,
        "estimated_total_cost": amount,
        "estimated_execution_time": 0,
        "current_predicted_queue_time": 0,
        "rate_card": {"rates": [_RATE_CARD], "id": "sandbox"},
    }


def cost(job: StoredJob) -> dict[str, Any]:
    """Return the answer of GET /jobs/{id}/cost: the estimate, and the charge once the job has ended."""
    charge = {"completed": job.price, **dict.fromkeys(UNCHARGED_STATES, 0.0)}.get(job.status)
    return {
        "dry_run": job.dry_run,
        "estimated_cost": {"value": job.price, "unit": PRICE_UNIT},
        **({} if charge is None else {"cost": {"value": charge, "unit": PRICE_UNIT}}),
    }


def usage(jobs: Sequence[StoredJob], organization: str, query: Mapping[str, str]) -> dict[str, Any]:
    """Return the answer of GET /organizations/{id}/usage, its days in one sum."""
    total = sum(job.price for job in jobs if job.status not in UNCHARGED_STATES)
    return {
        "organization": organization,
        "modality": query.get("modality", "daily"),
        "group_type": query.get("group_by", "project"),
        "job_count": len(jobs),
        "amount_total": total,
        "amount_totals": [{"amount": total, "unit": PRICE_UNIT}],
        "time_us_total": 0,
        "usage_data": [],
        "usage_unit": PRICE_UNIT,
        "start_date": query.get("start_date", ""),
        "end_date": query.get("end_date", ""),
    }
