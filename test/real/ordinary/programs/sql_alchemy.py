# SQLAlchemy over psycopg2: what applications do with it. `tour`: everything once; `day SEED COUNT`: as many operations, drawn by the seed.
import datetime
import os
import random
import sys
import uuid
import warnings

import sqlalchemy as sa
from sqlalchemy import event, func, orm
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.ext.automap import automap_base

warnings.filterwarnings("ignore", category=sa.exc.SAWarning)  # columns of types that it does not know
Base = orm.declarative_base()


class Citext(sa.types.UserDefinedType):
    cache_ok = True

    def get_col_spec(self, **_):
        return "CITEXT"


class Customer(Base):
    __tablename__ = "customers"
    id = sa.Column(sa.Integer, primary_key=True)
    email = sa.Column(Citext, nullable=False, unique=True)
    name = sa.Column(sa.Text, nullable=False)
    tags = sa.Column(pg.ARRAY(sa.Text), server_default="{}")
    settings = sa.Column(pg.JSONB, server_default="{}")
    active = sa.Column(sa.Boolean, server_default=sa.true())
    created_at = sa.Column(sa.DateTime(timezone=True), server_default=func.now())
    updated_at = sa.Column(sa.DateTime(timezone=True), server_default=func.now(), server_onupdate=sa.FetchedValue())
    orders = orm.relationship("Order", back_populates="customer", passive_deletes=True)
    __mapper_args__ = {"eager_defaults": True}


class Product(Base):
    __tablename__ = "products"
    id = sa.Column(sa.Integer, primary_key=True)
    sku = sa.Column(sa.String(40), unique=True)
    name = sa.Column(sa.Text)
    price = sa.Column(sa.Numeric(12, 2))
    stock = sa.Column(sa.Integer)
    search = sa.Column(pg.TSVECTOR, sa.Computed("to_tsvector('simple', name)"))


class Order(Base):
    __tablename__ = "orders"
    id = sa.Column(sa.BigInteger, sa.Identity(always=True), primary_key=True)
    reference = sa.Column(pg.UUID(as_uuid=True), server_default=func.gen_random_uuid())
    customer_id = sa.Column(sa.ForeignKey("customers.id"))
    state = sa.Column(pg.ENUM("new", "paid", "sent", "returned", name="order_state", create_type=False), server_default="new")
    total = sa.Column(sa.Numeric(12, 2), server_default="0")
    placed_at = sa.Column(sa.DateTime(timezone=True), server_default=func.now())
    customer = orm.relationship(Customer, back_populates="orders")
    items = orm.relationship("Item", back_populates="order", cascade="all, delete-orphan")


class Item(Base):
    __tablename__ = "order_items"
    id = sa.Column(sa.BigInteger, primary_key=True)
    order_id = sa.Column(sa.ForeignKey("orders.id"))
    product_id = sa.Column(sa.ForeignKey("products.id"))
    quantity = sa.Column(sa.Integer)
    price = sa.Column(sa.Numeric(12, 2))
    order = orm.relationship(Order, back_populates="items")
    product = orm.relationship(Product)


class Event(Base):
    __tablename__ = "events"
    id = sa.Column(sa.BigInteger, sa.Identity(), primary_key=True)
    at = sa.Column(sa.DateTime(timezone=True), primary_key=True, server_default=func.now())
    kind = sa.Column(sa.Text)
    payload = sa.Column(pg.JSONB)


class Document(Base):
    __tablename__ = "documents"
    id = sa.Column(pg.UUID(as_uuid=True), primary_key=True, server_default=func.uuid_generate_v4())
    customer_id = sa.Column(sa.ForeignKey("customers.id"))
    title = sa.Column(sa.Text)
    body = sa.Column(sa.LargeBinary)
    during = sa.Column(pg.INT4RANGE)


class Target(Base):
    __tablename__ = "targets"
    __table_args__ = {"schema": "sales"}
    region = sa.Column(sa.Text, primary_key=True)
    year = sa.Column(sa.Integer, primary_key=True)
    amount = sa.Column(sa.Numeric)


def made(tool="sqlalchemy"):
    return f"{tool}-{uuid.uuid4()}"


# ---- operations: each on a session, with numbers drawn from `rng`; all but the last part of both lists make up the day ----


def add_customer(session, rng):
    session.add(Customer(email=f"{made()}@example.org", name="Ann Person", tags=["a", "b"], settings={"theme": "dark", "n": rng.randint(1, 99)}))


def add_order(session, rng):
    customer = session.get(Customer, rng.randint(1, 50))
    products = session.query(Product).filter(Product.id.in_(rng.sample(range(1, 21), 3))).all()
    order = Order(customer=customer, items=[Item(product=p, quantity=rng.randint(1, 5), price=p.price) for p in products])
    session.add(order)
    session.flush()
    order.total = session.scalar(sa.select(func.sum(Item.quantity * Item.price)).where(Item.order_id == order.id))


