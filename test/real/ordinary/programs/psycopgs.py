# psycopg 3 with its pool, psycopg2 with its helpers and asyncpg with its pool: plain drivers, what they look up about types, and how their
# pools put a connection in order. `tour`: everything once; `day SEED COUNT`: as many operations, drawn by the seed.
import asyncio
import random
import sys
import uuid

import asyncpg
import psycopg
import psycopg2
import psycopg2.extras
import psycopg_pool
from psycopg.types.composite import CompositeInfo, register_composite
from psycopg.types.enum import EnumInfo
from psycopg.types.hstore import register_hstore
from psycopg.types.json import Jsonb
from psycopg.types.multirange import MultirangeInfo
from psycopg.types.range import Range, RangeInfo
from psycopg.types import TypeInfo


def reset(conn):
    """As the pool's page shows."""
    conn.autocommit = True
    conn.execute("DISCARD ALL")
    conn.autocommit = False


def select(conn, rng):
    for binary in (False, True):
        conn.execute("SELECT id, name, tags, settings, created_at FROM customers WHERE id = %s", [rng.randint(1, 50)], binary=binary).fetchall()
    conn.execute("SELECT * FROM orders WHERE customer_id = ANY(%s) AND placed_at > %s::timestamptz", [[1, 2], "2020-01-01"]).fetchall()
    conn.execute("SELECT count(*) FROM customers c WHERE NOT EXISTS (SELECT FROM orders o WHERE o.customer_id = c.id)").fetchone()


def insert(conn, rng):
    conn.execute(
        "INSERT INTO customers (email, name, tags, settings) VALUES (%s, %s, %s, %s) RETURNING id",
        [f"psycopg-{uuid.uuid4()}@example.org", "Ann Person", ["a"], Jsonb({"n": rng.randint(1, 99)})],
    )
    conn.cursor().executemany("INSERT INTO events (kind, payload) VALUES (%s, %s)", [("many", Jsonb({})) for _ in range(10)])
    conn.execute("INSERT INTO documents (id, title, during) VALUES (gen_random_uuid(), %s, %s)", ["né", Range(1, 5)])


def update(conn, rng):
    with conn.transaction():
        conn.execute("UPDATE products SET stock = stock + 1 WHERE id = %s", [rng.randint(1, 20)])
        with conn.transaction():
            conn.execute("UPDATE orders SET state = %s WHERE id = %s", ["paid", rng.randint(1, 50)])
    conn.execute(
        "WITH old AS (SELECT id FROM events WHERE kind = 'many' AND at < now() - interval '1 hour' LIMIT 10) DELETE FROM events USING old WHERE events.id = old.id"
    )
    conn.execute("MERGE INTO sales.targets t USING (VALUES (%s::text, 2024, 1)) v (r, y, a) ON t.region = v.r AND t.year = v.y WHEN MATCHED THEN UPDATE SET amount = a WHEN NOT MATCHED THEN INSERT VALUES (r, y, a)", [f"m{rng.randint(1, 5)}"])


def pipeline(conn, rng):
    with conn.pipeline():
        cursors = [conn.execute("SELECT name FROM customers WHERE id = %s", [rng.randint(1, 50)], prepare=True) for _ in range(5)]
        conn.execute("INSERT INTO events (kind) VALUES ('pipeline')")
        for cursor in cursors:
            cursor.fetchall()


def cursors(conn, rng):
    with conn.transaction(), conn.cursor("named") as cursor:
        cursor.execute("SELECT * FROM customers WHERE id <= %s", [rng.randint(20, 50)])
        cursor.fetchmany(7)
        cursor.scroll(2)
        cursor.fetchall()
    with conn.cursor().copy("COPY events (kind, payload) FROM STDIN") as copy:
        for n in range(5):
            copy.write_row(["copied", '{"n": %d}' % n])


DAY = [select, insert, update, pipeline, cursors]


