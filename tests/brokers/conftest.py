"""Stand-ins of the services brokers speak to, on real sockets, and a real PostgreSQL."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def services():
    """The module of HTTP stand-ins."""
    path = HERE.parent / "gateway" / "services.py"
    spec = importlib.util.spec_from_file_location("services", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def serve(services):
    """Starts a service with the given answers."""
    running = []

    def start(answers):
        running.append(services.Service(answers))
        return running[-1]

    yield start
    for service in running:
        service.close()
