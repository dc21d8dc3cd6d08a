/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * tables.js - the window of time and its lines, the lives as a table, SQL, server slots.
 */

/*
 * The window: opened in it, and not closed by its end.
 */

function leftOpen() {
	const lines = new Map();
	let all = 0, earlier = 0;
	for (const life of livesOfProcess()) {
		const born = bornOf(life);
		const begun = born >= chosen.from || (born < 0 && chosen.from === 0);
		/* The end of a process closes all, and is no merit of the program. */
		const closed = !isHeld(life) && endOf(life) <= chosen.to;
		if (!begun || born > chosen.to || closed) continue;
		const line = lineOf(life), at = lines.get(line) || { line, open: 0, inside: 0, oldest: Infinity, process: owners[life], accused: null };
		at.open++;
		at.inside += isInside(life) && field(life, INSIDE) <= chosen.to;
		at.oldest = Math.min(at.oldest, field(life, BORN));
		at.accused = at.accused || accused[owners[life]].get(line) || null;
		lines.set(line, at);
		all++;
		earlier += born < 0;
	}
	return { all, earlier, lines: [...lines.values()].sort((a, b) => b.open - a.open || a.line.localeCompare(b.line)) };
}

const LINES_MOST = 50, TEXTS_BRIEF = 12;
function drawWindowTable() {
	const found = leftOpen(), body = byId("sites").tBodies[0];
	byId("window-said").textContent = `${plural(found.all, "connection was", "connections were")} opened between ${time(chosen.from)} and ${time(chosen.to)} and not closed by then${found.lines.length > 1 ? `, at ${count(found.lines.length)} lines` : ""}${found.earlier ? `; ${count(found.earlier)} of them before the watch` : ""}.`;
	byId("sites").hidden = !found.all;
	body.replaceChildren(...found.lines.slice(0, LINES_MOST).map(at => {
		const row = make("tr"), name = make("td"), button = make("button", at.line, "name"), share = make("span", "", "share"), cell = make("td");
		button.type = "button";
		button.title = "show only these on the timeline";
		button.addEventListener("click", () => { chosen.line = at.line; chooseRows(); drawRows(); byId("rows").focus(); });
		name.append(button);
		if (at.accused) name.append(" ", make("span", `\u25c0 accused: ${at.accused}`, "accused"));
		share.style.width = `${100 * at.open / found.all}%`;
		cell.append(share);
		row.append(name, make("td", count(at.open), "number"), make("td", count(at.inside), "number"), make("td", time(chosen.to - at.oldest), "number"), cell);
		return row;
	}));
}

function sayWindow() {
	for (const [id, ms] of [["from", chosen.from], ["to", chosen.to]]) {
		byId(id).setAttribute("aria-valuetext", `${time(ms)}, ${clock(ms)}`);
		byId(`${id}-said`).textContent = `${time(ms)}, ${clock(ms)}`;
	}
}

function slide(moved) {
	const from = byId("from"), to = byId("to");
	if (+from.value > +to.value) (moved === from ? to : from).value = moved.value;
	chosen.from = from.value / 1000 * D.ms;
	chosen.to = to.value / 1000 * D.ms;
	sayWindow();
	drawWindowTable();
	redraw();
}

/*
 * The same as a table.
 */

const PAGE_ROWS = 50;
function drawLives() {
	if (!byId("lives-details").open) return;
	const last = Math.min(chosen.rows.length, chosen.first + PAGE_ROWS);
	byId("lives-said").textContent = chosen.rows.length ? `${count(chosen.first + 1)} to ${count(last)} of ${count(chosen.rows.length)}` : "none";
	byId("lives-before").disabled = !chosen.first;
	byId("lives-next").disabled = last === chosen.rows.length;
	byId("lives").tBodies[0].replaceChildren(...chosen.rows.slice(chosen.first, last).map(life => {
		const row = make("tr");
		row.append(make("td", has(life, EARLIER) ? "before the watch" : time(field(life, BORN))), make("td", lineOf(life)),
			make("td", time(field(life, USED))), make("td", field(life, INSIDE) < 0 ? "no" : has(life, BEGUN) ? "?" : time(field(life, INSIDE))),
			make("td", has(life, OPEN) ? "never" : `${time(endOf(life))}${has(life, EXIT) ? ", by the end of its process" : ""}`),
			make("td", count(field(life, REQUESTS)), "number"), make("td", field(life, TID) || "?", "number"));
		return row;
	}));
}

function turnPage(by) {
	chosen.first = Math.max(0, chosen.first + by * PAGE_ROWS);
	drawLives();
}

/*
 * SQL and server slots.
 */

const NO_COUNTS = [0, 0, 0];
const processesChosen = () => D.processes.filter((_, p) => chosen.process < 0 || p === chosen.process);
function drawSql() {
	const texts = new Map();
	for (const life of livesOfProcess()) {
		const sql = field(life, SQL);
		if (!sql) continue;
		const at = texts.get(sql) || [0, 0, 0];
		at[0]++;
		at[1] += isHeld(life);
		at[2] += isInside(life);
		texts.set(sql, at);
	}
	const counted = texts.size;
	for (const process of processesChosen()) for (const finding of process.findings) if (finding[3] && !texts.has(finding[3])) texts.set(finding[3], NO_COUNTS);
	byId("sql").hidden = !texts.size;
	byId("sql-said").textContent = !texts.size ? "No SQL was seen." : "The last statement of each connection, without its values." + (texts.size > counted ? " Those without numbers are what a finding is about." : "");
	byId("sql-all").hidden = chosen.allSql || texts.size <= TEXTS_BRIEF;
	byId("sql-all").textContent = `Show all ${count(texts.size)} statements`;
	byId("sql").tBodies[0].replaceChildren(...[...texts].sort((a, b) => b[1][1] - a[1][1] || b[1][0] - a[1][0]).slice(0, chosen.allSql ? undefined : TEXTS_BRIEF).map(([sql, at]) => {
		const row = make("tr");
		row.append(make("td", S[sql]), ...at.map(n => make("td", at === NO_COUNTS ? "" : count(n), "number")));
		return row;
	}));
}

const STATES = ["?", "idle", "in a transaction", "in a failed transaction"];
function drawSlots() {
	const which = processesChosen();
	byId("slots").tBodies[0].replaceChildren(...which.flatMap(process => process.endpoints.map(e => [process, e])).slice(0, 100).map(([process, e]) => {
		const row = make("tr");
		row.append(make("td", which.length > 1 ? `${S[e[0]]}, ${S[process.title]}` : S[e[0]]), ...e.slice(1).map(n => make("td", count(n), "number")));
		return row;
	}));
	const sessions = which.flatMap(process => process.sessions).slice(0, 100);
	byId("sessions").hidden = !sessions.length;
	byId("sessions").tBodies[0].replaceChildren(...sessions.map(s => {
		const row = make("tr");
		row.append(make("td", s[0] < 0 ? "?" : String(s[0]), "number"), make("td", `${STATES[s[2]] || "?"}${s[3] ? ", busy" : ""}`), make("td", time(s[5]), "number"),
			make("td", s[4] < 0 ? "none" : time(s[4]), "number"), make("td", S[s[6]] || "?"), make("td", S[s[7]]));
		return row;
	}));
}