def look_up_types(conn):
    register_hstore(TypeInfo.fetch(conn, "hstore"), conn)
    TypeInfo.fetch(conn, "citext")
    EnumInfo.fetch(conn, "order_state")
    register_composite(CompositeInfo.fetch(conn, "address"), conn)
    RangeInfo.fetch(conn, "int4range")
    MultirangeInfo.fetch(conn, "int4multirange")
    conn.execute("SELECT ship_to, details FROM orders, products LIMIT 3").fetchall()


def old():
    conn = psycopg2.connect("")
    psycopg2.extras.register_hstore(conn)
    psycopg2.extras.register_composite("address", conn)
    psycopg2.extras.register_uuid(conn_or_curs=conn)
    with conn, conn.cursor() as cursor:
        psycopg2.extras.execute_values(cursor, "INSERT INTO events (kind) VALUES %s", [("values",)] * 10)
        psycopg2.extras.execute_batch(cursor, "INSERT INTO events (kind) VALUES (%s)", [("batch",)] * 10)
        cursor.copy_expert("COPY events (kind) FROM STDIN WITH (FORMAT csv)", __import__("io").StringIO("csv\n"))
        cursor.execute("SELECT * FROM customers WHERE id IN %s", [(1, 2, 3)])
    with conn, conn.cursor("named", withhold=True) as cursor:
        cursor.execute("SELECT * FROM customers")
        cursor.fetchmany(5)
    for level in (1, 2, 3, 4):
        conn.set_session(isolation_level=level, readonly=level == 3, deferrable=level == 3)
        conn.cursor().execute("SELECT 1")
        conn.rollback()
    conn.reset()
    conn.close()


def hear(*_):
    pass


async def new():
    async with asyncpg.create_pool(min_size=1, max_size=2, ssl=False, setup=lambda c: c.execute("SELECT 1"), command_timeout=30) as pool:
        await pool.fetch("SELECT * FROM customers WHERE id = $1", 1)
        await pool.fetch("SELECT id, state, ship_to FROM orders LIMIT 3")
        await pool.fetch("SELECT email, settings, tags FROM customers LIMIT 3")
        await pool.fetch("SELECT price, details FROM products LIMIT 3")
        await pool.execute("UPDATE orders SET state = $1 WHERE id = $2", "paid", 1)
        await pool.execute("UPDATE orders SET ship_to = $1 WHERE id = $2", ("Road 1", "Lund"), 1)
        await pool.executemany("INSERT INTO events (kind) VALUES ($1)", [("many",)] * 5)
        async with pool.acquire() as conn:
            await conn.set_type_codec("jsonb", encoder=str, decoder=str, schema="pg_catalog")
            await conn.set_builtin_type_codec("hstore", codec_name="pg_contrib.hstore")
            async with conn.transaction(isolation="serializable", readonly=True, deferrable=True):
                async for _ in conn.cursor("SELECT * FROM customers", prefetch=10):
                    pass
            await conn.copy_records_to_table("events", records=[("records",)], columns=["kind"])
            await conn.add_listener("news", hear)
            await conn.execute("NOTIFY news")
            await conn.remove_listener("news", hear)
            statement = await conn.prepare("SELECT * FROM order_totals WHERE customer_id = $1")
            await statement.explain(1)
            await statement.fetchrow(1)
            await conn.reload_schema_state()


def main(mode, seed="1", count="0"):
    with psycopg_pool.ConnectionPool("", min_size=1, max_size=2, reset=reset if mode == "tour" else None, open=True) as pool:
        if mode == "tour":
            pool.wait()
            pool.check()
            with pool.connection() as conn:
                look_up_types(conn)
            for operation in DAY:
                with pool.connection() as conn:
                    operation(conn, random.Random(1))
            old()
            asyncio.run(new())
        rng = random.Random(int(seed))
        for _ in range(int(count)):
            with pool.connection() as conn:
                rng.choice(DAY)(conn, rng)


main(*sys.argv[1:])
