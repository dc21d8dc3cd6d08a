// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
// npm pg: `node kept.js leak|well` begins a transaction on a connection of a pool for each report,
// and forgets it or ends it and gives the connection back.
const { Pool } = require('pg');

const pool = new Pool({ max: 50 });
const leak = process.argv[2] === 'leak';

class Report {
  async monthly() {
    const client = await pool.connect();
    await client.query('begin');
    await client.query('select id from items where id = $1', [5]);
    if (leak) return;
    await client.query('commit');
    client.release();
  }
}

async function main() {
  for (let i = 0; ; i++) {
    await new Report().monthly();
    if (i === 5) console.log('ready');
    await new Promise((wake) => setTimeout(wake, 250));
  }
}

main().catch((trouble) => { console.error(trouble); process.exit(1); });
