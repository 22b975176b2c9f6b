# Ruby on Rails' ActiveRecord. `tour`: everything once; `day SEED COUNT`: as many operations, drawn by the seed.
require 'active_record'
require 'securerandom'
require 'stringio'

ActiveRecord::Base.establish_connection(
  adapter: 'postgresql', host: ENV['PGHOST'], port: ENV['PGPORT'], username: ENV['PGUSER'], password: ENV['PGPASSWORD'],
  database: ENV['PGDATABASE'], sslmode: 'disable', gssencmode: 'disable', pool: 3,
  schema_search_path: 'public, sales', variables: { statement_timeout: '60s', lock_timeout: '10s' }
)
ActiveRecord::Base.default_timezone = :utc

class Customer < ActiveRecord::Base
  has_many :orders
  has_many :items, through: :orders
  validates :email, uniqueness: true
  scope :active, -> { where(active: true) }
end

class Product < ActiveRecord::Base
end

class Order < ActiveRecord::Base
  belongs_to :customer
  has_many :items
  enum state: { new: 'new', paid: 'paid', sent: 'sent', returned: 'returned' }, _prefix: true
end

class Item < ActiveRecord::Base
  self.table_name = 'order_items'
  belongs_to :order, touch: true
  belongs_to :product
end

class Event < ActiveRecord::Base
  self.primary_key = 'id'
end

class Document < ActiveRecord::Base
end

class Target < ActiveRecord::Base
  self.table_name = 'sales.targets'
end

class OrderTotal < ActiveRecord::Base
  self.primary_key = 'customer_id'
end

# A migration of data alone: DDL is rightly held.
class Restock < ActiveRecord::Migration[6.1]
  def up
    execute "UPDATE products SET stock = stock + 1 WHERE sku = 'SKU-2'"
  end

  def down
    execute "UPDATE products SET stock = stock - 1 WHERE sku = 'SKU-2'"
  end
end

def address = "rails-#{SecureRandom.uuid}@example.org"

DAY = {
  add_customer: ->(rng) { Customer.create!(email: address, name: 'Ann Person', tags: %w[a], settings: { theme: 'dark', n: rng.rand(99) }) },
  add_order: lambda { |rng|
    Order.transaction do
      order = Customer.lock.find(rng.rand(1..50)).orders.create!
      Product.where(id: (1..20).to_a.sample(3, random: rng)).each { |p| order.items.create!(product: p, quantity: 2, price: p.price) }
      order.update!(total: order.items.sum('quantity * price'))
    end
  },
  pay: ->(_) { Order.transaction { Order.where(state: 'new').order(:id).lock('FOR UPDATE SKIP LOCKED').first&.state_paid! } },
  browse: lambda { |rng|
    Customer.includes(orders: { items: :product }).where('customers.id < ?', rng.rand(2..30)).order(created_at: :desc).limit(10).each { |c| c.orders.flat_map(&:items) }
    Customer.eager_load(:orders).where(orders: { state: 'new' }).limit(5).to_a
    Customer.joins(:items).group('customers.id').having('count(*) > 0').limit(3).pluck(:id)
    Order.left_joins(:items).distinct.ids
  },
  search: lambda { |rng|
    Customer.active.where('name ILIKE ?', "%person #{rng.rand(9)}%").or(Customer.where(email: 'PERSON1@example.org')).limit(10).offset(2).to_a
    Customer.where("settings ->> 'n' = ? AND settings @> ?", rng.rand(50).to_s, { n: 5 }.to_json).to_a
    Customer.where('? = ANY (tags)', 'seed').exists?
    Customer.where.not(id: [1, 2, 3]).where(created_at: 1.day.ago..).count
    Product.where("search @@ plainto_tsquery('simple', ?)", 'thing').order(Arel.sql("ts_rank(search, plainto_tsquery('simple', 'thing'))")).to_a
  },
  report: lambda { |rng|
    Order.group(:state).count
    Order.group("date_trunc('day', placed_at)").sum(:total)
    Order.average(:total)
    Order.select('*, rank() OVER (PARTITION BY customer_id ORDER BY total DESC) AS place').limit(10).to_a
    OrderTotal.find_by(customer_id: rng.rand(1..50))
    Customer.connection.select_all("WITH t AS (SELECT customer_id, sum(total) AS total FROM orders GROUP BY 1) SELECT * FROM t ORDER BY total DESC LIMIT 5").to_a
  },
  update: lambda { |rng|
    customer = Customer.find(rng.rand(1..50))
    customer.update!(settings: customer.settings.merge('seen' => rng.rand))
    customer.reload.touch
    Product.where(id: rng.rand(1..20)).update_all('stock = stock + 1')
    Product.increment_counter(:stock, rng.rand(1..20))
    customer.with_lock { customer.update_columns(name: customer.name) }
  },
  upsert: lambda { |rng|
    Target.upsert_all([{ region: "rails#{rng.rand(5)}", year: 2024, amount: 1 }], unique_by: %i[region year])
    Target.insert_all([{ region: 'north', year: 2024, amount: 1 }], unique_by: %i[region year])
    Customer.create_or_find_by!(email: "rails-#{rng.rand(5)}@example.org") { |c| c.name = 'Found' } rescue ActiveRecord::RecordInvalid
    Customer.find_or_create_by!(email: "rails-#{rng.rand(5)}@example.org") { |c| c.name = 'Found' }
  },
  bulk: lambda { |_|
    Event.insert_all(Array.new(20) { |n| { kind: 'bulk', payload: { n: n } } }, unique_by: %i[id at])
    Event.where(kind: 'bulk').find_each(batch_size: 50) { |e| e.payload }
    Event.where(kind: 'bulk').in_batches(of: 100) { |batch| batch.update_all(kind: 'batched') }
  },
  remove: lambda { |_|
    Customer.create!(email: address, name: 'Short Lived').destroy!
    Event.where(kind: 'batched').where('at < ?', 1.hour.ago).delete_all
  },
  nested: lambda { |_|
    Event.transaction do
      Event.transaction(requires_new: true) do
        Event.create!(kind: 'gone')
        raise ActiveRecord::Rollback
      end
      Event.create!(kind: 'nested')
    end
  }
}.freeze

