"""The option that writes the record of the tests of other projects."""

collect_ignore = ["conftest.py", "backend_in_qiskit.py"]  # they hold no doctests


def pytest_addoption(parser):
    parser.addoption(
        "--record",
        action="store_true",
        help="write the counts to docs/records/qiskit-interfaces.json",
    )
