"""Wire formats, pure: a request rewritten, events and answers read. Nothing here knows of the pipeline."""
