"""A real HTTP server that speaks the published OpenAI wire format, deterministically, with a bill of its own."""
