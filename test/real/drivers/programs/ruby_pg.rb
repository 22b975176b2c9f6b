# Ruby's pg as a program of ../program.ts.
require 'pg'
require_relative 'loop'

class Verbs
  def connect(port, user, password, database)
    @conn = PG.connect(host: '127.0.0.1', port: port, user: user, password: password, dbname: database)
    {}
  end

  def query(sql) = rows(@conn.exec(sql))

  def param(sql, value) = rows(@conn.exec_params(sql, [value]))

  def prepared(sql, *values)
    @conn.prepare('by_id', sql)
    { rows: values.map { |value| @conn.exec_prepared('by_id', [value]).values[0] } }
  end

  def begin = query('BEGIN')

  def commit = query('COMMIT')

  def rollback = query('ROLLBACK')

  def copyin(table, column, *lines)
    @conn.copy_data("COPY #{table} (#{column}) FROM STDIN") { lines.each { |line| @conn.put_copy_data("#{line}\n") } }
    {}
  end

  def copyout(table)
    found = []
    @conn.copy_data("COPY #{table} TO STDOUT") do
      while (row = @conn.get_copy_data)
        found << row.chomp.split("\t")
      end
    end
    { rows: found }
  end

  def listen(channel) = query("LISTEN #{channel}")

  def notified
    heard = nil
    @conn.wait_for_notify { |channel, _pid, payload| heard = [channel, payload] }
    { rows: [heard] }
  end

  def cancel(sql)
    Thread.new { $stdin.gets && @conn.cancel }
    query(sql)
  end

  def close
    @conn.close
    {}
  end

  private

  def rows(result) = { rows: result.values }
end

$PROGRAM_NAME = 'ruby_pg.rb' # goes to the server as application_name, else with the folder
serve(PG::VERSION, Verbs.new) do |error|
  fields = error.is_a?(PG::Error) && error.respond_to?(:result) && error.result
  fields && { sqlstate: fields.error_field(PG::PG_DIAG_SQLSTATE), message: fields.error_field(PG::PG_DIAG_MESSAGE_PRIMARY) }
end
