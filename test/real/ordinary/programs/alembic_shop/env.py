# Alembic's own: how a command reaches the database.
import sqlalchemy
from alembic import context

with sqlalchemy.create_engine("postgresql+psycopg2://").connect() as connection:
    metadata = sqlalchemy.MetaData()
    sqlalchemy.Table("customers", metadata, sqlalchemy.Column("id", sqlalchemy.Integer, primary_key=True))
    context.configure(
        connection=connection,
        target_metadata=metadata,
        include_schemas=True,
        compare_type=True,
        compare_server_default=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
