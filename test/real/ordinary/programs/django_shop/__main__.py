# Django: `prepare` makes the tables of its own applications (DDL, on the server itself); `tour`: everything once; `day SEED COUNT`: as many
# operations, drawn by the seed.
import datetime
import importlib
import os
import random
import sys
import uuid
from io import StringIO

import django
from django.conf import settings

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
settings.configure(
    SECRET_KEY="not a secret",
    INSTALLED_APPS=[
        "django.contrib.contenttypes",
        "django.contrib.auth",
        "django.contrib.sessions",
        "django.contrib.postgres",
        "django_shop",
    ],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": os.environ["PGDATABASE"],
            "USER": os.environ["PGUSER"],
            "PASSWORD": os.environ["PGPASSWORD"],
            "HOST": os.environ["PGHOST"],
            "PORT": os.environ["PGPORT"],
            "CONN_MAX_AGE": None,
        }
    },
    USE_TZ=True,
    TIME_ZONE="Europe/Stockholm",
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    SILENCED_SYSTEM_CHECKS=["fields.W905"],
)
django.setup()

from django.contrib.auth import authenticate  # noqa: E402
from django.contrib.auth.models import Group, Permission, User  # noqa: E402
from django.contrib.postgres.aggregates import ArrayAgg, StringAgg  # noqa: E402
from django.contrib.postgres.search import SearchQuery, SearchRank, SearchVector, TrigramSimilarity  # noqa: E402
from django.contrib.sessions.backends.db import SessionStore  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import IntegrityError, connection, transaction  # noqa: E402
from django.db.models import (  # noqa: E402
    Avg, Case, Count, Exists, F, Max, OuterRef, Prefetch, Q, Subquery, Sum, TextField, Value, When, Window,
)
from django.db.models.functions import Coalesce, Concat, ExtractYear, Lower, Now, Rank, TruncDay  # noqa: E402

from django_shop.models import Customer, Document, Event, Item, Order, OrderTotal, Product  # noqa: E402


def address():
    return f"django-{uuid.uuid4()}@example.org"


def add_customer(rng):
    Customer.objects.create(email=address(), name="Ann Person", tags=["a"], settings={"theme": "dark", "n": rng.randint(1, 99)})


def add_order(rng):
    with transaction.atomic():
        customer = Customer.objects.select_for_update().get(pk=rng.randint(1, 50))
        # GENERATED ALWAYS: Django 3.2 knows no identity columns, but leaves out a key that is not set.
        order = Order.objects.create(customer=customer, reference=uuid.uuid4())
        products = Product.objects.filter(pk__in=rng.sample(range(1, 21), 3))
        Item.objects.bulk_create([Item(order=order, product=product, quantity=2, price=product.price) for product in products])
        order.total = order.items.aggregate(total=Sum(F("quantity") * F("price")))["total"]
        order.save(update_fields=["total"])


def pay(rng):
    with transaction.atomic():
        order = Order.objects.select_for_update(skip_locked=True).filter(state="new").order_by("pk").first()
        if order:
            order.state = "paid"
            order.save()


def browse(rng):
    orders = Prefetch("orders", Order.objects.prefetch_related("items__product").order_by("-placed_at"))
    for customer in Customer.objects.filter(pk__lt=rng.randint(2, 30)).prefetch_related(orders)[:10]:
        [item.product.name for order in customer.orders.all() for item in order.items.all()]
    list(Item.objects.select_related("order__customer", "product").filter(order__customer_id=rng.randint(1, 50)))
    list(Order.objects.filter(customer__name__startswith="Person", items__quantity__gte=1).distinct().values_list("pk", "customer__email"))


def search(rng):
    list(Customer.objects.filter(Q(name__icontains="person") | Q(email__iexact=f"PERSON{rng.randint(1, 9)}@example.org")).exclude(active=False)[:10])
    list(Customer.objects.filter(settings__n=rng.randint(1, 50), settings__has_key="n", tags__contains=["seed"], tags__len=1)[:5])
    list(Customer.objects.filter(settings__contains={"n": 5}, tags__overlap=["seed", "b"]).order_by(Lower("name")))
    list(Product.objects.annotate(search=SearchVector("name", config="simple")).filter(search=SearchQuery("thing", config="simple"))[:3])
    list(Product.objects.annotate(rank=SearchRank(SearchVector("name"), SearchQuery("thing | 5", search_type="raw"))).order_by("-rank")[:3])
    list(Product.objects.filter(name__regex=r"^Thing \d+$", price__range=(1, 9)))
    Customer.objects.filter(name__in=["Person 1", "Person 2"]).exists()


def report(rng):
    list(Order.objects.values("state").annotate(n=Count("pk"), average=Avg("total"), last=Max("placed_at")).order_by("state"))
    list(Order.objects.annotate(day=TruncDay("placed_at")).values("day").annotate(n=Count("pk"), total=Coalesce(Sum("total"), Value(0), output_field=Order._meta.get_field("total"))))
    list(Order.objects.annotate(rank=Window(Rank(), partition_by=[F("customer_id")], order_by=F("total").desc())).values("pk", "rank")[:20])
    newest = Order.objects.filter(customer=OuterRef("pk")).order_by("-placed_at").values("pk")[:1]
    items = Item.objects.filter(order__customer=OuterRef("pk"))
    list(Customer.objects.annotate(newest=Subquery(newest), bought=Exists(items)).filter(bought=True)[:10])
    list(Customer.objects.annotate(kind=Case(When(pk__lt=10, then=Value("old")), default=Value("new"))).values("kind").annotate(Count("pk")))
    list(Customer.objects.annotate(label=Concat("name", Value(" <"), "country", Value(">"), output_field=TextField()), year=ExtractYear("created_at")).values("label", "year")[:3])
    list(Order.objects.filter(placed_at__date=datetime.date.today(), placed_at__lte=Now()).dates("placed_at", "month"))
    list(OrderTotal.objects.filter(customer_id=rng.randint(1, 50)))
    list(Customer.objects.filter(pk__lt=5).union(Customer.objects.filter(pk__gt=48)).order_by("pk"))


