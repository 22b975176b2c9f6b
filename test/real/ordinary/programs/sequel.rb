# Sequel: what it reads of a schema, and ordinary statements.
require 'sequel'
Sequel.extension :pg_array_ops, :pg_json_ops

DB = Sequel.connect(adapter: 'postgres', host: ENV['PGHOST'], port: ENV['PGPORT'], user: ENV['PGUSER'], password: ENV['PGPASSWORD'],
                    database: ENV['PGDATABASE'], sslmode: 'disable', driver_options: { gssencmode: 'disable' }, test: true)
%i[pg_array pg_json pg_range pg_enum pg_row connection_validator].each { |name| DB.extension(name) }
DB.pool.connection_validation_timeout = -1

DB.tables
DB.views
DB.views(materialized: true)
DB.server_version
DB.tables.each do |table|
  DB.schema(table)
  DB.indexes(table)
  DB.foreign_key_list(table)
  DB.primary_key(table)
  DB.primary_key_sequence(table)
  DB.check_constraints(table)
  DB.table_exists?(table)
end
DB.register_row_type(:address)

class Customer < Sequel::Model(:customers)
  one_to_many :orders
end

class Order < Sequel::Model(:orders)
  many_to_one :customer
end

Customer.eager(:orders).where { id < 10 }.order(Sequel.desc(:created_at)).limit(5).all
Customer.association_join(:orders).select_group(:name).select_append { count(Sequel.function(:coalesce, 1)).as(:n) }.all
customer = Customer.create(email: "sequel-#{rand(1 << 40)}@example.org", name: 'Ann', tags: Sequel.pg_array(['a'], :text), settings: Sequel.pg_jsonb('a' => 1))
customer.update(name: 'Bea')
customer.add_order(state: 'new')
Customer.where(Sequel.pg_array_op(:tags).contains(['a'])).first
Customer.where(Sequel.pg_jsonb_op(:settings).contains('a' => 1)).count
DB[:orders].with(:recent, DB[:orders].where { placed_at > Sequel::CURRENT_TIMESTAMP }).from(:recent).all
DB.transaction(isolation: :serializable, retry_on: Sequel::SerializationFailure) do
  DB.transaction(savepoint: true) { DB[:events].insert(kind: 'sequel') }
  DB[:products].where(id: 1).for_update.first
end
DB[Sequel[:sales][:targets]].insert_conflict(target: %i[region year], update: { amount: 2 }).insert(region: 'sequel', year: 2024, amount: 1)
DB[:events].import([:kind], [['a'], ['b']])
DB[:events].returning(:id).insert(kind: 'returning')
DB[:customers].use_cursor(rows_per_fetch: 10).each { |row| row[:id] }
DB[:customers].where(id: :$id).prepare(:first, :by_id).call(id: 1)
DB[:customers].paged_each(rows_per_fetch: 20) { |row| row }
DB[:events].explain
DB.get(Sequel.function(:nextval, 'invoice_numbers'))
customer.destroy
DB.disconnect
