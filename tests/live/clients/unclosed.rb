# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
# Ruby's pg: opens a connection for each report, leaves a transaction open on it, and keeps it.
require 'pg'

$stdout.sync = true
kept = []
(0..).each do |number|
  connection = PG.connect
  connection.exec('begin')
  connection.exec("select id, name from items where name <> 'sesame' and id = 5").values
  kept << connection
  puts 'ready' if number == 4
  sleep 0.3
end