def update(rng):
    Product.objects.filter(pk=rng.randint(1, 20)).update(stock=F("stock") + 1)
    customer = Customer.objects.get(pk=rng.randint(1, 50))
    customer.settings["seen"] = rng.random()
    customer.save()
    customer.refresh_from_db()
    Product.objects.bulk_update([Product(pk=pk, stock=1000 + pk) for pk in (1, 2, 3)], ["stock"])


def upsert(rng):
    email = f"django-{rng.randint(1, 5)}@example.org"
    Customer.objects.get_or_create(email=email, defaults={"name": "Got"})
    Customer.objects.update_or_create(email=email, defaults={"name": "Updated"})
    Customer.objects.bulk_create([Customer(email=email, name="Ignored")], ignore_conflicts=True)


def bulk(rng):
    Event.objects.bulk_create([Event(kind="bulk", payload={"n": n}) for n in range(20)], batch_size=7)
    for event in Event.objects.filter(kind="bulk").order_by("pk")[:30].iterator(chunk_size=10):
        event.payload


def remove(rng):
    customer = Customer.objects.create(email=address(), name="Short Lived")
    customer.delete()
    Event.objects.filter(kind="bulk", at__lt=Now() - datetime.timedelta(hours=1)).delete()


def nested(rng):
    with transaction.atomic():
        try:
            with transaction.atomic():
                Customer.objects.create(email="PERSON1@example.org", name="Twice")
        except IntegrityError:
            pass
        Event.objects.create(kind="nested")


def people(rng):
    user, _ = User.objects.get_or_create(username=f"user{rng.randint(1, 3)}")
    user.set_unusable_password()
    user.save()
    assert authenticate(username=user.username, password="wrong") is None
    user.has_perm("auth.add_user")
    user.groups.set([Group.objects.get_or_create(name="staff")[0]])
    session = SessionStore()
    session["user"] = user.pk
    session.save()
    SessionStore(session.session_key).load()
    session.cycle_key()
    session.delete()


def raw(rng):
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, email FROM customers WHERE id = %s", [rng.randint(1, 50)])
        cursor.fetchone()
        cursor.executemany("INSERT INTO events (kind, payload) VALUES (%s, '{}')", [("raw",), ("raw",)])
    list(Customer.objects.raw("SELECT * FROM customers WHERE id < %s", [5]))
    Customer.objects.filter(pk=1).explain()


DAY = [add_customer, add_order, pay, browse, search, report, update, upsert, bulk, remove, nested, people, raw]


def folding(rng):
    """Aggregates that keep their inputs."""
    list(Order.objects.values("customer_id").annotate(states=ArrayAgg("state", distinct=True), text=StringAgg("items__product__name", ",", output_field=TextField()))[:5])
    Document.objects.create(id=uuid.uuid4(), title="né", body=b"\0\1", during=(1, 5))
    list(Document.objects.filter(during__contains=3))


def trigrams(rng):
    list(Customer.objects.annotate(like=TrigramSimilarity("name", "Persn")).filter(like__gt=0.1).order_by("-like")[:3])
    list(Customer.objects.filter(name__trigram_similar="Persn")[:3])
    list(Product.objects.filter(details__colour="red", details__has_key="colour")[:3])


def tour():
    out = StringIO()
    call_command("check", database=["default"], stdout=out)
    call_command("showmigrations", stdout=out)
    call_command("showmigrations", "--plan", stdout=out)
    call_command("migrate", "--plan", stdout=out)
    call_command("migrate", "--check", stdout=out)
    call_command("migrate", stdout=out)
    call_command("makemigrations", "--check", "--dry-run", stdout=out)
    call_command("inspectdb", "--include-views", "--include-partitions", stdout=out)
    assert "class Customers(" in out.getvalue()
    call_command("sqlsequencereset", "auth", stdout=out)
    call_command("dumpdata", "auth.group", "contenttypes", stdout=out)
    call_command("clearsessions", stdout=out)
    call_command("remove_stale_contenttypes", interactive=False, stdout=out)
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor, include_views=True):
            connection.introspection.get_table_description(cursor, table)
            connection.introspection.get_constraints(cursor, table)
            connection.introspection.get_sequences(cursor, table)
            connection.introspection.get_relations(cursor, table)
    with transaction.atomic():
        # What loaddata does when it is done.
        with connection.cursor() as cursor:
            for line in connection.ops.sequence_reset_sql(importlib.import_module("django.core.management.color").no_style(), [Group, Permission]):
                cursor.execute(line)
    connection.set_autocommit(False)
    Event.objects.create(kind="by hand")
    connection.rollback()
    connection.set_autocommit(True)
    rng = random.Random(1)
    for operation in [*DAY, folding, trigrams]:
        operation(rng)
    connection.close()
    Customer.objects.count()


def main(mode, seed="1", count="0"):
    if mode == "prepare":
        call_command("migrate", verbosity=0)
    if mode == "tour":
        tour()
    rng = random.Random(int(seed))
    for _ in range(int(count)):
        rng.choice(DAY)(rng)


main(*sys.argv[1:])
