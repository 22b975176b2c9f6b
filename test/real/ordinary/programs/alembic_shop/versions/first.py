# A migration of data alone.
from alembic import op

revision = "1a2b3c"
down_revision = None


def upgrade():
    op.execute("UPDATE products SET stock = stock + 1 WHERE sku = 'SKU-1'")


def downgrade():
    op.execute("UPDATE products SET stock = stock - 1 WHERE sku = 'SKU-1'")
