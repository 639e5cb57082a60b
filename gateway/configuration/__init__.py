"""The one YAML file: its model, its built-in entries, and errors with line numbers."""
