// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
// A server whose requests, lines over TCP, need a connection of the pool of npm's pg or mysql2
// (by DB_KIND): see cases_pools_languages.py.
const net = require('net');
const readline = require('readline');

const ROW = "select id, name from items where name <> 'sesame' and id = 3";
const kept = [];

function postgresql() {
  const { Pool } = require('pg');
  const pool = new Pool({ max: 10, idleTimeoutMillis: 0 });
  return { sleep: 'select pg_sleep(2)', take: () => pool.connect(), free: (connection) => connection.release(),
    query: (connection, text) => connection.query(text) };
}

function mysql() {
  const env = process.env;
  const pool = require('mysql2').createPool({ connectionLimit: 10, host: env.DB_HOST, port: env.DB_PORT,
    user: env.DB_USER, password: env.DB_PASSWORD, database: env.DB_NAME });
  const promise = (call) => new Promise((done, fail) => {
    call((trouble, value) => (trouble ? fail(trouble) : done(value)));
  });
  return { sleep: 'select sleep(2)', take: () => promise((done) => pool.getConnection(done)),
    free: (connection) => connection.release(),
    query: (connection, text) => promise((done) => connection.query(text, done)) };
}

const pool = process.env.DB_KIND === 'mysql' ? mysql() : postgresql();

async function get(text) {
  const connection = await pool.take();
  await pool.query(connection, text);
  pool.free(connection);
}

async function answer(word, argument) {
  if (word === 'keep') {
    const connection = await pool.take();
    await pool.query(connection, ROW);
    kept.push(connection);
  } else if (word === 'get') {
    await get(ROW);
  } else if (word === 'call') {
    await new Promise((done) => net.connect(argument, '127.0.0.1').on('data', done).write('hello\n'));
  }
  while (word === 'busy') await get(pool.sleep);
  while (word === 'compute');
}

const server = net.createServer((client) => {
  client.on('error', () => {});
  readline.createInterface({ input: client }).on('line', (line) => {
    answer(...line.split(' ')).then(() => client.write('ok\n'))
      .catch((trouble) => { console.error(trouble); process.exit(1); });
  });
});

server.listen(0, '127.0.0.1', () => {
  console.log('port', server.address().port);
  console.log('ready');
});
