"""Requests in the chat-completions format put to providers of other formats, and their answers written in it. Pure."""
