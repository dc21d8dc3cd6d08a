/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * icicle.js - what is held, by call stack: search and zoom.
 */

const icicle = { root: null, zoom: null, nodes: new Map() };
const BOX = 22, BOXES_MOST = 2500, KINDS = ["connections", "transactions", "statements", "bytes"];
const amount = n => byId("kind").value === "3" ? bytes(n) : count(n);

/* Held objects: [process, stack, a count for each kind]. */
function heldRows() {
	const rows = D.held || [];
	return rows.filter(row => chosen.process < 0 || row[0] === chosen.process);
}

function grow(parent, name, own) {
	let node = parent.kids.get(name);
	if (!node) {
		node = { name, own: false, total: 0, kids: new Map(), parent };
		parent.kids.set(name, node);
	}
	node.own = node.own || own;
	return node;
}

function buildIcicle() {
	const kind = +byId("kind").value, root = { name: "all", total: 0, kids: new Map(), parent: null };
	for (const row of heldRows()) {
		const n = row[2 + kind], stack = D.stacks[row[1]];
		if (n <= 0) continue;
		let node = root;
		root.total += n;
		if (chosen.process < 0) (node = grow(node, S[D.processes[row[0]].title], false)).total += n;
		if (stack.length === 1) grow(node, "stack not known", false).total += n;
		for (let at = stack.length - 1; at > 0; at--)
			(node = grow(node, S[stack[at]] || "?", at - 1 === stack[0])).total += n;
	}
	icicle.root = icicle.zoom = root;
}

function boxFor(node, x, width, depth, above) {
	const box = make("button", node.name === "all" ? "all" : brief(node.name));
	const share = icicle.root.total ? Math.round(100 * node.total / icicle.root.total) : 0;
	const full = `${node.name}: ${amount(node.total)} of ${amount(icicle.root.total)} (${share} %)`;
	box.type = "button";
	box.tabIndex = -1;
	box.title = full;
	box.setAttribute("role", "treeitem");
	box.setAttribute("aria-label", full);
	box.setAttribute("aria-level", depth + 1);
	box.style.left = `${x * 100}%`;
	box.style.width = `${width * 100}%`;
	box.style.top = `${depth * BOX}px`;
	box.classList.toggle("own", node.own === true);
	box.classList.toggle("above", above);
	box.classList.toggle("thin", width < .02);
	icicle.nodes.set(box, node);
	node.box = box;
	return box;
}

function drawIcicle(focus) {
	const home = byId("icicle"), boxes = [], path = [];
	let deepest = 0;
	icicle.nodes = new Map();
	for (let node = icicle.zoom; node; node = node.parent) path.unshift(node);
	const draw = (node, x, width, depth) => {
		if (width < .0012 || boxes.length >= BOXES_MOST) return;
		deepest = Math.max(deepest, depth);
		boxes.push(boxFor(node, x, width, depth, false));
		for (const kid of [...node.kids.values()].sort((a, b) => b.total - a.total || a.name.localeCompare(b.name))) {
			const part = width * kid.total / node.total;
			draw(kid, x, part, depth + 1);
			x += part;
		}
	};
	path.slice(0, -1).forEach((node, depth) => boxes.push(boxFor(node, 0, 1, depth, true)));
	if (icicle.root.total) draw(icicle.zoom, 0, 1, path.length - 1);
	home.replaceChildren(...boxes);
	home.style.height = `${icicle.root.total ? (deepest + 1) * BOX : 0}px`;
	byId("back").disabled = !icicle.zoom.parent;
	if (boxes.length) (icicle.zoom.box || boxes[0]).tabIndex = 0;
	if (focus && icicle.zoom.box) icicle.zoom.box.focus();
	search();
}

function search() {
	const words = byId("search").value.toLowerCase(), hit = node => words && node.parent && node.name.toLowerCase().includes(words);
	let sum = 0, boxes = 0;
	const walk = (node, inside) => {
		const is = hit(node);
		if (is) boxes++;
		if (is && !inside) sum += node.total;
		for (const kid of node.kids.values()) walk(kid, inside || is);
	};
	walk(icicle.root, false);
	for (const [box, node] of icicle.nodes) box.classList.toggle("found", !!hit(node));
	const total = icicle.root.total, kind = KINDS[+byId("kind").value] || "";
	byId("found").textContent = !total ? "Nothing is held here." : words
		? `\u201c${byId("search").value}\u201d: ${amount(sum)} of ${amount(total)} ${kind} (${Math.round(100 * sum / total)} %) in ${plural(boxes, "box", "boxes")}`
		: `${kind === "bytes" ? bytes(total) : plural(total, kind.slice(0, -1), kind)} held${icicle.zoom.parent ? `; zoomed into ${icicle.zoom.name}: ${amount(icicle.zoom.total)}` : ""}`;
}

function zoom(node) {
	icicle.zoom = node;
	drawIcicle(true);
}

function zoomOut() {
	if (icicle.zoom.parent) zoom(icicle.zoom.parent);
}

function moveInIcicle(box, key) {
	const node = icicle.nodes.get(box), siblings = node.parent ? [...node.parent.kids.values()].sort((a, b) => b.total - a.total || a.name.localeCompare(b.name)) : [node];
	const at = siblings.indexOf(node), kids = [...node.kids.values()].sort((a, b) => b.total - a.total || a.name.localeCompare(b.name));
	const to = { ArrowUp: node.parent, ArrowDown: kids[0], ArrowLeft: siblings[at - 1], ArrowRight: siblings[at + 1] }[key];
	if (to && to.box && to.box.isConnected) {
		box.tabIndex = -1;
		to.box.tabIndex = 0;
		to.box.focus();
	}
}

function icicleKey(event) {
	if (event.key === "Escape") zoomOut();
	else if (event.key.startsWith("Arrow") && icicle.nodes.has(event.target)) moveInIcicle(event.target, event.key);
	else return;
	event.preventDefault();
}
