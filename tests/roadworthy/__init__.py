"""Tests of the record: nouns, judge, evidence, ledger, switch."""
