# Ruby's mysql2 as a program of ../program.ts.
require 'mysql2'
require_relative 'loop'

class Verbs
  def connect(port, user, password, database)
    @to = { host: '127.0.0.1', port: port.to_i, username: user, password: password, database: database }
    flags = Mysql2::Client::MULTI_STATEMENTS
    @conn = Mysql2::Client.new(**@to, encoding: 'utf8mb4', local_infile: true, flags: flags, as: :array)
    {}
  end

  def query(sql) = rows(@conn.query(sql))

  def param(sql, value) = prepared(sql, value)

  def prepared(sql, *values)
    statement = @conn.prepare(sql)
    { rows: values.flat_map { |value| rows(statement.execute(value.to_i))[:rows] } }
  ensure
    statement&.close
  end

  def blob(insert, select, data)
    @conn.prepare(insert).execute([data].pack('H*'))
    { rows: [[@conn.query(select).first.first.unpack1('H*')]] }
  end

  def multi(sql)
    found = query(sql)[:rows]
    found += rows(@conn.store_result)[:rows] while @conn.next_result
    { rows: found }
  end

  def begin = query('BEGIN')

  def commit = query('COMMIT')

  def rollback = query('ROLLBACK')

  def autocommit(on) = query("SET autocommit = #{on}")

  def cancel(sql)
    Thread.new do
      $stdin.gets
      Mysql2::Client.new(**@to).query("KILL QUERY #{@conn.thread_id}")
    end
    query(sql)
  end

  def close
    @conn.close
    {}
  end

  private

  def rows(result) = { rows: result.to_a.map { |row| row.map { |value| text(value) } } }

  def text(value)
    case value
    when Time then value.strftime('%F %T.%6N')
    when BigDecimal then value.to_s('F')
    else value&.to_s
    end
  end
end

serve(Mysql2::VERSION, Verbs.new) do |error|
  error.is_a?(Mysql2::Error) && error.sql_state && { sqlstate: error.sql_state, errno: error.error_number, message: error.message }
end
