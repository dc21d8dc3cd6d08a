/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * timeline.js - what is chosen, and the canvas of lives: one row each, drawn as far as it is seen.
 */

const chosen = { process: -1, line: null, from: 0, to: D.ms, row: -1, rows: [], first: 0, allSql: false };
const ROW = 16, AXIS = 22, HEIGHT_MOST = 414;

function livesOfProcess() {
	const all = [];
	for (let life = 0; life < owners.length; life++)
		if (chosen.process < 0 || owners[life] === chosen.process) all.push(life);
	return all;
}

function chooseRows() {
	const show = byId("show").value, order = byId("order").value;
	chosen.rows = livesOfProcess().filter(life => (show === "all" || (show === "open" ? isHeld(life) : isInside(life))) &&
		(chosen.line === null || lineOf(life) === chosen.line));
	if (order === "held")
		chosen.rows.sort((a, b) => isHeld(b) - isHeld(a) || (endOf(b) - field(b, BORN)) - (endOf(a) - field(a, BORN)) || a - b);
	else if (order === "line")
		chosen.rows.sort((a, b) => lineOf(a).localeCompare(lineOf(b)) || a - b);
	else
		chosen.rows.sort((a, b) => bornOf(a) - bornOf(b) || a - b);
	chosen.row = -1;
	chosen.first = 0;
	byId("unfilter").hidden = chosen.line === null;
	byId("life").textContent = "";
	byId("stack").hidden = true;
}

/*
 * The timeline.
 */

let colours = {};
function readColours() {
	const style = getComputedStyle(document.documentElement);
	for (const name of ["paper", "ink", "soft", "line", "red", "used", "idle", "inside", "waiting", "veil", "link"])
		colours[name] = style.getPropertyValue(`--${name}`).trim();
}

function canvasOf(canvas, width, height) {
	const scale = window.devicePixelRatio || 1;
	canvas.width = Math.max(1, Math.round(width * scale));
	canvas.height = Math.max(1, Math.round(height * scale));
	const c = canvas.getContext("2d");
	c.scale(scale, scale);
	return c;
}

/* Each state has its own height and pattern: no colour is needed to tell them apart. */
const pieces = {
	used(c, x, y, w) { c.fillStyle = colours.used; c.fillRect(x, y + 2, w, ROW - 5); },
	idle(c, x, y, w) { c.fillStyle = colours.idle; c.fillRect(x, y + 6, w, 2); },
	inside(c, x, y, w) {
		c.strokeStyle = colours.inside;
		c.lineWidth = 1;
		c.strokeRect(x + .5, y + 3.5, Math.max(1, w - 1), ROW - 8);
		c.beginPath();
		for (let at = x + 5; at < x + w; at += 6) { c.moveTo(at - 3, y + ROW - 5); c.lineTo(at, y + 4); }
		c.stroke();
	},
	waiting(c, x, y, w) {
		c.fillStyle = colours.waiting;
		for (let at = x; at < x + w; at += 4) c.fillRect(at, y + 4, Math.min(2, x + w - at), ROW - 9);
	},
	closed(c, x, y) { c.fillStyle = colours.ink; c.fillRect(x - 1, y + 2, 2, ROW - 5); },
	exit(c, x, y) {
		c.strokeStyle = colours.red;
		c.lineWidth = 1.5;
		c.beginPath();
		c.moveTo(x - 4, y + 3); c.lineTo(x + 3, y + 10); c.moveTo(x + 3, y + 3); c.lineTo(x - 4, y + 10);
		c.stroke();
	},
	open(c, x, y) {
		c.fillStyle = colours.inside;
		c.beginPath();
		c.moveTo(x, y + 2); c.lineTo(x + 6, y + 6.5); c.lineTo(x, y + 11);
		c.fill();
	},
};

const view = { left: 0, width: 1, c: null, height: 0 };
const xOf = ms => view.left + Math.min(1, Math.max(0, ms / Math.max(1, D.ms))) * view.width;

