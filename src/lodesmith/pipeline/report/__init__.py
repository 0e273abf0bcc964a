"""What a finished run tells a person: one HTML page, and a summary for the terminal."""

from lodesmith.pipeline.report.page import write_report
from lodesmith.pipeline.report.summary import summarise

__all__ = ["summarise", "write_report"]
