"""Looking back: what an artifact was made from, where a document went, where a sentence is from.

    trace_artifact   up to the packages with their licences, and down to what was made from it
    trace_document   from a page to the very training steps at which a model read it
    trace_text       from a sentence to the documents that hold it, then as above
    trace_chats      from a sentence to the records of tuning that hold it

    trace_url        from a URL to its documents, then as above
    trace_content    from the SHA-256 of a text or a raw page to its documents, then as above

All of it is read from receipts and artifacts; the catalog only says where to look.
"""

from lodesmith.pipeline.trace_artifacts import (
    Ancestor,
    ArtifactTrace,
    Descendant,
    format_artifact_trace,
    trace_artifact,
)
from lodesmith.pipeline.trace_chats import ChatMatch, trace_chats
from lodesmith.pipeline.trace_documents import (
    DocumentTrace,
    Fate,
    PageOrigin,
    format_document_trace,
    trace_content,
    trace_document,
    trace_documents,
    trace_url,
)
from lodesmith.pipeline.trace_texts import TextMatch, format_text_matches, trace_text
from lodesmith.pipeline.trace_training import ChatUse, Reading, TokenUse, TrainingUse

__all__ = [
    "Ancestor",
    "ArtifactTrace",
    "ChatMatch",
    "ChatUse",
    "Descendant",
    "DocumentTrace",
    "Fate",
    "PageOrigin",
    "Reading",
    "TextMatch",
    "TokenUse",
    "TrainingUse",
    "format_artifact_trace",
    "format_document_trace",
    "format_text_matches",
    "trace_artifact",
    "trace_chats",
    "trace_content",
    "trace_document",
    "trace_documents",
    "trace_text",
    "trace_url",
]
