"""What `avrec doctor` looks at."""

import os
import shutil
from importlib import metadata

import pytest

from avrec_lib import doctor


def by_name():
    return {finding.name: finding for finding in doctor.report()}


def test_report_covers_versions_memory_gpu_java_browser_and_cache():
    names = set(by_name())
    assert {"Python", "numpy", "torch", "memory", "cache", "GPU", "Java", "Chromium"} <= names


def test_every_finding_that_is_not_ok_has_a_remedy(monkeypatch):
    monkeypatch.setattr(metadata, "version", _absent)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    lacking = [finding for finding in doctor.report() if not finding.ok]
    assert {"numpy", "tensorflow", "Java", "Chromium"} <= {finding.name for finding in lacking}
    assert all(finding.remedy for finding in lacking)


def test_a_missing_extra_is_an_option_and_a_missing_core_package_a_fault(monkeypatch):
    monkeypatch.setattr(metadata, "version", _absent)
    found = by_name()
    assert found["numpy"].needed
    assert not found["transformers"].needed
    assert ".[content]" in found["transformers"].remedy


def test_the_small_build_of_tensorflow_counts_as_tensorflow(monkeypatch):
    monkeypatch.setattr(metadata, "version", lambda name: "2.21.0" if name == "tensorflow-cpu" else _absent(name))
    assert by_name()["tensorflow"].found == "2.21.0"


def test_a_cache_that_cannot_be_written_names_the_variable(monkeypatch, tmp_path):
    monkeypatch.setenv("AVREC_CACHE", str(tmp_path))
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    cache = by_name()["cache"]
    assert not cache.ok
    assert "AVREC_CACHE" in cache.remedy


@pytest.mark.parametrize(("text", "ok"), [('openjdk version "17.0.1"', True), ('java version "1.8.0"', False)])
def test_java_older_than_17_is_not_enough(monkeypatch, tmp_path, text, ok):
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text(f"#!/bin/sh\necho '{text}' >&2\n", encoding="utf-8")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert by_name()["Java"].ok is ok


def test_memory_that_the_system_does_not_tell_is_no_fault(monkeypatch):
    monkeypatch.setattr(os, "sysconf", _refuse)
    assert by_name()["memory"].ok


def _absent(name):
    raise metadata.PackageNotFoundError(name)


def _refuse(name):
    raise ValueError(name)
