"""The room app."""

from harvester.app.accounts import check_all_accounts, perform_all
from harvester.app.bucket import PushJob, bucket_files, connect_bucket, pushed_document, pushed_line
from harvester.app.doctor.api import PATIENCE_S, check_api
from harvester.app.doctor.bucket import check_bucket
from harvester.app.doctor.machine import Check, check_archive, check_configuration, check_credentials, failure
from harvester.app.doctor.timer import check_messages, check_timer
from harvester.app.notifications import tell_others
from harvester.app.pacing import shared_limiter
from harvester.app.refetch import reader
from harvester.app.run import Ended, Job, perform, perform_as, preview_only, run_once

__all__ = [
    "PATIENCE_S",
    "Check",
    "Ended",
    "Job",
    "PushJob",
    "bucket_files",
    "check_all_accounts",
    "check_api",
    "check_archive",
    "check_bucket",
    "check_configuration",
    "check_credentials",
    "check_messages",
    "check_timer",
    "connect_bucket",
    "failure",
    "perform",
    "perform_all",
    "perform_as",
    "preview_only",
    "pushed_document",
    "pushed_line",
    "reader",
    "run_once",
    "shared_limiter",
    "tell_others",
]
