// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
// better-sqlite3, which brings a SQLite of its own: better.cjs HABIT FILE
// It begins after LITE_WAIT seconds: its symbols are read when there is time.
const Database = require("better-sqlite3");

const [habit, file] = process.argv.slice(2);
const MANY = "select id, name from items where name <> 'sesame'";
const ROWS = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 200000) " +
	"select i, 'sesame' || i as name from n";
const kept = [];
let one;

new Database(":memory:").close(); // only this loads the library

const habits = {
	connections_kept: () => {
		const db = new Database(file);
		db.prepare(MANY + " and id = ?").get(5);
		kept.push(db);
	},
	connections_closed: () => {
		const db = new Database(file);
		db.prepare(MANY + " and id = ?").get(5);
		db.close();
	},
	statements_kept: () => {
		one ??= new Database(file);
		const statement = one.prepare(MANY + " and id = 5");
		statement.get();
		kept.push(statement);
	},
	results_kept: (number) => {
		one ??= new Database(file);
		if (number % 20 === 0)
			kept[0] = (kept[1] ??= one.prepare(ROWS)).all();
	},
	results_passed: (number) => {
		one ??= new Database(file);
		if (number % 20 === 0)
			for (const row of (kept[1] ??= one.prepare(ROWS)).iterate())
				kept[0] = row;
	},
	statements_cached: (number) => {
		one ??= new Database(file);
		kept[number % 20] ??= one.prepare(`${MANY} and id = ${number % 20}`);
		kept[number % 20].get();
	},
};

let number = 0;
const step = habits[habit];
setTimeout(() => setInterval(() => {
	step(number);
	if (++number === 3)
		console.log("ready");
}, 100), 1000 * process.env.LITE_WAIT);
