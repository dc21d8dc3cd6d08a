// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
// npm pg: named queries on one connection. `node pg_named.js distinct|same`: a name for each
// query (the server keeps them all), or one name for all.
const { Client } = require('pg');

const distinct = process.argv[2] === 'distinct';
const client = new Client();

async function main() {
  await client.connect();
  for (let i = 0; ; i++) {
    await client.query({ name: distinct ? 'q' + i : 'q', text: 'select id from items where id = $1', values: [i] });
    if (i === 20) console.log('ready');
    await new Promise((wake) => setTimeout(wake, 20));
  }
}

main().catch((trouble) => { console.error(trouble); process.exit(1); });
