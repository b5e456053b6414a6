"""Intake: raw daily files become batches, with a receipt for every row.

CSV, JSON lines and Parquet, on disk or wherever fsspec reads. Only declared columns stay; types and days are checked; declared
identifiers become pseudonyms; identifiers that nobody declared are counted. A row or a file that cannot be taken in goes to the
quarantine with its reason. Accepted and quarantined rows are the received ones, always, and the same file twice changes nothing.
"""

from checks.intake.receipts import ENTRIES, RECEIPT, measure_receipts, read_receipt, receipt_days, receipt_path
from checks.intake.taking import NoRawFileError, TakenIn, take_in, take_labels_in

__all__ = [
    "ENTRIES", "RECEIPT", "NoRawFileError", "TakenIn", "measure_receipts", "read_receipt", "receipt_days", "receipt_path",
    "take_in", "take_labels_in",
]