function drawLife(life, y) {
	const c = view.c, end = endOf(life), born = field(life, BORN), used = Math.max(field(life, USED), born);
	const inside = field(life, INSIDE), waiting = field(life, WAITING);
	const span = (kind, from, to) => pieces[kind](c, xOf(from), y, Math.max(1.5, xOf(to) - xOf(from)));
	span("used", born, Math.min(used, end));
	if (waiting >= 0) span("waiting", Math.min(waiting, end), end);
	else if (inside >= 0 && end > used) span("inside", used, end);
	else if (end > used) span("idle", used, end);
	pieces[has(life, EXIT) ? "exit" : has(life, OPEN) ? "open" : "closed"](c, xOf(end), y);
}

function niceStep(span) {
	for (const step of [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400])
		if (span / (step * 1000) <= 9) return step * 1000;
	return Math.ceil(span / 9 / 86400000) * 86400000;
}

function drawAxis() {
	const c = view.c, step = D.ms < 9000 ? D.ms / 4 || 1 : niceStep(D.ms);
	c.fillStyle = colours.paper;
	c.fillRect(0, 0, view.left + view.width + 20, AXIS);
	c.font = "11px system-ui, sans-serif";
	c.textAlign = "center";
	for (let at = 0; at <= D.ms; at += step) {
		c.fillStyle = colours.line;
		c.fillRect(xOf(at), AXIS - 4, 1, view.height);
		c.fillStyle = colours.soft;
		if (xOf(at) < view.left + view.width - 20 || at === D.ms) c.fillText(time(at), Math.max(view.left + 14, xOf(at)), 13);
	}
	c.textAlign = "left";
}

function drawWindow() {
	const c = view.c, from = xOf(chosen.from), to = xOf(chosen.to);
	c.fillStyle = colours.veil;
	c.fillRect(view.left, AXIS, from - view.left, view.height);
	c.fillRect(to, AXIS, view.left + view.width - to + 8, view.height);
	c.fillStyle = colours.link;
	for (const x of [from, to]) {
		c.fillRect(x - .5, 16, 1.5, view.height);
		c.beginPath();
		c.moveTo(x - 5, 15); c.lineTo(x + 5, 15); c.lineTo(x, 21);
		c.fill();
	}
}

/* The end of the process, if one is chosen. */
function drawEnd() {
	const c = view.c, ended = chosen.process < 0 ? -1 : D.processes[chosen.process].ended;
	if (ended < 0) return;
	c.fillStyle = colours.red;
	for (let y = AXIS - 6; y < view.height; y += 6) c.fillRect(xOf(ended), y, 1.5, 3);
	c.font = "11px system-ui, sans-serif";
	c.textAlign = "right";
	const said = "process ended", wide = c.measureText(said).width;
	c.fillStyle = colours.paper;
	c.fillRect(xOf(ended) - wide - 10, 0, wide + 16, AXIS - 5);
	c.fillStyle = colours.red;
	c.fillText(said, xOf(ended) + 2, 13);
	c.textAlign = "left";
}

function drawTimeline() {
	const box = byId("rows"), width = box.clientWidth, total = chosen.rows.length * ROW;
	view.height = Math.min(HEIGHT_MOST, AXIS + Math.max(total, ROW) + 6);
	byId("rows-room").style.height = `${Math.max(0, total + AXIS + 6 - view.height)}px`;
	const canvas = byId("timeline");
	canvas.style.height = `${view.height}px`;
	view.c = canvasOf(canvas, width, view.height);
	view.left = width > 700 ? Math.min(260, width * .26) : 6;
	view.width = Math.max(10, width - view.left - 12);
	const c = view.c;
	c.clearRect(0, 0, width, view.height);
	drawAxis();
	c.save();
	c.beginPath();
	c.rect(0, AXIS, width, view.height);
	c.clip();
	const top = box.scrollTop, first = Math.floor(top / ROW);
	c.font = "11px ui-monospace, monospace";
	for (let row = first; row < chosen.rows.length; row++) {
		const y = AXIS + row * ROW - top, life = chosen.rows[row];
		if (y > view.height) break;
		if (row === chosen.row) {
			c.fillStyle = colours.line;
			c.fillRect(0, y, width, ROW);
		}
		if (view.left > 100) {
			const line = lineOf(life);
			c.fillStyle = accused[owners[life]].has(line) ? colours.red : colours.soft;
			c.save();
			c.beginPath();
			c.rect(0, y, view.left - 8, ROW);
			c.clip();
			c.fillText(brief(line), 6, y + 11);
			c.restore();
		}
		drawLife(life, y);
		if (row === chosen.row) {
			c.strokeStyle = colours.link;
			c.lineWidth = 2;
			c.strokeRect(1, y + 1, width - 2, ROW - 2);
		}
	}
	c.restore();
	drawEnd();
	drawWindow();
}