ONLY_ONCE = {
  functions: lambda { |_|
    Document.create!(id: SecureRandom.uuid, title: 'né', body: "\0\1".b, during: 1...5)
    Customer.where('similarity(name, ?) > 0.1', 'Persn').to_a
    Order.where('state = ?::order_state', 'new').limit(1).to_a
  },
  serializable: ->(_) { Event.transaction(isolation: :serializable) { Event.count } },
  structure: lambda { |_|
    Customer.connection.execute('SELECT 1')
    Customer.connection.exec_query('SELECT $1::int AS a', 'SQL', [ActiveRecord::Relation::QueryAttribute.new('a', 1, ActiveRecord::Type::Integer.new)])
    Customer.active.explain
    Customer.find_by_sql(['SELECT * FROM customers WHERE id = ?', 1])
  }
}.freeze

def look(connection)
  connection.tables.each do |table|
    connection.columns(table)
    connection.indexes(table)
    connection.foreign_keys(table)
    connection.check_constraints(table)
    connection.primary_keys(table)
    connection.table_comment(table)
    connection.pk_and_sequence_for(table)
    # It leaves capitals unquoted.
    connection.serial_sequence(table, connection.primary_key(table)) if table == table.downcase && connection.primary_keys(table).one?
  end
  %i[views extensions schema_names current_schema current_database encoding collation ctype schema_search_path client_min_messages max_identifier_length database_version].each { |what| connection.public_send(what) }
  connection.data_sources.each { |source| connection.data_source_exists?(source) }
  connection.extension_enabled?('citext')
  connection.index_name_exists?('customers', 'customers_active')
  connection.foreign_table_exists?('customers')
  dump = StringIO.new
  ActiveRecord::SchemaDumper.dump(connection, dump)
  raise 'no dump' unless dump.string.include?('create_table "customers"')
end

def migrate
  migration = ActiveRecord::MigrationProxy.new('Restock', 20_240_202_000_000, nil, nil)
  migration.define_singleton_method(:migration) { @made ||= Restock.new(name, version).tap { |m| m.verbose = false } }
  migrations = ActiveRecord::SchemaMigration
  reader = ActiveRecord::MigrationContext.new([], migrations)
  reader.current_version
  reader.get_all_versions
  reader.migrations_status
  reader.last_stored_environment
  reader.current_environment
  ActiveRecord::InternalMetadata[:environment] = 'test'
  migrations.create_table
  ActiveRecord::InternalMetadata.create_table
  %i[up down].each { |way| ActiveRecord::Migrator.new(way, [migration], migrations, migration.version).run }
  ActiveRecord::Migrator.new(:up, [migration], migrations).migrate
  Customer.connection.execute('DEALLOCATE ALL')
end

mode, seed, count = ARGV
if mode == 'tour'
  ActiveRecord::Base.logger = nil
  look(ActiveRecord::Base.connection)
  migrate
  rng = Random.new(1)
  DAY.merge(ONLY_ONCE).each_value { |operation| operation.call(rng) }
  ActiveRecord::Base.connection.reset!
  ActiveRecord::Base.connection.active?
  ActiveRecord::Base.connection_pool.with_connection { |c| c.get_advisory_lock(7) && c.release_advisory_lock(7) }
  ActiveRecord::Base.clear_active_connections!
end
rng = Random.new(seed.to_i)
names = DAY.keys
count.to_i.times { DAY.fetch(names[rng.rand(names.size)]).call(rng) }
ActiveRecord::Base.remove_connection
