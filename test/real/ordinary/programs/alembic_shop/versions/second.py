# Another, by a query and rows in bulk.
import sqlalchemy as sa
from alembic import op

revision = "4d5e6f"
down_revision = "1a2b3c"
targets = sa.table("targets", sa.column("region"), sa.column("year"), sa.column("amount"), schema="sales")


def upgrade():
    op.bulk_insert(targets, [{"region": "alembic", "year": year, "amount": 1} for year in (2024, 2025)])
    assert op.get_bind().execute(sa.select(sa.func.count()).select_from(targets)).scalar()


def downgrade():
    op.execute(targets.delete().where(targets.c.region == "alembic"))