let asked = false;
function redraw() {
	if (asked) return;
	asked = true;
	requestAnimationFrame(() => { asked = false; drawTimeline(); });
}

function sentence(life) {
	const parts = [has(life, EARLIER) ? "open since before the watch" : `opened at ${time(field(life, BORN))}`];
	parts[0] += ` at ${lineOf(life)}`;
	if (field(life, USED) >= 0) parts.push(`last used at ${time(field(life, USED))}`);
	if (field(life, INSIDE) >= 0) parts.push(`in a transaction ${has(life, BEGUN) ? "whose begin was not seen" : `since ${time(field(life, INSIDE))}`}${has(life, WROTE) ? ", which changed rows" : ""}`);
	if (field(life, WAITING) >= 0) parts.push(`waits for an answer since ${time(field(life, WAITING))}`);
	if (has(life, HUNG_UP)) parts.push("the server has closed its end");
	parts.push(has(life, EXIT) ? `held until its process ended at ${time(endOf(life))}` : has(life, OPEN) ? `never closed, for ${time(endOf(life) - field(life, BORN))}` : `closed at ${time(endOf(life))}`);
	parts.push(plural(field(life, REQUESTS), "request", "requests"));
	if (has(life, HIDDEN)) parts.push("encrypted: its state is not visible");
	if (field(life, SQL)) parts.push(`last SQL: ${S[field(life, SQL)]}`);
	return parts.join("; ");
}

function chooseRow(row) {
	if (!chosen.rows.length) return;
	chosen.row = Math.min(chosen.rows.length - 1, Math.max(0, row));
	const box = byId("rows"), y = chosen.row * ROW, room = view.height - AXIS - 6;
	if (y < box.scrollTop) box.scrollTop = y;
	else if (y + ROW > box.scrollTop + room) box.scrollTop = y + ROW - room;
	byId("life").textContent = `Connection ${count(chosen.row + 1)} of ${count(chosen.rows.length)}: ${sentence(chosen.rows[chosen.row])}.`;
	byId("stack").hidden = true;
	redraw();
}

function showStack() {
	if (chosen.row < 0) return;
	const list = byId("stack"), stack = D.stacks[stackOf(chosen.rows[chosen.row])];
	list.replaceChildren();
	stack.slice(1).forEach((frame, i) => list.append(make("li", S[frame] || "?", i === stack[0] ? "own" : "")));
	if (stack.length === 1) list.append(make("li", "no stack was recorded"));
	list.hidden = false;
}

function rowsKey(event) {
	const page = Math.max(1, Math.floor((view.height - AXIS) / ROW) - 1);
	const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
	if (event.key === "Enter") showStack();
	else if (event.key in steps) chooseRow(Math.max(-1, Math.min(chosen.rows.length, chosen.row + steps[event.key])));
	else return;
	event.preventDefault();
}

function rowsClick(event) {
	const y = event.clientY - byId("timeline").getBoundingClientRect().top - AXIS;
	const row = Math.floor((y + byId("rows").scrollTop) / ROW);
	if (y < 0 || row >= chosen.rows.length) return;
	chooseRow(row);
	showStack();
}
