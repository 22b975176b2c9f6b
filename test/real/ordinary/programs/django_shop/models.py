# The shop's tables as an application over an existing database has them: Django makes none of them.
from django.contrib.postgres.fields import ArrayField, CICharField, HStoreField, IntegerRangeField
from django.contrib.postgres.search import SearchVectorField
from django.db import models


class Customer(models.Model):
    email = CICharField(max_length=200, unique=True)
    name = models.TextField()
    country = models.CharField(max_length=2, default="SE")
    tags = ArrayField(models.TextField(), default=list)
    settings = models.JSONField(default=dict)
    password = models.TextField(null=True)
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        managed = False
        db_table = "customers"


class Product(models.Model):
    sku = models.CharField(max_length=40, unique=True)
    name = models.TextField()
    price = models.DecimalField(max_digits=12, decimal_places=2)
    stock = models.IntegerField(default=0)
    details = HStoreField(null=True)

    class Meta:
        managed = False
        db_table = "products"


class Order(models.Model):
    id = models.BigAutoField(primary_key=True)
    reference = models.UUIDField()
    customer = models.ForeignKey(Customer, models.CASCADE, related_name="orders")
    state = models.TextField(default="new")
    total = models.DecimalField(max_digits=12, decimal_places=2, default=0)
    placed_at = models.DateTimeField(auto_now_add=True)
    products = models.ManyToManyField(Product, through="Item")

    class Meta:
        managed = False
        db_table = "orders"


class Item(models.Model):
    id = models.BigAutoField(primary_key=True)
    order = models.ForeignKey(Order, models.CASCADE, related_name="items")
    product = models.ForeignKey(Product, models.PROTECT)
    quantity = models.IntegerField(default=1)
    price = models.DecimalField(max_digits=12, decimal_places=2)

    class Meta:
        managed = False
        db_table = "order_items"


class Event(models.Model):
    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(auto_now_add=True)
    kind = models.TextField()
    payload = models.JSONField(default=dict)

    class Meta:
        managed = False
        db_table = "events"


class Document(models.Model):
    id = models.UUIDField(primary_key=True)
    customer = models.ForeignKey(Customer, models.SET_NULL, null=True)
    title = models.TextField()
    body = models.BinaryField(null=True)
    during = IntegerRangeField(null=True)

    class Meta:
        managed = False
        db_table = "documents"


class OrderTotal(models.Model):
    customer = models.OneToOneField(Customer, models.DO_NOTHING, primary_key=True)
    name = models.TextField()
    orders = models.IntegerField()
    total = models.DecimalField(max_digits=12, decimal_places=2)

    class Meta:
        managed = False
        db_table = "order_totals"
