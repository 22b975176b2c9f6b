# Alembic over an existing version table: what it reads, and the version rows it writes. Its DDL is rightly held: none here.
import os
import sys
from io import StringIO

from alembic import autogenerate, command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
import sqlalchemy as sa

said = StringIO()
config = Config(stdout=said)
config.set_main_option("script_location", os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

command.current(config, verbose=True)
command.heads(config)
command.branches(config)
command.history(config, indicate_current=True)
command.stamp(config, "1a2b3c")
command.current(config)
command.upgrade(config, "head")
command.downgrade(config, "-1")
command.upgrade(config, "+1")
command.downgrade(config, "base")
command.stamp(config, "head", purge=True)
command.stamp(config, "base")
assert "1a2b3c" in said.getvalue()
engine = sa.create_engine("postgresql+psycopg2://")
with engine.connect() as connection:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    assert autogenerate.compare_metadata(context, sa.MetaData())
