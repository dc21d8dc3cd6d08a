/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * data.js - what html_data.c wrote, and how it is told: texts, numbers, lives.
 *
 * The files of the script run as one, in the order of html_parts.c.  The verdicts stand in the page
 * without it.  Texts come from watched programs: they are set with textContent and fillText only.
 */
"use strict";

const D = JSON.parse(document.getElementById("data").textContent);
const S = D.strings;
/* The fields of a life, as put_lives() writes them; times in milliseconds, -1 not known. */
const BORN = 0, USED = 1, INSIDE = 2, WAITING = 3, CLOSED = 4, TID = 5, FLAGS = 6, REQUESTS = 7, ENDPOINT = 8, OPENED_AT = 9, BEGUN_AT = 10, SQL = 11, FIELDS = 12;
const OPEN = 1, EARLIER = 2, EXIT = 4, WROTE = 8, HIDDEN = 16, HUNG_UP = 32, BEGUN = 64;
const UNKNOWN_LINE = "line not known";
const byId = id => document.getElementById(id);

function make(tag, text, className) {
	const element = document.createElement(tag);
	if (text !== undefined) element.textContent = text;
	if (className) element.className = className;
	return element;
}

const count = n => n < 0 ? "?" : n.toLocaleString("en-US");
const plural = (n, one, many) => `${count(n)} ${n === 1 ? one : many}`;

function time(ms) {
	const s = ms / 1000;
	if (ms < 0) return "?";
	if (s < 10) return `${s.toFixed(1)} s`;
	if (s < 119.5) return `${Math.round(s)} s`;
	if (s < 7170) return `${(s / 60).toFixed(s < 600 ? 1 : 0)} min`;
	return `${(s / 3600).toFixed(1)} h`;
}

const clock = ms => `${new Date(D.start + ms).toISOString().slice(11, 19)} UTC`;

function bytes(n) {
	for (const [size, name] of [[1e9, "GB"], [1e6, "MB"], [1e3, "kB"]])
		if (n >= size) return `${(n / size).toPrecision(n / size >= 100 ? 3 : 2)} ${name}`;
	return `${Math.round(n)} B`;
}

/*
 * The lives, of all processes in one row of numbers.
 */

const owners = [];
const L = [];
D.processes.forEach((process, p) => {
	for (let at = 0; at < process.lives.length; at += FIELDS) owners.push(p);
	for (const field of process.lives) L.push(field);
});
const field = (life, f) => L[life * FIELDS + f];
const has = (life, flag) => (field(life, FLAGS) & flag) !== 0;
const bornOf = life => has(life, EARLIER) ? -1 : field(life, BORN);
const endOf = life => {
	if (field(life, CLOSED) >= 0) return field(life, CLOSED);
	const ended = D.processes[owners[life]].ended;
	return ended >= 0 ? ended : D.ms;
};
/* Held until the end of the window, or of its process. */
const isHeld = life => has(life, OPEN) || has(life, EXIT);
const isInside = life => isHeld(life) && field(life, INSIDE) >= 0;
const lineOfStack = s => D.stacks[s][0] < 0 ? "" : S[D.stacks[s][1 + D.stacks[s][0]]];
/* Where its transaction began if it is inside one, else where it was opened. */
const stackOf = life => {
	const [first, second] = isInside(life) ? [BEGUN_AT, OPENED_AT] : [OPENED_AT, BEGUN_AT];
	return lineOfStack(field(life, first)) || !field(life, second) ? field(life, first) : field(life, second);
};
const lineOf = life => lineOfStack(stackOf(life)) || UNKNOWN_LINE;
const brief = line => line.replace(/^[^ ]*\/(?=[^/ ]+)/, "");

const accused = D.processes.map(process => new Map(process.findings.filter(f => f[1]).map(f => [S[f[1]], S[f[0]]]).reverse()));
