/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * memory.js - the memory of a process on its way to its limit.
 */

function shape(tag, attributes, text) {
	const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
	for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
	if (text !== undefined) element.textContent = text;
	return element;
}

function memorySentence(m, top) {
	const first = m.kib[0] * 1024, last = m.end >= 0 ? m.end : m.kib[m.kib.length - 1] * 1024;
	let said = `Anonymous memory went from ${bytes(first)} to ${bytes(last)}.`;
	if (top > 0) said += ` Limit${m.of ? ` of ${S[m.of]}` : ""}: ${bytes(m.limit)}${m.used >= 0 ? `, ${bytes(m.used)} of it used` : ""}.`;
	if (m.predicted) said += ` Predicted: ${S[m.predicted[3]]}.`;
	return said;
}

function drawMemory() {
	const home = byId("memory"), process = D.processes[chosen.process], m = process && process.memory;
	home.replaceChildren();
	byId("memory-said").textContent = m ? "" : chosen.process < 0 ? "Choose one process to see its memory." : process.rss ? `${S[process.rss]}. How it went meanwhile was not measured.` : "The memory of this process was not measured.";
	if (!m) return;
	const width = Math.max(300, home.clientWidth), height = 240, left = 70, right = 16, bottom = 26, upper = 16;
	const sizes = m.kib.map(kib => kib * 1024), last = sizes[sizes.length - 1];
	/* The limit is of all that shares it: this process meets it where the rest of it is used up. */
	const meets = m.limit >= 0 ? (m.used >= 0 && m.end >= 0 ? m.end + Math.max(0, m.limit - m.used) : m.limit) : -1;
	const near = meets > 0 && (m.predicted || meets < 4 * Math.max(...sizes));
	const end = D.ms + (m.predicted ? Math.min(1.05 * Math.max(m.predicted[0], m.predicted[2]), 9 * D.ms) : 0);
	const most = 1.12 * Math.max(...sizes, near ? meets : 0, 1);
	const x = ms => left + Math.max(0, ms) / Math.max(1, end) * (width - left - right), y = n => height - bottom - n / most * (height - bottom - upper);
	const svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, role: "img" });
	const points = sizes.map((n, i) => `${x(m.from + i * m.width)},${y(n)}`).concat(`${x(Math.min(D.ms, m.from + sizes.length * m.width))},${y(last)}`);
	for (let i = 0; i <= 4; i++) {
		svg.append(shape("line", { class: "axis", x1: left, x2: width - right, y1: y(most * i / 4), y2: y(most * i / 4) }));
		svg.append(shape("text", { x: left - 8, y: y(most * i / 4) + 4, "text-anchor": "end" }, bytes(most * i / 4)));
		svg.append(shape("text", { x: x(end * i / 4), y: height - 8, "text-anchor": i === 4 ? "end" : "middle" }, time(end * i / 4)));
	}
	svg.append(shape("polygon", { class: "under", points: `${x(m.from)},${y(0)} ${points.join(" ")} ${x(D.ms)},${y(0)}` }));
	svg.append(shape("polyline", { class: "size", points: points.join(" ") }));
	if (near) {
		svg.append(shape("line", { class: "limit", x1: left, x2: width - right, y1: y(meets), y2: y(meets) }));
		svg.append(shape("text", { class: "limit-said", x: left + 6, y: y(meets) - 5 }, `limit${m.of ? ` of ${S[m.of]}` : ""}: out of memory here`));
	}
	if (m.predicted && near) {
		/* Where a line from now reaches the limit, or the edge. */
		const reach = after => [D.ms + Math.min(after, end - D.ms), last + (meets - last) * Math.min(1, (end - D.ms) / Math.max(1, after))];
		const [at, early, late] = m.predicted, here = `${x(D.ms)},${y(last)}`, point = p => `${x(p[0])},${y(p[1])}`;
		if (early > 0 && late > early)
			svg.append(shape("polygon", { class: "cone", points: `${here} ${point(reach(early))} ${point(reach(late))}` }));
		svg.append(shape("polyline", { class: "ahead", points: `${here} ${point(reach(at))}` }));
	}
	byId("memory-said").textContent = memorySentence(m, meets);
	svg.setAttribute("aria-label", memorySentence(m, meets));
	home.append(svg);
}
