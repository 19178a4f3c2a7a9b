"""What Alembic runs: the revisions, on the connection that `drawbar.core.store.migrations` gives it."""

from alembic import context

# Alembic loads this file by its path: there is no package to be relative to.
from drawbar.core.store.tables import revisions

said = context.config.attributes
if context.is_offline_mode():
    context.configure(dialect_name=said["dialect"], version_table=revisions.name, literal_binds=True)
else:
    context.configure(connection=said["connection"], version_table=revisions.name)

with context.begin_transaction():
    context.run_migrations()
    for statement in said["then"]:
        context.execute(statement)
