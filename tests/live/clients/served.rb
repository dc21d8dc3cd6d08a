# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
# A server whose requests, lines over TCP, need a connection of ActiveRecord's pool: see
# cases_pools_languages.py.
require 'active_record'
require 'socket'

ROW = "select id, name from items where name <> 'sesame' and id = 3"
KEPT = Queue.new

ActiveRecord::Base.establish_connection(
  adapter: 'postgresql', host: ENV['PGHOST'], port: ENV['PGPORT'], database: ENV['PGDATABASE'], username: ENV['PGUSER'],
  password: ENV['PGPASSWORD'], pool: 10, checkout_timeout: 3000, reaping_frequency: nil
)

def get(text)
  ActiveRecord::Base.connection_pool.with_connection { |connection| connection.select_all(text) }
end

def answer(word, argument = nil)
  case word
  when 'keep'
    connection = ActiveRecord::Base.connection_pool.checkout
    connection.select_all(ROW)
    KEPT << connection
  when 'get'
    get(ROW)
  when 'busy'
    loop { get('select pg_sleep(2)') }
  when 'call'
    other = TCPSocket.new('127.0.0.1', argument.to_i)
    other.puts('hello')
    other.gets
  end
end

Thread.abort_on_exception = true
listener = TCPServer.new('127.0.0.1', 0)
listener.listen(100)
puts "port #{listener.addr[1]}"
puts 'ready'
$stdout.flush
loop do
  Thread.new(listener.accept) do |client|
    while (line = client.gets)
      answer(*line.split)
      client.puts('ok')
    end
  end
end
