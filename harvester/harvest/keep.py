"""One report from the API's answer to its directory: compared, unpacked, written. Runs in a worker thread."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec

from harvester.api.wire import RepairedText
from harvester.archive.partial import PartialSnapshot
from harvester.errors import ReportError
from harvester.harvest.plan import Decision
from harvester.harvest.queue import Job
from harvester.harvest.settle import Archived
from harvester.model import Comparison, Outcome, ReportRecord
from harvester.report import Unpacked, unpack, unpacked_without_images


class Keeper:
    """Puts reports into one partial Snapshot."""

    def __init__(self, partial: PartialSnapshot, *, stamp: Callable[[], str]) -> None:
        self._partial = partial
        self._stamp = stamp

    def keep(self, job: Job, html: str) -> Archived:
        """Archive one report, exactly as the API sent it but for repairs, of which its record has a warning.

        Returns:
            `saved`, `updated` or `unchanged`.

        Raises:
            ArchiveError: the disk does not take it, or the earlier report's record is damaged.
        """
        content = html.encode()
        digest = hashlib.sha256(content).hexdigest()
        repairs = html.repairs if isinstance(html, RepairedText) else ()
        earlier, previous = job.decision.earlier, self._partial.previous
        before = previous.report(earlier) if previous and earlier and earlier.archived else None
        if before is not None and earlier is not None and before.report_sha256 == digest:
            record = msgspec.structs.replace(
                before,
                run_id=self._partial.run_id,
                outcome=Outcome.UNCHANGED,
                read_at=self._stamp(),
                requests=job.requests,
                generation_s=job.generation_s,
                warnings=before.warnings + tuple(text for text in repairs if text not in before.warnings),
                **self._whose(job.decision),
            )
            self._partial.keep_report(record, earlier)
            return archived(record)
        unpacked = _unpack(html)
        offline = unpacked.offline_html.encode()
        record = ReportRecord(
            run_id=self._partial.run_id,
            outcome=Outcome.UPDATED if before else Outcome.SAVED,
            read_at=self._stamp(),
            report_sha256=digest,
            report_bytes=len(content),
            text_sha256=unpacked.text_sha256,
            offline_sha256=hashlib.sha256(offline).hexdigest(),
            requests=job.requests,
            generation_s=job.generation_s,
            images=tuple(image.record for image in unpacked.images),
            images_found=unpacked.images_found,
            figures=unpacked.figures,
            warnings=unpacked.warnings + repairs,
            comparison=_compare(previous.name, before, unpacked) if previous and before else None,
            **self._whose(job.decision),
        )
        images = [(image.record.name, image.content) for image in unpacked.images]
        self._partial.save_report(record, content, offline, images)
        return archived(record)

    @staticmethod
    def _whose(decision: Decision) -> dict[str, Any]:
        if decision.backtest is None:
            raise ValueError("only a listed backtest is read")
        return {"project": decision.project, "backtest": decision.backtest}


def archived(record: ReportRecord) -> Archived:
    """The result that a written record stands for."""
    return Archived(
        record.outcome, record.requests, record.report_bytes, record.read_at, record.backtest.change_key
    )


def _unpack(html: str) -> Unpacked:
    """The report taken apart; one that is beyond the bounds is kept whole, without images."""
    try:
        return unpack(html)
    except ReportError as exc:
        return unpacked_without_images(html, str(exc))


def _compare(snapshot: str, before: ReportRecord, unpacked: Unpacked) -> Comparison:
    same_text = before.text_sha256 == unpacked.text_sha256
    return Comparison(snapshot, before.report_sha256, "rendering" if same_text else "text")