def pay(session, rng):
    order = session.query(Order).filter_by(state="new").order_by(Order.id).with_for_update(skip_locked=True).first()
    if order:
        order.state = "paid"


def browse(session, rng):
    query = session.query(Customer).options(orm.joinedload(Customer.orders).selectinload(Order.items)).filter(Customer.id < rng.randint(2, 30))
    for customer in query.order_by(sa.desc(Customer.created_at)).limit(10):
        [item.quantity for order in customer.orders for item in order.items]


def search(session, rng):
    session.query(Customer).filter(Customer.name.ilike(f"%person {rng.randint(1, 9)}%"), Customer.active.is_(True)).limit(10).offset(rng.randint(0, 5)).all()
    session.query(Product).filter(Product.search.op("@@")(func.plainto_tsquery("simple", "thing"))).count()
    session.query(Customer).filter(Customer.settings["n"].as_integer() == rng.randint(1, 50)).all()
    session.query(Customer).filter(Customer.settings.has_key("theme"), Customer.tags.contains(["a"])).limit(5).all()  # noqa: W601
    session.query(Customer).filter(Customer.tags.any("seed"), Customer.settings.contains({"n": 5})).all()


def report(session, rng):
    totals = sa.select(Order.customer_id, func.sum(Order.total).label("total"), func.count().label("n")).group_by(Order.customer_id).cte("totals")
    rank = func.rank().over(order_by=totals.c.total.desc())
    session.execute(sa.select(Customer.name, totals.c.total, rank).join(totals, totals.c.customer_id == Customer.id).where(totals.c.n > 0).limit(20)).all()
    session.execute(sa.select(Order.state, func.count(), func.avg(Order.total), func.max(Order.placed_at)).group_by(Order.state)).all()
    session.execute(sa.select(func.date_trunc("day", Order.placed_at), func.count()).group_by(sa.text("1"))).all()
    session.execute(sa.select(sa.case((Order.total > 10, "big"), else_="small"), func.count()).group_by(sa.text("1"))).all()
    late = Order.placed_at < func.now() - datetime.timedelta(days=30)
    session.query(Order).filter(late, sa.exists().where(Item.order_id == Order.id)).count()
    session.execute(sa.text("SELECT * FROM order_totals WHERE customer_id = :id"), {"id": rng.randint(1, 50)}).all()


def update(session, rng):
    customer = session.get(Customer, rng.randint(1, 50), with_for_update=True)
    customer.settings = {**customer.settings, "seen": rng.random()}
    session.flush()
    session.refresh(customer)
    session.execute(sa.update(Product).where(Product.id == rng.randint(1, 20)).values(stock=Product.stock + 1).returning(Product.stock)).all()


def upsert(session, rng):
    insert = pg.insert(Target).values(region=f"r{rng.randint(1, 5)}", year=2024, amount=rng.randint(1, 100))
    session.execute(insert.on_conflict_do_update(index_elements=["region", "year"], set_={"amount": insert.excluded.amount}))
    session.execute(pg.insert(Target).values(region="north", year=2024, amount=1).on_conflict_do_nothing())


def bulk(session, rng):
    session.bulk_insert_mappings(Event, [{"kind": "bulk", "payload": {"n": n}} for n in range(20)])
    session.execute(sa.insert(Event), [{"kind": "many", "payload": {"n": n}} for n in range(5)])
    session.execute(sa.insert(Event).values([{"kind": "values", "payload": {}} for _ in range(3)]).returning(Event.id)).all()
    session.add_all([Event(kind="all", payload={"é": n}) for n in range(5)])


def remove(session, rng):
    customer = Customer(email=f"{made()}@example.org", name="Short Lived")
    session.add(customer)
    session.flush()
    session.delete(customer)
    session.flush()
    session.query(Event).filter(Event.kind == "bulk", Event.at < func.now() - datetime.timedelta(hours=1)).delete(synchronize_session=False)


def nested(session, rng):
    try:
        with session.begin_nested():
            session.add(Customer(email="PERSON1@example.org", name="Twice"))
    except sa.exc.IntegrityError:
        pass
    with session.begin_nested():
        session.add(Event(kind="nested", payload={}))


def types(session, rng):
    document = Document(title="né", body=os.urandom(100), during=pg_range(1, 5), customer_id=rng.randint(1, 50))
    session.add(document)
    session.flush()
    session.expire(document)
    assert document.title == "né"
    session.query(Document).filter(Document.during.contains(3)).limit(3).all()
    session.scalar(sa.select(sa.cast(sa.literal("1"), sa.Integer) + sa.Sequence("invoice_numbers").next_value()))
    session.scalar(sa.select(func.coalesce(func.nullif(sa.literal("a"), "a"), "b")))


