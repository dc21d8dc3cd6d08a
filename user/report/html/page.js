/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * page.js - puts all together: what is shown first, and what answers to whom.
 */

function drawRows() {
	drawLives();
	drawTimeline();
}

function drawAll() {
	chooseRows();
	drawWindowTable();
	drawRows();
	buildIcicle();
	drawIcicle(false);
	drawMemory();
	drawSql();
	drawSlots();
}

function chooseProcess(p) {
	chosen.process = p;
	chosen.line = null;
	byId("process").value = String(p);
	byId("rows").scrollTop = 0;
	chooseKind();
	drawAll();
}

function drawSwatches() {
	for (const canvas of document.querySelectorAll("[data-swatch]")) {
		const c = canvasOf(canvas, 44, 14), kind = canvas.dataset.swatch;
		pieces[kind](c, ["closed", "exit", "open"].includes(kind) ? 22 : 2, 0, 40);
	}
}

const dark = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (document.documentElement.dataset.theme || (dark.matches ? "dark" : "light")) === "dark";
function recolour() {
	byId("theme").textContent = isDark() ? "Light" : "Dark";
	byId("theme").setAttribute("aria-label", isDark() ? "Use light colours" : "Use dark colours");
	readColours();
	drawSwatches();
	if (chosen.rows.length || view.c) drawTimeline();
}

function listProcesses() {
	const select = byId("process"), option = (value, text) => { const o = make("option", text); o.value = value; select.append(o); };
	const n = p => D.processes[p].lives.length / FIELDS;
	if (D.processes.length !== 1) option("-1", `all processes, ${plural(owners.length, "connection", "connections")}`);
	D.processes.forEach((process, p) => option(String(p), `${S[process.title]} (${process.verdict}, ${plural(n(p), "connection", "connections")})`));
	const worst = D.processes.map((process, p) => [process.guilty, p]).filter(([rank]) => rank >= 0).sort((a, b) => a[0] - b[0]);
	return worst.length ? worst[0][1] : D.processes.length === 1 ? 0 : -1;
}

function linkFindings() {
	D.processes.forEach((process, p) => {
		const article = process.guilty >= 0 ? byId(`p${process.guilty}`) : null;
		if (!article) return;
		const button = make("button", "Show its connections, stacks and memory"), more = make("p", undefined, "more");
		button.type = "button";
		button.addEventListener("click", () => { chooseProcess(p); byId("connections").scrollIntoView(); byId("connections").focus({ preventScroll: true }); });
		more.append(button);
		article.append(more);
	});
}

function listKinds() {
	const select = byId("kind"), present = KINDS.map((_, kind) => (D.held || []).some(row => row[2 + kind] > 0));
	KINDS.forEach((name, kind) => { if (present[kind]) { const o = make("option", name); o.value = String(kind); select.append(o); } });
	if (!select.options.length) { const o = make("option", KINDS[0]); o.value = "0"; select.append(o); }
}

/* The kind of the worst finding most likely tells the story, if any of it is held here. */
function chooseKind() {
	const rows = heldRows(), worst = D.processes[chosen.process] ? D.processes[chosen.process].findings.map(f => f[2]) : [];
	const kind = worst.concat([0, 1, 2, 3]).find(k => rows.some(row => row[2 + k] > 0));
	if (kind !== undefined) byId("kind").value = String(kind);
}

function sayLeft() {
	const parts = [];
	if (D.left) parts.push(`${plural(D.left, "connection is", "connections are")} counted above and not drawn: closed ones, or shorter than those that are`);
	if (D.processes_left) parts.push(`${plural(D.processes_left, "process is", "processes are")} not listed`);
	if (D.held_left) parts.push(`${plural(D.held_left, "call stack is", "call stacks are")} not among those of what is held`);
	if (D.texts_left) parts.push(`${plural(D.texts_left, "text did", "texts did")} not fit and ${D.texts_left === 1 ? "is" : "are"} left out`);
	byId("left").textContent = parts.length ? `${parts.join("; ")}.` : "";
}

function listen() {
	byId("process").addEventListener("change", () => chooseProcess(+byId("process").value));
	for (const id of ["order", "show"]) byId(id).addEventListener("change", () => { chooseRows(); drawRows(); });
	byId("unfilter").addEventListener("click", () => { chosen.line = null; chooseRows(); drawRows(); byId("rows").focus(); });
	for (const id of ["from", "to"]) byId(id).addEventListener("input", event => slide(event.target));
	byId("rows").addEventListener("scroll", redraw);
	byId("rows").addEventListener("keydown", rowsKey);
	byId("timeline").addEventListener("click", rowsClick);
	byId("sql-all").addEventListener("click", () => { chosen.allSql = true; drawSql(); });
	byId("lives-details").addEventListener("toggle", drawLives);
	byId("lives-before").addEventListener("click", () => turnPage(-1));
	byId("lives-next").addEventListener("click", () => turnPage(1));
	byId("kind").addEventListener("change", () => { buildIcicle(); drawIcicle(false); });
	byId("search").addEventListener("input", search);
	byId("back").addEventListener("click", zoomOut);
	byId("icicle").addEventListener("click", event => { if (icicle.nodes.has(event.target)) zoom(icicle.nodes.get(event.target)); });
	byId("icicle").addEventListener("keydown", icicleKey);
	byId("theme").addEventListener("click", () => { document.documentElement.dataset.theme = isDark() ? "light" : "dark"; recolour(); });
	dark.addEventListener("change", recolour);
	window.addEventListener("resize", () => { redraw(); drawMemory(); });
}

byId("views").hidden = false;
document.querySelector("header").append(byId("theme"));
listKinds();
sayLeft();
recolour();
listen();
sayWindow();
linkFindings();
chooseProcess(listProcesses());
document.documentElement.dataset.drawn = String(Math.round(performance.now()));
