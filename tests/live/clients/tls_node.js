// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
// npm pg or mysql2 over TLS: `node tls_node.js pg|mysql2 kept|closed|once`: a connection a second, its
// transaction left open, or committed and closed; or one alone.
const [library, habit] = process.argv.slice(2);
const sql = "select id, name from items where name <> 'sesame' and id = ";
const kept = [];

async function pg() {
  const { Client } = require('pg');
  const client = new Client({ ssl: { rejectUnauthorized: false } });
  await client.connect();
  return { run: (text) => client.query(text), end: () => client.end() };
}

async function mysql2() {
  const connection = require(process.env.MYSQL2 || 'mysql2').createConnection({
    host: process.env.DB_HOST, port: Number(process.env.DB_PORT), user: process.env.DB_USER,
    password: process.env.DB_PASSWORD, database: process.env.DB_NAME, ssl: { rejectUnauthorized: false } });
  return {
    run: (text) => new Promise((done, fail) => connection.query(text, (e, rows) => (e ? fail(e) : done(rows)))),
    end: () => connection.end() };
}

async function main() {
  for (let i = 1; ; i++) {
    const connection = await { pg, mysql2 }[library]();
    await connection.run('begin');
    await connection.run(sql + i);
    if (habit === 'kept') {
      kept.push(connection);
    } else {
      await connection.run('commit');
      connection.end();
    }
    if (i === 2) console.log('ready');
    if (habit === 'once') return;
    await new Promise((wake) => setTimeout(wake, 1000));
  }
}

main().catch((trouble) => { console.error(trouble); process.exit(1); });
