// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
// npm mysql2: execute() on one connection. `node mysql2_execute.js distinct|same`: the value is
// pasted into the text (each text is prepared and kept), or bound to one text.
const mysql = require(process.env.MYSQL2 || 'mysql2');

const distinct = process.argv[2] === 'distinct';
const place = process.env.DB_SOCKET ? { socketPath: process.env.DB_SOCKET }
  : { host: process.env.DB_HOST, port: Number(process.env.DB_PORT) };
const connection = mysql.createConnection({ ...place, user: process.env.DB_USER,
  password: process.env.DB_PASSWORD, database: process.env.DB_NAME,
  ...(process.env.DB_TLS ? { ssl: { rejectUnauthorized: false } } : {}) });

function next(i) {
  const done = (trouble) => {
    if (trouble) { console.error(trouble); process.exit(1); }
    if (i === 20) console.log('ready');
    setTimeout(() => next(i + 1), 10);
  };
  if (distinct) connection.execute('select ' + i, done);
  else connection.execute('select ? + 0', [i], done);
}

next(0);
