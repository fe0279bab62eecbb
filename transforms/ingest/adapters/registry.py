"""Which adapter reads a folder of logs."""

from transforms.ingest.adapters.base import Adapter
from transforms.ingest.adapters.canonical import CanonicalLogs
from transforms.ingest.adapters.kuairand import KuaiRandLogs
from transforms.ingest.adapters.movielens import MovieLensLogs
from transforms.listing import list_files
from transforms.logs import Logs
from transforms.spans.files import files_of, newest_spans, require_spans


def find_logs(logs: Logs, folder: str) -> Adapter:
    """Finds the files that `logs.adapter` reads in a folder; of spans the newest versions.

    Raises:
        InputError: if there is no such folder, a link leads out of it, or it lacks a file.
    """
    files = list_files(folder)
    match logs.adapter:
        case "canonical":
            if logs.spans is not None:
                spans = newest_spans(logs.spans.input, files)
                require_spans(folder, logs.spans.input, spans)
                files = files_of(spans.values())
            return CanonicalLogs.find(folder, files, logs.timestamp_unit)
        case "kuairand":
            return KuaiRandLogs.find(folder, files)
        case "movielens":
            return MovieLensLogs.find(folder, files)
