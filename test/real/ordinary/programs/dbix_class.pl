# DBIx::Class: Schema::Loader reads the whole schema and makes the classes; then ordinary statements by them.
use strict;
use warnings;
use DBIx::Class::Schema::Loader;

package Shop;
use base 'DBIx::Class::Schema::Loader';
__PACKAGE__->loader_options(naming => 'current', quiet => 1, db_schema => [ 'public', 'sales' ], qualify_objects => 1);

package main;
my $dsn = "dbi:Pg:dbname=$ENV{PGDATABASE};host=$ENV{PGHOST};port=$ENV{PGPORT};sslmode=disable;gssencmode=disable";
my $shop = Shop->connect($dsn, $ENV{PGUSER}, $ENV{PGPASSWORD}, { pg_enable_utf8 => 1, on_connect_do => ["SET client_min_messages TO WARNING"] });
die 'no customers' unless grep { /Customer/ } $shop->sources;
my ($name) = grep { /^(Public)?Customers?$/ } $shop->sources;
my $customers = $shop->resultset($name);
$customers->search({ 'me.id' => { '<' => 10 }, 'me.name' => { -ilike => 'person%' } }, { order_by => { -desc => 'me.id' }, rows => 5, prefetch => 'orders' })->all;
my $customer = $customers->create({ email => "dbic-" . int(rand(1 << 30)) . '@example.org', name => 'Ann' });
$customer->discard_changes;
$customer->update({ name => 'Bea' });
$customer->search_related('orders', { state => 'new' })->count;
$shop->txn_do(sub { $shop->svp_begin('a'); $customers->search({ id => 1 }, { for => 'update' })->single; $shop->svp_rollback('a') });
$customers->find_or_create({ email => 'dbic@example.org', name => 'Found' }, { key => 'customers_email_key' });
$customers->search({}, { select => [ 'country', { count => 'id' } ], as => [ 'country', 'n' ], group_by => 'country' })->all;
$customer->delete;
$shop->storage->disconnect;