def pg_range(lower, upper):
    from psycopg2.extras import NumericRange

    return NumericRange(lower, upper)


DAY = [add_customer, add_order, pay, browse, search, report, update, upsert, bulk, remove, nested, types]


# ---- only in the tour ----


def extensions(session, rng):
    session.query(Customer).filter(func.similarity(Customer.name, "Persn") > 0.1).limit(3).all()
    session.query(Customer).filter(Customer.name.op("%")("Persn")).order_by(Customer.name.op("<->")("Persn")).limit(3).all()
    session.execute(sa.text("SELECT details -> 'colour' FROM products WHERE details ? 'colour' LIMIT 1")).all()
    session.execute(sa.text("SELECT uuid_generate_v4()")).all()
    session.execute(sa.text("SELECT encode(digest('a', 'sha256'), 'hex')")).all()
    session.execute(sa.text("UPDATE customers SET password = crypt('a', gen_salt('bf', 4)) WHERE id = 1"))
    session.execute(sa.text("SELECT id FROM customers WHERE email = 'PERSON1@EXAMPLE.ORG'::citext")).all()
    session.add(Document(id=func.uuid_generate_v4(), title="by the function"))
    session.flush()


def own_types(session, rng):
    session.execute(sa.text("SELECT full_name('Ann', 'Person')")).all()
    session.query(Order).filter(Order.state == sa.cast("paid", Order.state.type)).limit(1).all()
    session.execute(sa.text("UPDATE orders SET ship_to = ROW('Road 1', 'Lund')::address WHERE id = 1"))
    session.execute(sa.text("UPDATE products SET price = '1.50'::money_amount WHERE id = 1"))


def reflect(engine):
    metadata = sa.MetaData()
    metadata.reflect(engine, views=True)
    sa.MetaData().reflect(engine, schema="sales")
    look = sa.inspect(engine)
    for schema in look.get_schema_names():
        look.get_enums(schema) if schema == "public" else None
        for table in look.get_table_names(schema)[:8]:
            look.get_columns(table, schema)
            look.get_pk_constraint(table, schema)
            look.get_foreign_keys(table, schema)
            look.get_indexes(table, schema)
            look.get_unique_constraints(table, schema)
            look.get_check_constraints(table, schema)
            look.get_table_comment(table, schema)
        for view in look.get_view_names(schema)[:3]:
            look.get_view_definition(view, schema)
    look.get_sequence_names()
    look.has_table("customers")
    assert len(metadata.tables) > 8
    automap = automap_base()
    automap.prepare(autoload_with=engine)
    assert automap.classes.customers


def tour(engine):
    reflect(engine)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.execute(sa.text("SELECT 1"))
    with engine.connect().execution_options(isolation_level="SERIALIZABLE", postgresql_readonly=True, postgresql_deferrable=True) as conn:
        conn.execute(sa.text("SELECT 1"))
    with engine.connect().execution_options(stream_results=True, yield_per=10) as conn:
        assert len(conn.execute(sa.select(Customer.id).limit(35)).all()) == 35
    with engine.begin() as conn:
        conn.execute(sa.text("SET LOCAL statement_timeout = '10s'"))
        conn.execute(sa.text("CREATE TEMPORARY TABLE scratch (id int) ON COMMIT DROP"))
        conn.execute(sa.text("INSERT INTO scratch VALUES (1)"))
        conn.execute(sa.text("SELECT pg_advisory_xact_lock(42)"))
    with engine.begin() as conn:
        conn.begin_nested().rollback()
    rng = random.Random(1)
    for operation in [*DAY, extensions, own_types]:
        with orm.Session(engine) as session, session.begin():
            operation(session, rng)


def main(mode, seed="1", count="0"):
    engine = sa.create_engine("postgresql+psycopg2://", future=True, pool_pre_ping=True, pool_size=3)
    if mode == "tour":
        # As its page on pooling shows: a connection is put in order when it comes back.
        event.listen(engine, "reset", lambda dbapi, *_: dbapi.rollback())
        event.listen(engine, "checkin", reset)
        tour(engine)
    rng = random.Random(int(seed))
    for _ in range(int(count)):
        with orm.Session(engine) as session, session.begin():
            rng.choice(DAY)(session, rng)
    engine.dispose()
    print(f"SQLAlchemy {sa.__version__}")


def reset(dbapi, _record):
    dbapi.autocommit = True
    dbapi.cursor().execute("DISCARD ALL")
    dbapi.autocommit = False


main(*sys.argv[1:])
