"""The running product: pipeline, providers, web, people, CLI. `app.py` composes it, `settings.py` reads settings."""
