"""One report from the API's answer to its directory: compared, unpacked, written. Runs in a worker thread.

| the digest                | the earlier record and files | what is written                    | Outcome   |
|---------------------------|------------------------------|------------------------------------|-----------|
| no earlier one            | -                            | everything                         | saved     |
| differs                   | sound                        | everything, and what differs       | updated   |
| differs                   | damaged                      | everything                         | updated   |
| is equal                  | sound                        | the record; the files are linked   | unchanged |
| is equal                  | damaged                      | everything                         | unchanged |
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec

from harvester.api import RepairedText
from harvester.archive import PartialSnapshot
from harvester.errors import CorruptArchiveError, DamagedReportError, DiskError, ReportError
from harvester.format import REPORT_JSON, Utf8
from harvester.harvest.decision import Decision
from harvester.harvest.queue import ReportJob
from harvester.harvest.settle import Archived
from harvester.model import Backtest, Comparison, InventoryEntry, Outcome, ReportRecord
from harvester.report import Unpacked, unpack_report, unpacked_without_images


class Keeper:
    """Puts reports into one partial Snapshot."""

    def __init__(self, partial: PartialSnapshot, *, stamp: Callable[[], str]) -> None:
        self._partial = partial
        self._stamp = stamp
        self.damaged: list[tuple[Decision, str]] = []
        """Archived reports with files found to be damaged when they were read again, and what was wrong."""

    def keep(self, job: ReportJob, html: str) -> Archived:
        """Archive one report, exactly as the API sent it but for repairs, of which its record has a warning.

        Returns:
            `saved`, `updated` or `unchanged`.

        Raises:
            DiskError: the disk does not take it.
        """
        content = Utf8(html)
        digest, _ = content.digest
        repairs = html.repairs if isinstance(html, RepairedText) else ()
        decision, earlier = job.decision, job.decision.earlier
        before = self._load_earlier(decision)
        known = earlier.report_sha256 if earlier else ""
        fields = {
            "run_id": self._partial.run_id,
            "project": decision.project,
            "backtest": decision.backtest,
            "read_at": self._stamp(),
            "requests": job.requests,
            "generation_s": job.generation_s,
            "outcome": Outcome.UPDATED if known else Outcome.SAVED,
        }
        if known == digest:
            fields["outcome"] = Outcome.UNCHANGED
            if before is not None:
                warnings = before.warnings + tuple(text for text in repairs if text not in before.warnings)
                record = msgspec.structs.replace(before, warnings=warnings, **fields)
                if self._keep_files(decision, record):
                    return archived(record)
        unpacked = _unpack(html)
        if before is not None and self._partial.previous is not None and known != digest:
            fields["comparison"] = _compare(self._partial.previous.name, before, unpacked)
        return self._save(content, unpacked, fields, repairs)

    def restore(self, decision: Decision, content: bytes, known: ReportRecord | None) -> Archived:
        """Archive a report from the bytes of an archived copy; its other files are made from them.

        Args:
            decision: Of a report that was archived before.
            content: Its `report.html`, with the digest that was recorded.
            known: Its `report.json`, if there is one that can be read.

        Returns:
            `carried`.

        Raises:
            DiskError: the disk does not take it.
        """
        earlier = decision.earlier
        if earlier is None:
            raise ValueError("only what was archived before is restored")
        backtest = decision.backtest or (known.backtest if known else _former(earlier))
        # The bytes belong to the row as it was when they were read: a change since is requested in its turn.
        backtest = msgspec.structs.replace(backtest, name=decision.name, change_key=earlier.change_key)
        fields = {
            "run_id": self._partial.run_id,
            "project": decision.project,
            "backtest": backtest,
            "read_at": earlier.read_at,
            "requests": 0,
            "outcome": Outcome.CARRIED,
            "comparison": known.comparison if known else None,
        }
        html = content.decode()
        return self._save(Utf8(html), _unpack(html), fields)

    def _load_earlier(self, decision: Decision) -> ReportRecord | None:
        """The record of the earlier version; None if there is none that can be trusted."""
        earlier, previous = decision.earlier, self._partial.previous
        if previous is None or earlier is None or not earlier.archived:
            return None
        try:
            record = previous.report(earlier)
        except (CorruptArchiveError, DiskError) as exc:
            self.damaged.append((decision, str(exc)))
            return None
        if record.report_sha256 != earlier.report_sha256:
            why = f"{previous.file(earlier, REPORT_JSON)} contradicts the Inventory"
            self.damaged.append((decision, why))
            return None
        return record

    def _keep_files(self, decision: Decision, record: ReportRecord) -> bool:
        """Link the files of an unchanged report; False when they are damaged and have to be written again."""
        if decision.earlier is None:
            return False
        try:
            self._partial.keep_report(record, decision.earlier)
        except DamagedReportError as exc:
            self.damaged.append((decision, str(exc)))
            return False
        return True

    def _save(
        self, content: Utf8, unpacked: Unpacked, fields: dict[str, Any], warnings: tuple[str, ...] = ()
    ) -> Archived:
        """Write all files of a report; `fields` are those of its record that the bytes do not say."""
        offline = unpacked.offline_html.encode()
        report_sha256, report_bytes = content.digest
        record = ReportRecord(
            report_sha256=report_sha256,
            report_bytes=report_bytes,
            text_sha256=unpacked.text_sha256,
            offline_sha256=hashlib.sha256(offline).hexdigest(),
            images=tuple(image.record for image in unpacked.images),
            images_found=unpacked.images_found,
            figures=unpacked.figures,
            warnings=unpacked.warnings + warnings,
            **fields,
        )
        images = [(image.record.name, image.content) for image in unpacked.images]
        self._partial.save_report(record, content, offline, images)
        return archived(record)


def _former(entry: InventoryEntry) -> Backtest:
    """What the Inventory knows of a backtest that is no longer listed."""
    return Backtest(
        entry.project_id,
        entry.backtest_id,
        entry.name,
        entry.created,
        status=entry.status,
        optimization_id=entry.optimization_id,
        tags=entry.tags,
        statistics=entry.statistics,
    )


def archived(record: ReportRecord) -> Archived:
    """The fact that a written record proves."""
    return Archived(
        record.outcome, record.requests, record.report_bytes, record.read_at, record.backtest.change_key
    )


def _unpack(html: str) -> Unpacked:
    """The report taken apart; one that is beyond the bounds is kept whole, without images."""
    try:
        return unpack_report(html)
    except ReportError as exc:
        return unpacked_without_images(html, str(exc))


def _compare(snapshot: str, before: ReportRecord, unpacked: Unpacked) -> Comparison:
    same_text = before.text_sha256 == unpacked.text_sha256
    return Comparison(snapshot, before.report_sha256, "rendering" if same_text else "text")
