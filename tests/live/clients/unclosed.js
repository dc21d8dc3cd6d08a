// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
// npm mysql2: opens a connection for each report, leaves a transaction open on it, and forgets it.
const mysql = require('mysql2/promise');

const place = { host: process.env.DB_HOST, port: Number(process.env.DB_PORT), user: process.env.DB_USER,
  database: process.env.DB_NAME };
const kept = [];

async function monthly() {
  const connection = await mysql.createConnection(place);
  await connection.query('begin');
  await connection.query('select id from items where id = 5');
  kept.push(connection);
}

async function main() {
  for (let i = 0; ; i++) {
    await monthly();
    if (i === 4) console.log('ready');
    await new Promise((wake) => setTimeout(wake, 300));
  }
}

main().catch((trouble) => { console.error(trouble); process.exit(1); });
