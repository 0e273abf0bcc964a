"""The one inference engine that evaluation, chat and the server share."""
