"""Alembic's entry point: runs on the connection that `migrations.upgrade` opened, so it holds the write lock."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=False)
context.run_migrations()
