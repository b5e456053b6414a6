"""Measure: one module per family, each with one public ``measure(subject) -> list[Measurement]``.

A check never knows a threshold. It reads a `checks.subject.Subject`, counts in DuckDB, lets the field's library define
the metric on the counts, and returns measurements. It does not know Prefect, reports or policies.
"""
